/* SPDX-License-Identifier: MIT */
/* A descriptor from what the parser found and what the host knows. */
#ifndef FD_LINUX_BPF_DESCRIBE_H
#define FD_LINUX_BPF_DESCRIBE_H

#include "../../core/packet.h"
#include "pseudo.h"

#define TCP_CWR 0x80 /* of the flags: the sender has reduced its window */

/* What the host says of the checksums, in the descriptor's words. */
INLINE uint32_t checksum_flags(const struct fd_live_packet *packet, uint32_t summed)
{
    uint32_t flags = 0;
    int ours = (packet->flags & (FD_FLAG_OUTBOUND | FD_FLAG_FORWARDED)) == FD_FLAG_OUTBOUND;
    int tcp = (packet->headers & FD_HAS(FD_HEADER_TCP)) != 0;
    int udp = (packet->headers & FD_HAS(FD_HEADER_UDP)) != 0;

    if (ours && (packet->headers & FD_HAS(FD_HEADER_IP)))
        flags |= FD_FLAG_IP_CHECKSUM_VALID;
    if (summed == CHECKSUM_UNNECESSARY || (summed == CHECKSUM_NONE && ours))
        flags |= tcp ? FD_FLAG_TCP_CHECKSUM_VALID : udp ? FD_FLAG_UDP_CHECKSUM_VALID : 0;
    return flags;
}

/* How the host is to cut a packet that is longer than its device takes. */
INLINE uint32_t read_gso(const struct sk_buff *kernel)
{
    const struct skb_shared_info *shared = (void *)(kernel->head + kernel->end);
    uint32_t type = 0;

    bpf_probe_read_kernel(&type, sizeof(type), &shared->gso_type);
    return (type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6) ? FD_FLAG_GSO_TCP : 0) |
           (type & SKB_GSO_UDP_L4 ? FD_FLAG_GSO_UDP : 0) |
           (type & SKB_GSO_TCP_ECN ? FD_FLAG_GSO_ECN : 0);
}

/* The same from the packet's headers; not of a tunnel, whose inner ones count. */
INLINE uint32_t infer_gso(const struct fd_live_packet *packet)
{
    if (packet->headers & FD_HAS(FD_HEADER_UDP))
        return FD_FLAG_GSO_UDP;
    if (!(packet->headers & FD_HAS(FD_HEADER_TCP)))
        return 0;
    return FD_FLAG_GSO_TCP | (packet->tcp_flags & TCP_CWR ? FD_FLAG_GSO_ECN : 0);
}

INLINE uint32_t partial_flag(const struct fd_live_packet *packet)
{
    return packet->headers & FD_HAS(FD_HEADER_TCP)   ? FD_FLAG_TCP_CHECKSUM_PARTIAL
           : packet->headers & FD_HAS(FD_HEADER_UDP) ? FD_FLAG_UDP_CHECKSUM_PARTIAL
                                                     : 0;
}

INLINE void read_offload(struct sk_buff *kernel, struct fd_live_packet *packet)
{
    uint32_t summed = (uint32_t)READ_BITS(kernel->ip_summed, kernel);
    uint32_t flags = checksum_flags(packet, summed);
    uint32_t start = 0;

    if (summed == CHECKSUM_PARTIAL) {
        /* csum_start counts from the buffer's head, ours from the IP header. */
        start = (uint32_t)kernel->csum_start - kernel->network_header -
                (packet->l3 - packet->l2_length);
        if (start == packet->l4_offset)
            flags |= partial_flag(packet);
    }
    if (packet->gso_size != 0)
        flags |= config.reads ? read_gso(kernel) : infer_gso(packet);
    packet->flags |= flags;
    packet->csum_start = start;
    packet->csum_offset = start != 0 ? kernel->csum_offset : 0;
}

/* A checksum that equals the pseudo-header's sum is one to be completed. (Or a
 * complete one that happens to: completing that again changes nothing.) */
INLINE int looks_partial(const struct fd_live_packet *packet, uint32_t protocol, uint32_t field)
{
    uint32_t found = *(const uint16_t *)(packet->l4 + field);

    if (packet->gso_size != 0)
        return 1; /* the host lets no other be segmented */
    if ((packet->state & (FD_PARSED_FRAGMENT | FD_PARSED_TRUNCATED)) != 0 || found == 0)
        return 0;
    return found == pseudo_sum(packet, protocol, packet->captured - packet->l4_offset);
}

/* Where the kernel does not show its own notes, the packet tells. */
INLINE void infer_offload(struct fd_live_packet *packet)
{
    int tcp = (packet->headers & FD_HAS(FD_HEADER_TCP)) != 0;
    uint32_t field = tcp ? FD_TCP_CHECKSUM : FD_UDP_CHECKSUM;
    uint32_t flags = partial_flag(packet);

    packet->csum_start = packet->csum_offset = 0;
    if (flags != 0 && looks_partial(packet, tcp ? FD_PROTOCOL_TCP : FD_PROTOCOL_UDP, field)) {
        packet->csum_start = packet->l4_offset;
        packet->csum_offset = field;
        flags |= checksum_flags(packet, CHECKSUM_PARTIAL);
    } else { /* what came in may be verified or not: nobody says */
        flags = checksum_flags(packet, CHECKSUM_NONE);
    }
    if (packet->gso_size != 0)
        flags |= infer_gso(packet);
    packet->flags |= flags;
}

/* Once for a matching packet, however many records become of it. */
INLINE void note_offload(struct sk_buff *kernel, struct fd_live_packet *packet)
{
    if (config.casts)
        read_offload(kernel, packet);
    else
        infer_offload(packet);
    FORGET();
}

INLINE uint16_t offset16(uint32_t offset)
{
    return offset < 0xffff ? (uint16_t)offset : 0xffff;
}

INLINE void describe(struct __sk_buff *skb, const struct fd_live_packet *packet,
                     struct fd_descriptor *descriptor)
{
    const uint32_t transports = FD_HAS(FD_HEADER_ICMP) | FD_HAS(FD_HEADER_ICMPV6) |
                                FD_HAS(FD_HEADER_TCP) | FD_HAS(FD_HEADER_UDP);

    descriptor->timestamp = packet->timestamp;
    descriptor->length = packet->length;
    descriptor->captured = packet->captured;
    descriptor->ifindex = packet->ifindex;
    descriptor->subifindex = 0;
    descriptor->mark = skb->mark;
    descriptor->hash = skb->hash;
    descriptor->l4_offset = packet->headers & transports ? offset16(packet->l4_offset) : 0;
    descriptor->payload_offset = offset16(packet->payload_offset);
    descriptor->source_port = (uint16_t)packet->source_port;
    descriptor->destination_port = (uint16_t)packet->destination_port;
    descriptor->protocol = (uint8_t)packet->protocol;
    descriptor->tcp_flags = (uint8_t)packet->tcp_flags;
    descriptor->layer = (uint8_t)config.layer;
    descriptor->event = FD_EVENT_NETWORK_PACKET;
    descriptor->verdict = FD_VERDICT_PASS;
    descriptor->flags = packet->flags;
    descriptor->gso_size = (uint16_t)packet->gso_size;
    descriptor->csum_start = (uint16_t)packet->csum_start;
    descriptor->csum_offset = (uint8_t)packet->csum_offset;
}

#endif
