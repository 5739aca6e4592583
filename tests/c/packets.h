/* SPDX-License-Identifier: MIT */
/* Packets for the tests, built header by header, and copied to the end of an
 * exact allocation before the core sees them: there AddressSanitizer catches
 * the first byte that is read too far. */
#ifndef FD_TEST_PACKETS_H
#define FD_TEST_PACKETS_H

#include "core/packet.h"
#include "core/protocol.h"
#include <stdlib.h>
#include <string.h>

struct packet {
    uint8_t bytes[2048];
    uint32_t length;
};

static inline void put_be16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline uint8_t *append(struct packet *packet, uint32_t length)
{
    uint8_t *at = packet->bytes + packet->length;
    memset(at, 0, length);
    packet->length += length;
    return at;
}

/* Writes the IP length field so that it covers the whole packet. */
static inline void set_length(struct packet *packet)
{
    if (packet->bytes[0] >> 4 == 4)
        put_be16(packet->bytes + 2, packet->length);
    else
        put_be16(packet->bytes + 4, packet->length - FD_IPV6_LENGTH);
}

static inline void begin_ipv4(struct packet *packet, unsigned header_words, uint8_t protocol)
{
    packet->length = 0;
    uint8_t *ip = append(packet, header_words * 4);
    ip[0] = (uint8_t)(0x40 | header_words);
    ip[8] = 64;
    ip[9] = protocol;
    memcpy(ip + 12, "\x0a\x01\x02\x03\xc0\xa8\x07\x09", 8);
    set_length(packet);
}

static inline void begin_ipv6(struct packet *packet, uint8_t next_header)
{
    packet->length = 0;
    uint8_t *ip = append(packet, FD_IPV6_LENGTH);
    ip[0] = 0x60;
    ip[6] = next_header;
    ip[7] = 64;
    for (int i = 0; i < 32; i++)
        ip[8 + i] = (uint8_t)(0x20 + i);
    set_length(packet);
}

/* A hop-by-hop, routing, destination or mobility header of (units + 1) * 8
 * bytes, or an AH header of (units + 2) * 4. */
static inline void add_extension(struct packet *packet, uint8_t next_header, uint8_t units,
                                 uint32_t length)
{
    uint8_t *header = append(packet, length);
    header[0] = next_header;
    header[1] = units;
    set_length(packet);
}

static inline void add_fragment(struct packet *packet, uint8_t next_header, uint32_t offset,
                                int more)
{
    uint8_t *header = append(packet, FD_IPV6_FRAGMENT_LENGTH);
    header[0] = next_header;
    put_be16(header + 2, offset << 3 | (more ? 1u : 0u));
    set_length(packet);
}

static inline void add_tcp(struct packet *packet, unsigned data_offset, uint8_t flags)
{
    uint8_t *tcp = append(packet, data_offset > 5 ? data_offset * 4 : FD_TCP_LENGTH);
    put_be16(tcp, 0x1234);
    put_be16(tcp + 2, 443);
    memcpy(tcp + 4, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
    tcp[FD_TCP_DATA_OFFSET] = (uint8_t)(data_offset << 4);
    tcp[FD_TCP_FLAGS] = flags;
    put_be16(tcp + 14, 0x7210);
    set_length(packet);
}

static inline void add_udp(struct packet *packet)
{
    uint8_t *udp = append(packet, FD_UDP_LENGTH);
    put_be16(udp, 5353);
    put_be16(udp + 2, 53);
    set_length(packet);
}

static inline void add_icmp(struct packet *packet, uint8_t type)
{
    uint8_t *icmp = append(packet, FD_ICMP_LENGTH);
    icmp[0] = type;
    put_be16(icmp + 4, 0x4d2);
    set_length(packet);
}

static inline void add_payload(struct packet *packet, uint32_t length)
{
    uint8_t *payload = append(packet, length);
    for (uint32_t i = 0; i < length; i++)
        payload[i] = (uint8_t)(i * 7 + 1);
    set_length(packet);
}

/* The bytes alone on the heap; the caller frees them. */
static inline uint8_t *exact_copy(const uint8_t *bytes, uint32_t length)
{
    uint8_t *copy = malloc(length);
    if (copy == NULL && length != 0)
        abort();
    if (length != 0)
        memcpy(copy, bytes, length);
    return copy;
}

static inline struct fd_parsed parse_captured(const struct packet *packet, uint32_t captured)
{
    struct fd_parsed parsed;
    uint8_t *copy = exact_copy(packet->bytes, captured);

    memset(&parsed, 0xcc, sizeof(parsed)); /* every field must be written */
    if (fd_parse(copy, captured, &parsed) != parsed.headers)
        abort();
    free(copy);
    return parsed;
}

static inline struct fd_parsed parse(const struct packet *packet)
{
    return parse_captured(packet, packet->length);
}

#endif
