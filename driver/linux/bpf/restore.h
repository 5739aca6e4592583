/* SPDX-License-Identifier: MIT */
/*
 * The way back. A packet that a handle puts back carries the handle's mark; it
 * enters at egress of the device that it came from (or is meant for), like
 * anything that the host sends. The owner's program turns it round, has it
 * routed, or restores its own mark and lets it go on; programs before the
 * owner's in the chain leave it alone, those behind see it as any packet, with
 * a note that a program has sent it.
 */
#ifndef FD_LINUX_BPF_RESTORE_H
#define FD_LINUX_BPF_RESTORE_H

#include "frames.h"

/* What the owner tells later programs: it has restored the packet, and what was
 * in the slot. */
#define FD_NOTE_RESTORED (1u << 31)
#define FD_NOTE_SLOT (FD_SLOT_FORWARDED | FD_SLOT_IMPOSTOR | FD_SLOT_REINJECTED)

/* skb->cb lasts for one walk of the chain, but it starts with whatever the
 * stack left there: 64 secret bits tell our note from that. */
INLINE uint32_t read_note(struct __sk_buff *skb)
{
    if (skb->cb[0] != (uint32_t)config.note || skb->cb[1] != (uint32_t)(config.note >> 32))
        return 0;
    return skb->cb[2];
}

INLINE void write_note(struct __sk_buff *skb, uint32_t note)
{
    skb->cb[0] = (uint32_t)config.note;
    skb->cb[1] = (uint32_t)(config.note >> 32);
    skb->cb[2] = note;
}

/* 1: the packet was put back by a handle, and *action says what now. What a
 * live frame carries lasts longer than a mark: it counts until its owner has
 * left its note. */
INLINE int restore(struct __sk_buff *skb, int egress, uint32_t note, int *action)
{
    uint32_t mark = skb->mark;
    uint32_t frame_mark = 0;

    if (((mark ^ config.own_mark) & FD_MARK_MAGIC) != 0) {
        mark = frame_mark = egress || note ? 0 : read_frame_mark(skb);
        if (((mark ^ config.own_mark) & FD_MARK_MAGIC) != 0)
            return 0;
    }
    struct fd_live_counters *counts = only_element(&counters);
    if (!counts)
        return 0;
    if (((mark ^ config.own_mark) & FD_MARK_OWNER) != 0) {
        counts->foreign++;
        return 1;
    }
    uint32_t index = mark & FD_MARK_SLOT;
    struct fd_slot *slot = bpf_map_lookup_elem(&slots, &index);
    if (!slot)
        return 0;
    uint32_t state = READ_ONCE(slot->state);
    if (!(state & FD_SLOT_LIVE)) {
        counts->stray++;
        return 0;
    }
    if (egress && (state & FD_SLOT_ROUTE)) {
        counts->routed++;
        WRITE_ONCE(slot->state, state & ~FD_SLOT_ROUTE);
        *action = (int)bpf_redirect_neigh(skb->ifindex, 0, 0, 0);
        return 1;
    }
    if (egress && (state & FD_SLOT_INBOUND)) {
        counts->turned++;
        *action = (int)bpf_redirect(skb->ifindex, BPF_F_INGRESS);
        return 1;
    }
    counts->restored++;
    counts->framed += frame_mark != 0;
    skb->mark = slot->mark;
    WRITE_ONCE(slot->state, 0);
    write_note(skb, FD_NOTE_RESTORED | (state & FD_NOTE_SLOT));
    return 1;
}

#endif
