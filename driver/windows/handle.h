/* SPDX-License-Identifier: MIT */
/* An open handle: one file object of the device, and what belongs to it. */
#ifndef FD_WINDOWS_HANDLE_H
#define FD_WINDOWS_HANDLE_H

#include "../core/program.h"
#include "interface.h"
#include "mutex.h"
#include "nt.h"
#include "queue.h"

/* The send queue, the consumer's end; its lock is the handle's control mutex. */
struct fd_send {
    struct fd_region descriptors;
    struct fd_region bytes;
    struct fd_consumer consumer;
};

/* struct fd_windows_injection_counters, while it is being counted. */
struct fd_way_back {
    volatile LONG64 injected;
    volatile LONG64 passed_over;
    volatile LONG64 refused;
    volatile LONG64 completed;
    volatile LONG64 failed;
    volatile LONG64 returned;
    volatile LONG64 returned_failed;
    volatile LONG64 outstanding;
    volatile LONG64 outstanding_size;
    volatile LONG64 own;
    volatile LONG64 segments;
};

struct fd_handle {
    volatile LONG references; /* the file, and each packet in the stack */
    LIST_ENTRY link;          /* of all handles */
    HANDLE owner;             /* the process whose memory is registered */

    /* One IOCTL at a time, and teardown: over all below. What classify reads
     * is set before its slot opens, or is atomic. */
    struct fd_mutex control;
    enum fd_windows_state state;
    ULONG layer;
    ULONG flags;
    ULONG64 order; /* higher sees a packet earlier; unique */
    ULONG64 key;   /* of its slot; 0 before OPEN */
    struct fd_policy policy;
    struct fd_program program[2]; /* by epoch of the slot */
    volatile LONG shutdown;       /* enum fd_windows_shutdown */
    ULONG receive_count;          /* queues with a ring */
    ULONG queue_count;            /* one at least, if only to count */
    struct fd_queue *queues;
    struct fd_send send;
    PKEVENT doorbell;
    HANDLE engine; /* session of the filter engine */
    ULONG points;  /* where its filters stand: a set of enum fd_point */
    struct fd_way_back way_back;
};

/* Once, before any other. */
void fd_handles_initialise(void);

NTSTATUS fd_handle_create(struct fd_handle **handle);

/* IOCTLs; the caller holds the control mutex, and has checked the state. */
NTSTATUS fd_handle_open(struct fd_handle *handle, const struct fd_windows_open *open,
                        const struct fd_program *program);
NTSTATUS fd_handle_register(struct fd_handle *handle, const struct fd_windows_register *request,
                            const struct fd_windows_queue *places);
NTSTATUS fd_handle_start(struct fd_handle *handle);
NTSTATUS fd_handle_set_program(struct fd_handle *handle, const struct fd_program *program);
void fd_handle_set_policy(struct fd_handle *handle, const struct fd_policy *policy);
void fd_handle_shutdown(struct fd_handle *handle, ULONG how);

static inline BOOLEAN fd_handle_has(const struct fd_handle *handle, ULONG flag)
{
    return (handle->flags & flag) != 0;
}

/* Takes packets away from the host, instead of copying or just losing them. */
static inline BOOLEAN fd_handle_diverts(const struct fd_handle *handle)
{
    return !fd_handle_has(handle, FD_WINDOWS_SNIFF | FD_WINDOWS_DROP);
}

void fd_handle_reference(struct fd_handle *handle);
void fd_handle_dereference(struct fd_handle *handle);

/* At IRP_MJ_CLEANUP, and again at IRP_MJ_CLOSE: Wine sends only that one.
 * Idempotent; afterwards nothing is captured, mapped or locked. */
void fd_handle_close(struct fd_handle *handle);

/* A process ends: no page of it may stay locked, whoever else has its handle. */
void fd_handles_leave_process(HANDLE process);

#endif
