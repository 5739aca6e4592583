/* SPDX-License-Identifier: MIT */
/* Packets cut into fragments, for the tests of reassembly. */
#ifndef FD_TEST_FRAGMENTS_H
#define FD_TEST_FRAGMENTS_H

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/ring.h"
#include "packets.h"

#define L2_LENGTH 14u

/* A record whose packet ends where its allocation ends, after an L2 header. */
struct piece {
    struct fd_descriptor descriptor;
    struct fd_record record;
    uint8_t *memory;
};

static inline void seal_ipv4(uint8_t *ip)
{
    put_be16(ip + 10, 0);
    uint16_t sum = (uint16_t)~fd_fold(fd_sum(ip, (uint32_t)(ip[0] & 15) * 4));
    memcpy(ip + 10, &sum, 2);
}

static inline struct piece piece_of(const struct packet *packet)
{
    struct piece piece = {.memory = malloc(L2_LENGTH + packet->length)};

    if (piece.memory == NULL)
        abort();
    memset(piece.memory, 0xee, L2_LENGTH);
    memcpy(piece.memory + L2_LENGTH, packet->bytes, packet->length);
    piece.record.packet = piece.memory + L2_LENGTH;
    piece.record.captured = packet->length;
    piece.record.l2_length = L2_LENGTH;
    piece.descriptor.captured = piece.descriptor.length = packet->length;
    piece.descriptor.l2_length = L2_LENGTH;
    piece.descriptor.ifindex = 7;
    piece.descriptor.flags = FD_FLAG_FRAGMENT | (packet->bytes[0] >> 4 == 6 ? FD_FLAG_IPV6 : 0);
    return piece;
}

/* Bytes [from, to) of the data behind the IP header of header_length bytes. */
static inline struct piece cut(const struct packet *whole, uint32_t header_length, uint32_t from,
                               uint32_t to, uint32_t id)
{
    uint32_t size = whole->length - header_length;
    struct packet part = {.length = 0};

    if (whole->bytes[0] >> 4 == 4) {
        memcpy(append(&part, header_length), whole->bytes, header_length);
        put_be16(part.bytes + 4, id);
        put_be16(part.bytes + 6, from / 8 | (to < size ? 0x2000u : 0u));
    } else {
        memcpy(append(&part, header_length), whole->bytes, header_length);
        part.bytes[6] = FD_PROTOCOL_FRAGMENT;
        add_fragment(&part, whole->bytes[6], from / 8, to < size);
        put_be16(part.bytes + header_length + 4, id >> 16);
        put_be16(part.bytes + header_length + 6, id & 0xffff);
    }
    memcpy(append(&part, to - from), whole->bytes + header_length + from, to - from);
    set_length(&part);
    if (whole->bytes[0] >> 4 == 4)
        seal_ipv4(part.bytes);
    return piece_of(&part);
}

static inline void begin_udp(struct packet *packet, int version, uint32_t payload)
{
    if (version == 4)
        begin_ipv4(packet, 5, FD_PROTOCOL_UDP);
    else
        begin_ipv6(packet, FD_PROTOCOL_UDP);
    add_udp(packet);
    add_payload(packet, payload);
    put_be16(packet->bytes + (version == 4 ? 24 : 44), 8 + payload);
    if (version == 4)
        seal_ipv4(packet->bytes);
}

#endif
