/* SPDX-License-Identifier: MIT */
/*
 * The quick ways back for small packets. The kernel takes them from the ring
 * itself, a call for many: by the inject program (bpf/inject.h), or, for many
 * inbound ones, as live frames (bpf/frames.h).
 */
#ifndef FD_LINUX_QUICK_H
#define FD_LINUX_QUICK_H

#include <sys/types.h>

#include "anchor.h"
#include "queues.h"
#include "way_back.h"

struct fd_quick {
    struct fd_live_outbox *outbox;
    const struct fd_queues *queues;
    int inject_program; /* -1: no quick way */
    int frames_program; /* -1: no live frames */
    ino_t home;         /* the network namespace of the handle, or 0 */
    enum { FD_SOMEWHERE, FD_HOME, FD_ABROAD } whereabouts; /* of the thread that calls */
    struct fd_anchor anchor;
};

/* Before each call: a thread may have gone elsewhere since the last. */
static inline void fd_quick_forget(struct fd_quick *quick)
{
    quick->whereabouts = FD_SOMEWHERE;
}

/* Whether the quick way is the way for these, and quicker than the socket: some
 * that are alike, unicast Ethernet frames of ordinary size in the ring.
 *
 * What has no L2 header, or is a tunnel's, goes by socket; so does a group's
 * frame, which must be classified by its address on the way in. A program that
 * is run by hand sees the devices of the thread that runs it: elsewhere the
 * same number is another device, and only the socket knows where it belongs. */
int fd_quick_suits(struct fd_quick *quick, const struct fd_descriptor *descriptors,
                   const struct fd_record *records, uint32_t count);

/* How many of count packets, which suit, went the quick way: as many as are
 * alike. Each fault becomes 0 or an errno. */
uint32_t fd_quick_send(struct fd_quick *quick, struct fd_way_back *back,
                       const struct fd_descriptor *descriptors, const struct fd_record *records,
                       uint32_t count, int32_t *faults);

/* The calling thread's network namespace; 0 if it cannot be known. */
ino_t fd_current_namespace(void);

void fd_quick_close(struct fd_quick *quick);

#endif
