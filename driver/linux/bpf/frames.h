/* SPDX-License-Identifier: MIT */
/*
 * The quick way in for many small packets: the owner has the kernel make frames
 * as if a device had received them (live frames of BPF_PROG_TEST_RUN), and this
 * program, as the device's XDP program, puts the packets of the outbox into
 * them. A frame has no mark yet. Ours travels in the metadata before its data,
 * beside 64 secret bits, up to the handle's ingress program.
 */
#ifndef FD_LINUX_BPF_FRAMES_H
#define FD_LINUX_BPF_FRAMES_H

#include "inject.h"

struct frame_note {
    uint32_t note[2]; /* config.note */
    uint32_t mark;
    uint32_t padding;
};

/* The mark of a live frame of some handle's, or 0. */
INLINE uint32_t read_frame_mark(const struct __sk_buff *skb)
{
    const struct frame_note *note = (const void *)(uintptr_t)skb->data_meta;

    if ((const void *)(note + 1) > (const void *)(uintptr_t)skb->data ||
        note->note[0] != (uint32_t)config.note || note->note[1] != (uint32_t)(config.note >> 32))
        return 0;
    return note->mark;
}

INLINE long write_frame_mark(struct xdp_md *frame, uint32_t mark)
{
    long failed = bpf_xdp_adjust_meta(frame, -(int)sizeof(struct frame_note));
    struct frame_note *note = (void *)(uintptr_t)frame->data_meta;

    if (failed)
        return failed;
    if ((void *)(note + 1) > (void *)(uintptr_t)frame->data)
        return -22; /* EINVAL */
    note->note[0] = (uint32_t)config.note;
    note->note[1] = (uint32_t)(config.note >> 32);
    note->mark = mark;
    note->padding = 0;
    return 0;
}

INLINE long fill_frame(struct xdp_md *frame, const struct fd_slot *slot, uint32_t index)
{
    uint32_t queue = slot->queue;
    uint32_t offset = slot->offset & (uint32_t)(config.byte_size - 1);
    uint32_t length = slot->length;
    uint8_t *ring = bpf_map_lookup_elem(&bytes, &queue);
    long failed = 0;

    OPAQUE(length);
    if (!ring || length < FD_QUICK_MIN || length > FD_QUICK_MAX)
        return -22;
    int change = (int)length - (int)(frame->data_end - frame->data);
    if (change != 0)
        failed = bpf_xdp_adjust_tail(frame, change);
    if (failed)
        return failed;
    OPAQUE(length); /* once more, right before the call; see record_part */
    if (length < FD_QUICK_MIN || length > FD_QUICK_MAX)
        return -22;
    failed = bpf_xdp_store_bytes(frame, 0, ring + offset, length);
    if (failed)
        return failed;
    return write_frame_mark(frame, config.own_mark | index);
}

SECTION("frames") int fd_frames(struct xdp_md *frame)
{
    struct fd_live_outbox *outbox = only_element(&outboxes);

    if (!outbox)
        return XDP_DROP;
    uint32_t next = READ_ONCE(outbox->next);
    if (next == READ_ONCE(outbox->end))
        return XDP_DROP;
    WRITE_ONCE(outbox->next, next + 1);
    uint32_t index = next & FD_MARK_SLOT;
    struct fd_slot *slot = bpf_map_lookup_elem(&slots, &index);
    if (!slot)
        return XDP_DROP;
    long failed = fill_frame(frame, slot, index);
    slot->fault = (uint32_t)-failed;
    return failed ? XDP_DROP : XDP_PASS;
}

#endif
