/* SPDX-License-Identifier: MIT */
/*
 * A handle as fastdivert.sys has it: the device opened once, taken through its
 * states, and spoken to by IOCTL. The extension binds this and service.h; the
 * tests under Wine use them from C.
 */
#ifndef FD_WINDOWS_USER_PORT_H
#define FD_WINDOWS_USER_PORT_H

#include "core/ring.h"
#include "failure.h"
#include "section.h"

struct fd_port_options {
    const struct fd_program *program; /* verified */
    uint32_t program_size;
    uint32_t layer;
    uint32_t flags; /* enum fd_windows_flag */
    int32_t priority;
    uint32_t queue_length;
    uint32_t queue_time;
    uint64_t queue_size;
};

struct fd_port_stats {
    struct fd_producer_counters producer; /* over all receive queues */
    struct fd_windows_injection_counters injection;
};

struct fd_port;

/* Opens the device, which must be there: fd_service_start. Captures from now on.
 * memory gets the queues, and belongs to the caller: to be freed after the port
 * is closed, and when nobody looks into it any more. */
struct fd_port *fd_port_open(const struct fd_port_options *options, struct fd_memory *memory,
                             struct fd_failure *failure);

/* Captures nothing more; sending goes on. */
int fd_port_stop(struct fd_port *port, struct fd_failure *failure);

/* The driver lets go of everything. The memory stays; no other call may be
 * under way or follow but fd_port_free. */
void fd_port_close(struct fd_port *port);
void fd_port_free(struct fd_port *port);

/* Queues into which the driver puts packets: the first ones of memory. */
uint32_t fd_port_receive_count(const struct fd_port *port);

/* Set by the driver when a queue whose consumer sleeps has got a record. */
void *fd_port_doorbell(const struct fd_port *port);

/* The driver's clock: ns since the epoch, monotonic. */
int64_t fd_port_now(const struct fd_port *port);

int fd_port_set_program(struct fd_port *port, const struct fd_program *program,
                        uint32_t program_size, struct fd_failure *failure);
int fd_port_set_policy(struct fd_port *port, uint32_t length, uint32_t time, uint64_t size,
                       struct fd_failure *failure);
int fd_port_read_stats(struct fd_port *port, struct fd_port_stats *stats,
                       struct fd_failure *failure);

/* Puts packets back: rows of descriptors and records, as _core keeps them.
 * Returns how many the driver took, and in status an NTSTATUS for each. From
 * several threads one goes after the other. untouched: nobody has had them. -1: none or not all
 * were looked at. */
int64_t fd_port_inject(struct fd_port *port, const struct fd_descriptor *descriptors,
                       const struct fd_record *records, uint32_t count, int untouched,
                       int32_t *status, struct fd_failure *failure);

#endif
