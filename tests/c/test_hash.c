/* SPDX-License-Identifier: MIT */
/* The hash of the packets of packets.h: the values are those that WinDivert's
 * own WinDivertHelperHashPacket gives for the same bytes. */
#include "check.h"
#include "core/hash.h"
#include "packets.h"

static uint64_t hash(const struct packet *packet, uint64_t seed)
{
    struct fd_parsed parsed;
    uint8_t *copy = exact_copy(packet->bytes, packet->length);
    fd_parse(copy, packet->length, &parsed);
    uint64_t value = fd_hash(copy, &parsed, seed);
    free(copy);
    return value;
}

static void ipv4(void)
{
    struct packet packet;
    begin_ipv4(&packet, 5, FD_PROTOCOL_TCP);
    add_tcp(&packet, 5, 0x12);
    CHECK_EQ(hash(&packet, 0), 0x51734e9ed914983bull);
    CHECK_EQ(hash(&packet, 0x0123456789abcdef), 0xfecab29a188ba95eull);
    begin_ipv4(&packet, 6, FD_PROTOCOL_UDP);
    add_udp(&packet);
    CHECK_EQ(hash(&packet, 0), 0xb23275407d3da2bcull);
    begin_ipv4(&packet, 5, FD_PROTOCOL_ICMP);
    add_icmp(&packet, 8);
    CHECK_EQ(hash(&packet, UINT64_MAX), 0xf2a6fbd03064dcd6ull);
    begin_ipv4(&packet, 5, 47);
    CHECK_EQ(hash(&packet, 1), 0x18550f4c5505f65eull);
}

static void ipv6(void)
{
    struct packet packet;
    begin_ipv6(&packet, FD_PROTOCOL_TCP);
    add_tcp(&packet, 5, 0x12);
    CHECK_EQ(hash(&packet, 0), 0x8ad451e368017d15ull);
    CHECK_EQ(hash(&packet, 0x0123456789abcdef), 0xfd61fa3920a03d10ull);
    begin_ipv6(&packet, FD_PROTOCOL_HOP_BY_HOP);
    add_extension(&packet, FD_PROTOCOL_UDP, 0, 8);
    add_udp(&packet);
    CHECK_EQ(hash(&packet, 0), 0x2d824f83f664e53aull);
    begin_ipv6(&packet, FD_PROTOCOL_ICMPV6);
    add_icmp(&packet, 128);
    CHECK_EQ(hash(&packet, UINT64_MAX), 0x7d7d7832d9520778ull);
    begin_ipv6(&packet, 59);
    CHECK_EQ(hash(&packet, 1), 0x050f6831f3d61303ull);
}

static void only_headers_count(void)
{
    struct packet packet;
    begin_ipv4(&packet, 5, FD_PROTOCOL_UDP);
    add_udp(&packet);
    add_payload(&packet, 64);
    uint64_t before = hash(&packet, 5);
    packet.bytes[packet.length - 1] ^= 1;
    CHECK_EQ(hash(&packet, 5), before);
    for (unsigned byte = 1; byte < 28; byte++) {
        if (byte == 2 || byte == 3 || byte == 6 || byte == 7 || byte == 9)
            continue; /* these change what is parsed */
        packet.bytes[byte] ^= 0x80;
        CHECK(hash(&packet, 5) != before);
        packet.bytes[byte] ^= 0x80;
    }
}

static void no_packet_has_no_hash(void)
{
    static const struct fd_parsed nothing;
    CHECK_EQ(fd_hash((const uint8_t *)"", &nothing, 7), 0);
}

int main(void)
{
    ipv4();
    ipv6();
    only_headers_count();
    no_packet_has_no_hash();
    return check_result();
}
