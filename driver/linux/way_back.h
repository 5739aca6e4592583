/* SPDX-License-Identifier: MIT */
/*
 * What the ways back have in common: the slots that say of each packet what is
 * to become of it (bpf/restore.h reads them), and where its flow's packets are.
 *
 * Order. A packet that is sent to an ingress by socket, or by the inject
 * program, waits in a queue of its CPU until the kernel gets to it: mostly
 * before the call returns, but not always. Live frames go up the stack within
 * the call, and would overtake it. So they may be used only while nothing is
 * in those queues: while every slot that was sent that way has been restored.
 */
#ifndef FD_LINUX_WAY_BACK_H
#define FD_LINUX_WAY_BACK_H

#include <stdint.h>

#include "../core/ring.h"
#include "shared.h"

#define LOOPBACK_IFINDEX 1 /* in every namespace */

struct fd_way_back {
    uint32_t mark; /* of the owner */
    int untouched; /* this call's packets: see fd_inject */
    struct fd_slot *slots;
    uint32_t next;      /* runs freely: a slow backlog never sees a reused one */
    uint32_t unsettled; /* from here to next: slots that may wait in a CPU's queue */
    int64_t sent;       /* when the last of them was sent, ns */
};

/* Fills the next slot, which is the caller's to complete, and takes it. */
struct fd_slot *fd_way_back_take(struct fd_way_back *back, const struct fd_descriptor *descriptor,
                                 uint32_t state);

/* What is to become of a packet: enum fd_slot_state. */
uint32_t fd_way_back_state(const struct fd_way_back *back, const struct fd_descriptor *descriptor);

/* Slots were sent that may wait in a CPU's queue. */
void fd_way_back_queued(struct fd_way_back *back);

/* Whether nothing of what was sent waits in a queue. */
int fd_way_back_is_settled(struct fd_way_back *back);

/* All was settled, and what was sent since then went by no queue. */
void fd_way_back_passed(struct fd_way_back *back);

/* Completes a partial checksum: its field holds the pseudo-header's sum, and what
 * it covers is here. */
void fd_complete_checksum(const struct fd_descriptor *descriptor, const struct fd_record *record);

static inline int fd_is_inbound(const struct fd_descriptor *descriptor)
{
    return (descriptor->flags & FD_FLAG_OUTBOUND) == 0;
}

#endif
