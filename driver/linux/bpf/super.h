/* SPDX-License-Identifier: MIT */
/*
 * TCP on a device with a large MTU, loopback above all, sends buffers that are
 * longer than any IP packet: the length field is 0, or an IPv6 jumbo option
 * stands in for it. Such a super-packet becomes several records here, each a
 * packet that could have been sent: as many whole segments as fit, its own
 * length, sequence number and flags, and a partial checksum to be finished.
 *
 * The filter judges the first of them, and the others share its fate: the host
 * knows but one buffer.
 */
#ifndef FD_LINUX_BPF_SUPER_H
#define FD_LINUX_BPF_SUPER_H

#include "pseudo.h"
#include "queue_packet.h"

#define IP_LENGTH_MAX 65535u
#define HEADERS_MAX 120u /* IP and TCP, each at its longest */
#define JUMBO_LENGTH 8u  /* a hop-by-hop header that holds a jumbo option only */
#define JUMBO_OPTION 0xc2
#define PARTS_MAX 64
#define PARTS_FEW 9 /* the longest buffer of BIG TCP: 512 KiB */
enum { TCP_SEQUENCE = 4, TCP_FIN_PSH = 0x09, IPV4_ID = 4 };

INLINE int is_super(const struct fd_live_packet *packet)
{
    return packet->gso_size != 0 && packet->captured > IP_LENGTH_MAX;
}

INLINE void put16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

INLINE uint32_t be32_at(const uint8_t *bytes)
{
    return be16_at(bytes) << 16 | be16_at(bytes + 2);
}

/* What the length field says of a packet of so many bytes. */
INLINE void write_length(uint8_t *ip, int ipv6, uint32_t captured)
{
    if (ipv6)
        put16(ip + 4, captured - FD_IPV6_LENGTH);
    else
        put16(ip + 2, captured);
}

/* Takes the jumbo option out of the prefix, and of all that is read later. */
INLINE int cut_jumbo(struct __sk_buff *skb, struct fd_live_packet *packet)
{
    const uint8_t *jumbo = packet->prefix + FD_IPV6_LENGTH;

    if (packet->prefix[6] != FD_PROTOCOL_HOP_BY_HOP || be16_at(packet->prefix + 4) != 0)
        return 1; /* none there */
    if (jumbo[1] != 0 || jumbo[2] != JUMBO_OPTION)
        return 0;
    packet->prefix[6] = jumbo[0];
    packet->l3 += JUMBO_LENGTH;
    packet->whole -= JUMBO_LENGTH;
    packet->prefix_length = FD_PREFIX_MIN;
    return bpf_skb_load_bytes(skb, packet->l3 + FD_IPV6_LENGTH, packet->prefix + FD_IPV6_LENGTH,
                              FD_PREFIX_MIN - FD_IPV6_LENGTH) == 0;
}

/* Parses the headers as those of the first part. */
INLINE int parse_super(struct __sk_buff *skb, struct fd_live_packet *packet)
{
    int ipv6 = is_ipv6(packet);
    uint32_t most = ipv6 ? FD_IPV6_LENGTH + IP_LENGTH_MAX : IP_LENGTH_MAX;

    struct fd_live_counters *counts = only_element(&counters);

    if (counts)
        counts->super++;
    packet->whole = packet->captured;
    packet->taken = 0;
    if (ipv6 && !cut_jumbo(skb, packet))
        return 0;
    packet->captured = packet->whole < most ? packet->whole : most;
    write_length(packet->prefix, ipv6, packet->captured);
    if (!parse(skb, packet))
        return 0;
    uint32_t room = most - packet->payload_offset;
    uint32_t part = room - room % packet->gso_size;
    if (!(packet->headers & FD_HAS(FD_HEADER_TCP)) || part == 0)
        return 1; /* record_super refuses it, and counts */
    packet->captured = packet->length = packet->payload_offset + part;
    packet->payload_length = part;
    write_length(packet->prefix, ipv6, packet->captured);
    return 1;
}

/* RFC 1624: the header checksum after one word has changed. */
INLINE uint32_t replaced(uint32_t checksum, uint32_t before, uint32_t after)
{
    return ~fold((~checksum & 0xffff) + (~before & 0xffff) + after) & 0xffff;
}

/* Makes the headers at ip those of the part that begins at packet->taken. */
INLINE void rewrite(uint8_t *ip, const struct fd_live_packet *packet, uint32_t first_length,
                    int is_last)
{
    int ipv6 = is_ipv6(packet);
    uint32_t captured = packet->captured;
    uint8_t *tcp = ip + (packet->l4_offset & 0x7c);
    uint32_t sequence = be32_at(tcp + TCP_SEQUENCE) + packet->taken;

    write_length(ip, ipv6, captured);
    if (!ipv6) {
        uint32_t id = be16_at(ip + IPV4_ID);
        uint32_t next = (id + packet->taken / packet->gso_size) & 0xffff;
        uint32_t checksum = be16_at(ip + FD_IPV4_CHECKSUM);
        checksum = replaced(checksum, first_length, captured);
        put16(ip + IPV4_ID, next);
        put16(ip + FD_IPV4_CHECKSUM, replaced(checksum, id, next));
    }
    put16(tcp + TCP_SEQUENCE, sequence >> 16);
    put16(tcp + TCP_SEQUENCE + 2, sequence & 0xffff);
    if (!is_last)
        tcp[FD_TCP_FLAGS] &= (uint8_t)~TCP_FIN_PSH;
    if (packet->taken != 0)
        tcp[FD_TCP_FLAGS] &= (uint8_t)~TCP_CWR;
    *(uint16_t *)(tcp + FD_TCP_CHECKSUM) =
        (uint16_t)pseudo_sum(packet, FD_PROTOCOL_TCP, captured - packet->l4_offset);
}

/* bpf_probe_read_kernel in small steps, for a host under lockdown. The headers
 * are whole words. How many is read anew each time: so the
 * verifier learns nothing from the answer, and has one path, not thirty. */
INLINE void copy_headers(uint8_t *to, const struct fd_live_packet *packet)
{
    const uint32_t *from = (const uint32_t *)packet->prefix;

    for (uint32_t i = 0; i < HEADERS_MAX / 4 && i * 4 < READ_ONCE(packet->payload_offset); i++)
        ((uint32_t *)to)[i] = from[i];
}

/* One part; 0 if its bytes could not be had. */
INLINE int record_part(struct __sk_buff *skb, struct fd_live_packet *packet, struct queue *queue,
                       uint32_t total, uint32_t original_length)
{
    uint32_t headers = READ_ONCE(packet->payload_offset);
    uint32_t taken = READ_ONCE(packet->taken);
    uint32_t most = READ_ONCE(packet->payload_length);
    uint32_t l2 = packet->l2_length;
    uint32_t length = total - taken < most ? total - taken : most;
    uint32_t at = record_at(queue->producer);
    uint32_t ip = at + (fd_record_packet_at(l2) & (2 * FD_L2_MAX - FD_PACKET_ALIGN));
    uint32_t gap = (fd_record_packet_at(l2) - l2) & (FD_PACKET_ALIGN - 1);

    if (l2 != 0) {
        BOUND(l2, FD_L2_MAX, return 0);
        if (bpf_skb_load_bytes(skb, 0, queue->bytes + at + gap, l2) != 0)
            return 0;
    }
    BOUND(headers, HEADERS_MAX, return 0);
    if (!config.reads)
        copy_headers(queue->bytes + ip, packet);
    else if (bpf_probe_read_kernel(queue->bytes + ip, headers, packet->prefix) != 0)
        return 0;
    BOUND(length, IP_LENGTH_MAX, return 0);
    if (bpf_skb_load_bytes(skb, packet->l3 + headers + taken, queue->bytes + ip + headers,
                           length) != 0)
        return 0;
    WRITE_ONCE(packet->captured, headers + length);
    packet->length = headers + length;
    rewrite(queue->bytes + ip, packet, original_length, taken + length == total);
    FORGET();
    struct fd_descriptor *descriptor = finish(skb, packet, queue, at);
    descriptor->tcp_flags = queue->bytes[ip + (packet->l4_offset & 0x7c) + FD_TCP_FLAGS];
    if (length <= packet->gso_size) { /* one segment: an ordinary packet */
        descriptor->gso_size = 0;
        descriptor->flags &= ~(uint32_t)(FD_FLAG_GSO_TCP | FD_FLAG_GSO_ECN);
    }
    WRITE_ONCE(packet->taken, taken + length);
    return 1;
}

/* 1: on to the next one. */
INLINE int next_part(struct __sk_buff *skb, struct fd_live_packet *packet, struct queue *queue,
                     uint32_t total, uint32_t original_length, int *good)
{
    if (READ_ONCE(packet->taken) >= total)
        return 0;
    if (record_part(skb, packet, queue, total, original_length))
        return 1;
    *good = 0;
    return 0;
}

/* All parts or none. */
INLINE unsigned record_super(struct __sk_buff *skb, struct fd_live_packet *packet,
                             struct queue *queue)
{
    uint32_t total = packet->whole - packet->payload_offset;
    uint32_t part = packet->payload_length;
    uint32_t headers = packet->payload_offset;
    uint8_t original[2] = {0, 0}; /* the IPv4 length that the header checksum covers */
    uint32_t turns = config.loops ? PARTS_MAX : PARTS_FEW;
    int good = 1;

    if (!(packet->headers & FD_HAS(FD_HEADER_TCP)) || part == 0 || part > IP_LENGTH_MAX ||
        headers > HEADERS_MAX || part % packet->gso_size != 0)
        return FD_DROP_OVERSIZE;
    uint32_t count = (total + part - 1) / part;
    uint64_t size = (uint64_t)count * fd_record_size(packet->l2_length, headers + part);
    unsigned drop = count > turns ? FD_DROP_OVERSIZE : make_room(queue, count, size);
    if (drop != FD_DROP_COUNT)
        return drop;
    if (bpf_skb_load_bytes(skb, packet->l2_length + 2, original, sizeof(original)) != 0)
        return FD_DROP_UNREADABLE;
    uint32_t original_length = be16_at(original);
    uint64_t queued = queue->producer->counters.queued;
    TAKE_TURNS(PARTS_MAX, PARTS_FEW, next_part(skb, packet, queue, total, original_length, &good));
    /* Every record counts as a match, so that what was matched is what was
     * queued and what was dropped. */
    queue->producer->counters.matched += queue->producer->counters.queued - queued - (good ? 1 : 0);
    publish(queue);
    return good ? FD_DROP_COUNT : FD_DROP_UNREADABLE;
}

#endif
