/* SPDX-License-Identifier: MIT */
/* The least that a column can cost, in and out, of packets that were parsed. */
#include "packets.h"

static inline int is_ipv4(const struct fd_descriptor *descriptor)
{
    return !(descriptor->flags & (FD_FLAG_IPV6 | FD_FLAG_MALFORMED));
}

void limit_read_ttl(const struct packets *packets, const struct fd_descriptor *descriptors,
                    uint8_t *column)
{
    for (uint32_t i = 0; i < packets->count; i++)
        column[i] = is_ipv4(&descriptors[i]) ? packet_at(packets, i)[8] : 0;
}

void limit_read_source(const struct packets *packets, const struct fd_descriptor *descriptors,
                       uint32_t *column)
{
    for (uint32_t i = 0; i < packets->count; i++)
        column[i] = is_ipv4(&descriptors[i]) ? be32(packet_at(packets, i) + 12) : 0;
}

void limit_read_port(const struct packets *packets, const struct fd_descriptor *descriptors,
                     uint16_t *column)
{
    for (uint32_t i = 0; i < packets->count; i++)
        column[i] = descriptors[i].protocol == TCP ? descriptors[i].destination_port : 0;
}

/* RFC 1624, equation 3, for a whole word. */
static inline uint16_t adjust(uint16_t checksum, uint32_t old_words, uint32_t new_words)
{
    uint64_t sum = (uint64_t)(uint16_t)~checksum + (uint32_t)~old_words + new_words;
    sum = (sum >> 32) + (uint32_t)sum;
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)~((sum >> 16) + sum);
}

void limit_write_ttl(const struct packets *packets, const struct fd_descriptor *descriptors,
                     const uint8_t *column)
{
    for (uint32_t i = 0; i < packets->count; i++) {
        uint8_t *packet = packet_at(packets, i);
        if (!is_ipv4(&descriptors[i]))
            continue;
        uint32_t before = load32(packet + 8) & 0xffff;
        packet[8] = column[i];
        uint32_t after = (before & ~0xffu) | column[i];
        store16(packet + 10, adjust(load16(packet + 10), before, after));
    }
}

void limit_write_source(const struct packets *packets, const struct fd_descriptor *descriptors,
                        const uint32_t *column)
{
    for (uint32_t i = 0; i < packets->count; i++) {
        uint8_t *packet = packet_at(packets, i);
        if (!is_ipv4(&descriptors[i]))
            continue;
        uint32_t before = load32(packet + 12);
        uint32_t after = __builtin_bswap32(column[i]);
        memcpy(packet + 12, &after, sizeof(after));
        store16(packet + 10, adjust(load16(packet + 10), before, after));
        uint8_t *field = packet + descriptors[i].l4_offset;
        if (descriptors[i].protocol == TCP)
            field += 16;
        else if (descriptors[i].protocol == UDP && load16(field + 6) != 0)
            field += 6;
        else
            continue;
        uint16_t checksum = adjust(load16(field), before, after);
        store16(field, checksum == 0 && descriptors[i].protocol == UDP ? 0xffff : checksum);
    }
}
