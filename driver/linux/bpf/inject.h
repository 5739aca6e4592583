/* SPDX-License-Identifier: MIT */
/*
 * The quick way back for small packets: the owner runs this program for a whole
 * batch (BPF_PROG_TEST_RUN). For every slot from the outbox it fills the
 * kernel's one buffer with the packet from the ring, and sends a clone of it to
 * the device, marked as any packet that is put back.
 *
 * The kernel enables bottom halves after every turn of the program, and with
 * them goes all that was sent to an ingress: so a turn is as many packets as
 * the kernel itself takes from a device's queue at once.
 */
#ifndef FD_LINUX_BPF_INJECT_H
#define FD_LINUX_BPF_INJECT_H

#include "maps.h"

INLINE long send_slot(struct __sk_buff *skb, struct fd_slot *slot, uint32_t index)
{
    uint32_t queue = slot->queue;
    uint32_t offset = slot->offset & (uint32_t)(config.byte_size - 1);
    uint32_t length = slot->length;
    uint8_t *ring = bpf_map_lookup_elem(&bytes, &queue);

    OPAQUE(length);
    if (!ring || length < FD_QUICK_MIN || length > FD_QUICK_MAX)
        return -22; /* EINVAL */
    if (length != skb->len) {
        long failed = bpf_skb_change_tail(skb, length, 0);
        if (failed)
            return failed;
    }
    OPAQUE(length); /* once more, right before the call; see record_part */
    if (length < FD_QUICK_MIN || length > FD_QUICK_MAX)
        return -22;
    long failed = bpf_skb_store_bytes(skb, 0, ring + offset, length, 0);
    if (failed)
        return failed;
    skb->mark = config.own_mark | index;
    return bpf_clone_redirect(skb, slot->ifindex,
                              READ_ONCE(slot->state) & FD_SLOT_INBOUND ? BPF_F_INGRESS : 0);
}

SECTION("inject") int fd_inject(struct __sk_buff *skb)
{
    struct fd_live_outbox *outbox = only_element(&outboxes);

    if (!outbox)
        return 0;
#pragma clang loop unroll(disable)
    for (uint32_t i = 0; i < FD_QUICK_TURN; i++) {
        uint32_t next = READ_ONCE(outbox->next);
        if (next == READ_ONCE(outbox->end))
            break;
        uint32_t index = next & FD_MARK_SLOT;
        struct fd_slot *slot = bpf_map_lookup_elem(&slots, &index);
        if (slot)
            slot->fault = (uint32_t)-send_slot(skb, slot, index);
        WRITE_ONCE(outbox->next, next + 1);
    }
    return 0;
}

#endif
