/* SPDX-License-Identifier: MIT */
/* Packets as the C contestants get them: in one arena, at 64-byte boundaries. */
#ifndef BENCHMARK_PACKETS_H
#define BENCHMARK_PACKETS_H

#include "../../driver/abi/ring.h"

#include <string.h>

struct packets {
    uint8_t *bytes;
    const uint32_t *offsets;
    const uint32_t *lengths;
    uint32_t count;
};

/* Far enough ahead to hide a miss, as fastdivert does too. */
#define PREFETCH_ROWS 8u

static inline uint8_t *packet_at(const struct packets *packets, uint32_t row)
{
    if (row + PREFETCH_ROWS < packets->count)
        __builtin_prefetch(packets->bytes + packets->offsets[row + PREFETCH_ROWS]);
    return packets->bytes + packets->offsets[row];
}

static inline uint16_t load16(const uint8_t *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint32_t load32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint16_t be16(const uint8_t *bytes)
{
    return __builtin_bswap16(load16(bytes));
}

static inline uint32_t be32(const uint8_t *bytes)
{
    return __builtin_bswap32(load32(bytes));
}

static inline void store16(uint8_t *bytes, uint16_t value)
{
    memcpy(bytes, &value, sizeof(value));
}

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };

/* Behind IPv6 extension headers; they are rare, so this is kept out of the way. */
static __attribute__((noinline, cold)) uint32_t behind_extensions(const uint8_t *packet,
                                                                  uint32_t length,
                                                                  uint8_t *protocol)
{
    uint32_t at = 40;
    while (at + 8 <= length) {
        uint32_t size = (packet[at + 1] + 1u) * 8u;
        if (*protocol == 44) {
            if (be16(packet + at + 2) & 0xfff8)
                return 0;
            size = 8;
        } else if (*protocol == 51) {
            size = (packet[at + 1] + 2u) * 4u;
        } else if (*protocol != 0 && *protocol != 43 && *protocol != 60 && *protocol != 135) {
            return at;
        }
        *protocol = packet[at];
        at += size;
    }
    return 0;
}

/* Where the transport header lies, with 8 bytes of it; 0 if there is none (a
 * fragment with an offset, or no packet at all). */
static inline uint32_t transport_at(const uint8_t *packet, uint32_t length, uint8_t *protocol)
{
    if (length < 20)
        return 0;
    if (packet[0] >> 4 == 4) {
        uint32_t header = (packet[0] & 15u) * 4u;
        if (header < 20 || header + 8 > length || be16(packet + 6) & 0x1fff)
            return 0;
        *protocol = packet[9];
        return header;
    }
    if (packet[0] >> 4 != 6 || length < 48)
        return 0;
    *protocol = packet[6];
    if (__builtin_expect(*protocol == TCP || *protocol == UDP || *protocol == ICMPV6, 1))
        return 40;
    return behind_extensions(packet, length, protocol);
}

/* What the parser leaves in a descriptor. */
static inline void describe(const uint8_t *packet, uint32_t length, struct fd_descriptor *to)
{
    uint8_t protocol = 0;
    uint32_t at = transport_at(packet, length, &protocol);
    uint32_t payload = at;
    uint32_t ports = 0;
    uint8_t tcp_flags = 0;
    uint32_t flags = packet[0] >> 4 == 6 ? FD_FLAG_IPV6 : 0;

    if (at == 0)
        flags |= FD_FLAG_MALFORMED;
    if (protocol == TCP && at + 20 <= length) {
        ports = be32(packet + at);
        tcp_flags = packet[at + 13];
        payload = at + (packet[at + 12] >> 4) * 4u;
    } else if (protocol == UDP) {
        ports = be32(packet + at);
        payload = at + 8;
    } else if (protocol == ICMP || protocol == ICMPV6) {
        payload = at + 8;
    }
    to->length = flags & FD_FLAG_IPV6 ? 40u + be16(packet + 4) : be16(packet + 2);
    to->captured = length;
    to->flags = flags;
    to->l4_offset = (uint16_t)at;
    to->payload_offset = (uint16_t)payload;
    to->source_port = (uint16_t)(ports >> 16);
    to->destination_port = (uint16_t)ports;
    to->protocol = protocol;
    to->tcp_flags = tcp_flags;
}

#endif
