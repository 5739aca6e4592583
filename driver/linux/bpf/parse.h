/* SPDX-License-Identifier: MIT */
/*
 * driver/core/packet.c in a form that the verifier follows: the same rules and
 * the same results, on a prefix of the packet, with the socket buffer behind
 * it for what lies further on. A test runs both on the same packets.
 */
#ifndef FD_LINUX_BPF_PARSE_H
#define FD_LINUX_BPF_PARSE_H

#include "../../core/protocol.h"
#include "../../core/packet.h"
#include "../shared.h"
#include "kernel.h"

/* An IPv4 header at its longest and a TCP header's fixed part: what the prefix
 * always holds if the packet does. */
_Static_assert(FD_PREFIX_MIN >= 60 + FD_L4_KEPT, "the prefix holds the headers of plain packets");

#define EXTENSIONS_MAX 8192 /* 65,535 bytes of the shortest extension headers */

INLINE uint32_t be16_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

/* The IP headers' word on where the packet ends and what it carries. */
struct walk {
    uint32_t end;
    uint32_t l4_offset;
    uint32_t fragment_offset;
    uint32_t headers;
    uint32_t protocol;
};

INLINE void set_length(struct fd_live_packet *packet, uint32_t length)
{
    packet->length = length;
    packet->state = (length > packet->captured ? FD_PARSED_TRUNCATED : 0) |
                    (length < packet->captured ? FD_PARSED_EXTENDED : 0);
}

/* Bytes behind the IP packet pad a short Ethernet frame; the host's IP layer
 * cuts them off before anyone sees them, and so do we. */
INLINE uint32_t trim(struct fd_live_packet *packet, uint32_t length, uint32_t least)
{
    if (length >= least && length < packet->captured)
        packet->captured = length;
    return length < packet->captured ? length : packet->captured;
}

INLINE int walk_ipv4(struct fd_live_packet *packet, struct walk *walk)
{
    const uint8_t *ip = packet->prefix;
    uint32_t header_length = (uint32_t)(ip[0] & 0x0f) * 4;
    uint32_t length = be16_at(ip + 2);
    uint32_t fragment = be16_at(ip + 6);

    walk->end = trim(packet, length, FD_IPV4_LENGTH);
    if (header_length < FD_IPV4_LENGTH || header_length > walk->end)
        return 0;
    set_length(packet, length);
    packet->state |= ((fragment & 0x3fff) != 0 ? FD_PARSED_FRAGMENT : 0) |
                     ((fragment & 0x2000) != 0 ? FD_PARSED_MORE_FRAGMENTS : 0);
    walk->l4_offset = header_length;
    walk->fragment_offset = fragment & 0x1fff;
    walk->headers = FD_HAS(FD_HEADER_IP);
    walk->protocol = ip[9];
    return 1;
}

INLINE int is_extension(uint32_t protocol)
{
    return protocol == FD_PROTOCOL_HOP_BY_HOP || protocol == FD_PROTOCOL_ROUTING ||
           protocol == FD_PROTOCOL_FRAGMENT || protocol == FD_PROTOCOL_AH ||
           protocol == FD_PROTOCOL_DESTINATION || protocol == FD_PROTOCOL_MOBILITY;
}

/* One extension header, 8 bytes or more; 0 at the chain's end. */
INLINE int step(struct __sk_buff *skb, struct fd_live_packet *packet, struct walk *walk)
{
    uint8_t header[4];
    uint32_t left = walk->end - walk->l4_offset;
    uint32_t protocol = walk->protocol;

    if (left < 8 || !is_extension(protocol) || (walk->fragment_offset & 0xfff8) != 0 ||
        bpf_skb_load_bytes(skb, packet->l3 + walk->l4_offset, header, sizeof(header)) != 0)
        return 0;
    uint32_t header_length = ((uint32_t)header[1] + 1) * 8;
    if (protocol == FD_PROTOCOL_AH)
        header_length = ((uint32_t)header[1] + 2) * 4;
    if (protocol == FD_PROTOCOL_FRAGMENT) {
        if (packet->state & FD_PARSED_FRAGMENT)
            return 0;
        header_length = FD_IPV6_FRAGMENT_LENGTH;
    }
    if (header_length > left)
        return 0;
    if (protocol == FD_PROTOCOL_FRAGMENT) {
        walk->fragment_offset = be16_at(header + 2);
        packet->state |= FD_PARSED_FRAGMENT |
                         (walk->fragment_offset & 1 ? FD_PARSED_MORE_FRAGMENTS : 0);
    }
    walk->protocol = header[0];
    walk->l4_offset += header_length;
    return 1;
}

INLINE int walk_ipv6(struct __sk_buff *skb, struct fd_live_packet *packet, struct walk *walk)
{
    const uint8_t *ip = packet->prefix;
    struct bpf_iter_num turns;

    if (packet->captured < FD_IPV6_LENGTH)
        return 0;
    uint32_t length = be16_at(ip + 4) + FD_IPV6_LENGTH;
    walk->end = trim(packet, length, FD_IPV6_LENGTH);
    set_length(packet, length);
    walk->l4_offset = FD_IPV6_LENGTH;
    walk->fragment_offset = 0; /* with the flags, until the walk is over */
    walk->headers = FD_HAS(FD_HEADER_IPV6);
    walk->protocol = ip[6];
    if (is_extension(walk->protocol)) {
        bpf_iter_num_new(&turns, 0, EXTENSIONS_MAX);
        while (bpf_iter_num_next(&turns))
            if (!step(skb, packet, walk))
                break;
        bpf_iter_num_destroy(&turns);
    }
    walk->fragment_offset >>= 3;
    return 1;
}

/* The transport header's fixed part, to where it is found at fixed offsets. */
INLINE void keep_l4(struct __sk_buff *skb, struct fd_live_packet *packet, uint32_t at,
                    uint32_t left)
{
    if (at <= 60) {
        const uint32_t *from = (const uint32_t *)(packet->prefix + (at & 0x3c));
        uint32_t *to = (uint32_t *)packet->l4;
        for (int i = 0; i < 5; i++)
            to[i] = from[i];
    } else if (left >= FD_TCP_LENGTH) {
        bpf_skb_load_bytes(skb, packet->l3 + at, packet->l4, FD_TCP_LENGTH);
    } else if (left >= FD_UDP_LENGTH) {
        bpf_skb_load_bytes(skb, packet->l3 + at, packet->l4, FD_UDP_LENGTH);
    }
}

INLINE void fill(struct __sk_buff *skb, struct fd_live_packet *packet, const struct walk *walk)
{
    const uint8_t *l4 = packet->l4;
    uint32_t left = walk->end - walk->l4_offset;
    uint32_t protocol = walk->protocol;
    uint32_t headers = walk->headers;
    uint32_t header_length = 0;

    packet->source_port = packet->destination_port = packet->tcp_flags = 0;
    if (walk->fragment_offset == 0) {
        keep_l4(skb, packet, walk->l4_offset, left);
        if (protocol == FD_PROTOCOL_TCP && left >= FD_TCP_LENGTH) {
            uint32_t length = (uint32_t)(l4[FD_TCP_DATA_OFFSET] >> 4) * 4;
            if (length >= FD_TCP_LENGTH) {
                header_length = length < left ? length : left;
                headers |= FD_HAS(FD_HEADER_TCP);
                packet->tcp_flags = l4[FD_TCP_FLAGS];
            }
        } else if (protocol == FD_PROTOCOL_UDP && left >= FD_UDP_LENGTH) {
            header_length = FD_UDP_LENGTH;
            headers |= FD_HAS(FD_HEADER_UDP);
        } else if (left >= FD_ICMP_LENGTH) {
            if (protocol == FD_PROTOCOL_ICMP && headers == FD_HAS(FD_HEADER_IP)) {
                header_length = FD_ICMP_LENGTH;
                headers |= FD_HAS(FD_HEADER_ICMP);
            } else if (protocol == FD_PROTOCOL_ICMPV6 && headers == FD_HAS(FD_HEADER_IPV6)) {
                header_length = FD_ICMP_LENGTH;
                headers |= FD_HAS(FD_HEADER_ICMPV6);
            }
        }
        if (headers & (FD_HAS(FD_HEADER_TCP) | FD_HAS(FD_HEADER_UDP))) {
            packet->source_port = be16_at(l4);
            packet->destination_port = be16_at(l4 + 2);
        }
    }
    packet->l4_offset = walk->l4_offset;
    packet->payload_offset = walk->l4_offset + header_length;
    packet->payload_length = left - header_length;
    packet->headers = headers;
    packet->protocol = protocol;
}

/* l3 and captured are set, the prefix is loaded. 0: what is there is no IP
 * packet, and packet->headers is 0. */
INLINE int parse(struct __sk_buff *skb, struct fd_live_packet *packet)
{
    struct walk walk;
    uint32_t version = packet->prefix[0] >> 4;
    int good = 0;

    packet->headers = 0;
    if (packet->captured < FD_IPV4_LENGTH)
        return 0;
    if (version == 4)
        good = walk_ipv4(packet, &walk);
    else if (version == 6)
        good = walk_ipv6(skb, packet, &walk);
    if (good)
        fill(skb, packet, &walk);
    return good;
}

#endif
