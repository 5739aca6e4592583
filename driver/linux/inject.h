/* SPDX-License-Identifier: MIT */
/*
 * The way back for everything: a packet is sent to the device that it came
 * from, as a frame, straight from where it lies, with the handle's mark on it.
 * The handle's own program does the rest (bpf/restore.h): GSO, a partial
 * checksum, the mark and the device all survive.
 */
#ifndef FD_LINUX_INJECT_H
#define FD_LINUX_INJECT_H

#include <stdint.h>

#include "../core/ring.h"
#include "error.h"
#include "queues.h"
#include "shared.h"

struct fd_injector;

/* What an injector must know of a device. */
struct fd_device {
    uint16_t type; /* ARPHRD_ */
    uint8_t address[6];
};

/* Returns 0 if there is no such device. May be called from several threads. */
typedef int fd_find_device(void *context, uint32_t ifindex, struct fd_device *device);

struct fd_injector_options {
    uint32_t mark; /* of the owner */
    struct fd_slot *slots;
    struct fd_live_outbox *outbox;
    int inject_program; /* fd_inject of the object, or -1: everything goes by socket */
    int frames_program; /* fd_frames of the object, or -1: no live frames */
    const struct fd_queues *queues;
    fd_find_device *find;
    void *context;
};

struct fd_injector *fd_injector_open(const struct fd_injector_options *options,
                                     struct fd_error *error);
void fd_injector_close(struct fd_injector *injector);

/* Sends count packets in order. faults[i] becomes 0 or an errno; a fault does
 * not stop the others. Returns how many were sent. untouched: nobody has had
 * them, so to later handles they are what they were to this one. Safe to call
 * from several threads. */
uint32_t fd_inject(struct fd_injector *injector, const struct fd_descriptor *descriptors,
                   const struct fd_record *records, uint32_t count, int untouched, int32_t *faults);

#endif
