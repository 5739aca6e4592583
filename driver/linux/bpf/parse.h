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
#include "turns.h"

/* An IPv4 header at its longest and a TCP header's fixed part: what the prefix
 * always holds if the packet does. */
_Static_assert(FD_PREFIX_MIN >= 60 + FD_L4_KEPT, "the prefix holds the headers of plain packets");

#define EXTENSIONS_MAX 8192 /* 65,535 bytes of the shortest extension headers */
#define EXTENSIONS_FEW 16   /* behind more, no transport header is seen */

INLINE uint32_t be16_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

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

/* Where the IP packet ends, or 0 if it is none. Leaves l4_offset, protocol,
 * fragment and state in the packet. */
INLINE uint32_t walk_ipv4(struct fd_live_packet *packet)
{
    const uint8_t *ip = packet->prefix;
    uint32_t header_length = (uint32_t)(ip[0] & 0x0f) * 4;
    uint32_t length = be16_at(ip + 2);
    uint32_t fragment = be16_at(ip + 6);
    uint32_t end = trim(packet, length, FD_IPV4_LENGTH);

    if (header_length < FD_IPV4_LENGTH || header_length > end)
        return 0;
    set_length(packet, length);
    packet->state |= ((fragment & 0x3fff) != 0 ? FD_PARSED_FRAGMENT : 0) |
                     ((fragment & 0x2000) != 0 ? FD_PARSED_MORE_FRAGMENTS : 0);
    packet->headers = FD_HAS(FD_HEADER_IP);
    packet->protocol = ip[9];
    packet->l4_offset = header_length;
    packet->fragment = fragment & 0x1fff;
    return end;
}

INLINE int is_extension(uint32_t protocol)
{
    return protocol == FD_PROTOCOL_HOP_BY_HOP || protocol == FD_PROTOCOL_ROUTING ||
           protocol == FD_PROTOCOL_FRAGMENT || protocol == FD_PROTOCOL_AH ||
           protocol == FD_PROTOCOL_DESTINATION || protocol == FD_PROTOCOL_MOBILITY;
}

/* One extension header, 8 bytes or more; 0 at the chain's end. What goes from
 * one turn to the next is kept in the packet, in a map: of that the verifier
 * remembers nothing, and so every turn looks like the last one to it. */
INLINE int step(struct __sk_buff *skb, struct fd_live_packet *packet, uint32_t end)
{
    uint8_t header[4];
    uint32_t at = READ_ONCE(packet->l4_offset);
    uint32_t protocol = READ_ONCE(packet->protocol);
    uint32_t left = end - at;

    if (left < 8 || !is_extension(protocol) || READ_ONCE(packet->fragment) != 0 ||
        bpf_skb_load_bytes(skb, packet->l3 + at, header, sizeof(header)) != 0)
        return 0;
    uint32_t header_length = ((uint32_t)header[1] + 1) * 8;
    if (protocol == FD_PROTOCOL_AH)
        header_length = ((uint32_t)header[1] + 2) * 4;
    if (protocol == FD_PROTOCOL_FRAGMENT) {
        if (READ_ONCE(packet->state) & FD_PARSED_FRAGMENT)
            return 0; /* a second one */
        header_length = FD_IPV6_FRAGMENT_LENGTH;
    }
    if (header_length > left)
        return 0;
    if (protocol == FD_PROTOCOL_FRAGMENT) {
        uint32_t fragment = be16_at(header + 2);
        WRITE_ONCE(packet->fragment, fragment >> 3);
        WRITE_ONCE(packet->state, packet->state | FD_PARSED_FRAGMENT |
                                      (fragment & 1 ? FD_PARSED_MORE_FRAGMENTS : 0));
    }
    WRITE_ONCE(packet->protocol, header[0]);
    WRITE_ONCE(packet->l4_offset, at + header_length);
    return 1;
}

INLINE uint32_t walk_ipv6(struct __sk_buff *skb, struct fd_live_packet *packet)
{
    const uint8_t *ip = packet->prefix;

    if (packet->captured < FD_IPV6_LENGTH)
        return 0;
    uint32_t length = be16_at(ip + 4) + FD_IPV6_LENGTH;
    uint32_t end = trim(packet, length, FD_IPV6_LENGTH);
    set_length(packet, length);
    packet->headers = FD_HAS(FD_HEADER_IPV6);
    packet->protocol = ip[6];
    packet->l4_offset = FD_IPV6_LENGTH;
    packet->fragment = 0;
    if (is_extension(ip[6]))
        TAKE_TURNS(EXTENSIONS_MAX, EXTENSIONS_FEW, step(skb, packet, end));
    return end;
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

INLINE void fill(struct __sk_buff *skb, struct fd_live_packet *packet, uint32_t end)
{
    const uint8_t *l4 = packet->l4;
    uint32_t at = READ_ONCE(packet->l4_offset);
    uint32_t protocol = READ_ONCE(packet->protocol);
    uint32_t headers = packet->headers;
    uint32_t left = end - at;
    uint32_t header_length = 0;

    packet->source_port = packet->destination_port = packet->tcp_flags = 0;
    if (READ_ONCE(packet->fragment) == 0) {
        keep_l4(skb, packet, at, left);
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
    packet->payload_offset = at + header_length;
    packet->payload_length = left - header_length;
    packet->headers = headers;
}

/* l3 and captured are set, the prefix is loaded. 0: what is there is no IP
 * packet, and packet->headers is 0. */
INLINE int parse(struct __sk_buff *skb, struct fd_live_packet *packet)
{
    uint32_t version = packet->prefix[0] >> 4;
    uint32_t end = 0;

    packet->headers = 0;
    if (packet->captured < FD_IPV4_LENGTH)
        return 0;
    if (version == 4)
        end = walk_ipv4(packet);
    else if (version == 6)
        end = walk_ipv6(skb, packet);
    if (end == 0)
        return 0;
    FORGET();
    fill(skb, packet, end);
    FORGET();
    return 1;
}

#endif
