/* SPDX-License-Identifier: MIT */
/* One packet into this CPU's queue. */
#ifndef FD_LINUX_BPF_QUEUE_PACKET_H
#define FD_LINUX_BPF_QUEUE_PACKET_H

#include "describe.h"
#include "record.h"

/* The descriptor of the record whose bytes are in place from at on. */
INLINE struct fd_descriptor *finish(struct __sk_buff *skb, const struct fd_live_packet *packet,
                                    struct queue *queue, uint32_t at)
{
    struct fd_descriptor *descriptor = descriptor_at(queue);
    uint32_t l2 = packet->l2_length;

    describe(skb, packet, descriptor);
    descriptor->offset = at + fd_record_packet_at(l2);
    descriptor->sequence = queue->producer->sequence++;
    descriptor->l2_length = (uint8_t)l2;
    descriptor->link = l2 == 0 ? FD_LINK_NONE : FD_LINK_ETHERNET;
    advance(queue, l2, packet->captured);
    return descriptor;
}

/* FD_DROP_COUNT: queued. */
INLINE unsigned record(struct __sk_buff *skb, struct fd_live_packet *packet, struct queue *queue)
{
    uint32_t l2 = packet->l2_length;
    uint32_t captured = packet->captured;

    if (fd_record_is_oversize(l2, captured))
        return FD_DROP_OVERSIZE;
    uint32_t size = fd_record_size(l2, captured);
    unsigned drop = make_room(queue, 1, size);
    if (drop != FD_DROP_COUNT)
        return drop;

    uint32_t at = record_at(queue->producer);
    uint32_t gap = fd_record_packet_at(l2) - l2; /* the L2 bytes end where the packet begins */
    uint32_t all = l2 + captured;
    gap &= FD_PACKET_ALIGN - 1;
    BOUND(all, FD_L2_MAX + FD_CAPTURED_MAX - FD_PACKET_ALIGN, return FD_DROP_OVERSIZE);
    if (bpf_skb_load_bytes(skb, 0, queue->bytes + at + gap, all) != 0)
        return FD_DROP_UNREADABLE;

    finish(skb, packet, queue, at);
    publish(queue);
    return FD_DROP_COUNT;
}

#endif
