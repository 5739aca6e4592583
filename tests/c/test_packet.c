/* SPDX-License-Identifier: MIT */
/* Which packets are accepted, and where their headers are. */
#include "check.h"
#include "packets.h"

#define IP FD_HAS(FD_HEADER_IP)
#define IPV6 FD_HAS(FD_HEADER_IPV6)
#define TCP FD_HAS(FD_HEADER_TCP)
#define UDP FD_HAS(FD_HEADER_UDP)
#define ICMP FD_HAS(FD_HEADER_ICMP)
#define ICMPV6 FD_HAS(FD_HEADER_ICMPV6)

static const struct fd_parsed nothing;

#define CHECK_REFUSED(parsed)                                    \
    do {                                                         \
        struct fd_parsed parsed_ = (parsed);                     \
        CHECK(memcmp(&parsed_, &nothing, sizeof(nothing)) == 0); \
    } while (0)

static void ipv4_tcp_has_every_field(void)
{
    struct packet packet;
    begin_ipv4(&packet, 5, FD_PROTOCOL_TCP);
    add_tcp(&packet, 5, 0x12);
    add_payload(&packet, 100);
    struct fd_parsed parsed = parse(&packet);

    CHECK_EQ(parsed.headers, IP | TCP);
    CHECK_EQ(parsed.length, 140);
    CHECK_EQ(parsed.l4_offset, 20);
    CHECK_EQ(parsed.payload_offset, 40);
    CHECK_EQ(parsed.payload_length, 100);
    CHECK_EQ(parsed.fragment_offset, 0);
    CHECK_EQ(parsed.state, 0);
    CHECK_EQ(parsed.protocol, FD_PROTOCOL_TCP);
    CHECK_EQ(parsed.tcp_flags, 0x12);
    CHECK_EQ(parsed.source_port, 0x1234);
    CHECK_EQ(parsed.destination_port, 443);
    for (unsigned i = 0; i < sizeof(parsed.padding); i++)
        CHECK_EQ(parsed.padding[i], 0);
}

static void too_short_for_an_ip_header_is_refused(void)
{
    struct packet packet;
    begin_ipv4(&packet, 5, FD_PROTOCOL_TCP);
    for (uint32_t captured = 0; captured < 20; captured++)
        CHECK_REFUSED(parse_captured(&packet, captured));
    begin_ipv6(&packet, 59);
    for (uint32_t captured = 0; captured < 40; captured++)
        CHECK_REFUSED(parse_captured(&packet, captured));
    CHECK_EQ(parse(&packet).headers, IPV6);
}

static void other_versions_are_refused(void)
{
    struct packet packet;
    begin_ipv4(&packet, 5, FD_PROTOCOL_TCP);
    append(&packet, 40);
    for (unsigned version = 0; version < 16; version++) {
        packet.bytes[0] = (uint8_t)(version << 4 | 5);
        CHECK_EQ(parse(&packet).headers != 0, version == 4 || version == 6);
    }
}

static void ipv4_header_length_must_be_possible(void)
{
    struct packet packet;
    begin_ipv4(&packet, 15, FD_PROTOCOL_UDP);
    add_udp(&packet);
    CHECK_EQ(parse(&packet).headers, IP | UDP);
    CHECK_EQ(parse(&packet).l4_offset, 60);
    CHECK_EQ(parse_captured(&packet, 60).headers, IP);
    CHECK_REFUSED(parse_captured(&packet, 59)); /* the header is not all here */
    for (unsigned words = 0; words < 5; words++) {
        packet.bytes[0] = (uint8_t)(0x40 | words);
        CHECK_REFUSED(parse(&packet));
    }
    packet.bytes[0] = 0x4f;
    put_be16(packet.bytes + 2, 59); /* shorter than the header */
    CHECK_REFUSED(parse(&packet));
    put_be16(packet.bytes + 2, 60);
    CHECK_EQ(parse(&packet).headers, IP);
    put_be16(packet.bytes + 2, 0); /* as in a super-packet */
    CHECK_REFUSED(parse(&packet));
}

static void ip_length_and_captured_may_differ(void)
{
    struct packet packet;
    begin_ipv4(&packet, 5, FD_PROTOCOL_UDP);
    add_udp(&packet);
    add_payload(&packet, 10);
    put_be16(packet.bytes + 2, 30); /* padding of 8 bytes behind the packet */
    struct fd_parsed parsed = parse(&packet);
    CHECK_EQ(parsed.state, FD_PARSED_EXTENDED);
    CHECK_EQ(parsed.length, 30);
    CHECK_EQ(parsed.payload_offset, 28);
    CHECK_EQ(parsed.payload_length, 2);

    put_be16(packet.bytes + 2, 1000);
    parsed = parse(&packet);
    CHECK_EQ(parsed.state, FD_PARSED_TRUNCATED);
    CHECK_EQ(parsed.length, 1000);
    CHECK_EQ(parsed.payload_length, 10);

    put_be16(packet.bytes + 2, 27); /* the transport header does not fit */
    CHECK_EQ(parse(&packet).headers, IP);
    CHECK_EQ(parse(&packet).payload_offset, 20);
    CHECK_EQ(parse(&packet).payload_length, 7);
}

static void tcp_data_offset(void)
{
    struct packet packet;
    begin_ipv4(&packet, 5, FD_PROTOCOL_TCP);
    add_tcp(&packet, 8, 0);
    add_payload(&packet, 4);
    CHECK_EQ(parse(&packet).payload_offset, 52);
    CHECK_EQ(parse(&packet).payload_length, 4);

    packet.bytes[32] = 0xf0; /* 60 bytes where 36 are: clipped */
    CHECK_EQ(parse(&packet).headers, IP | TCP);
    CHECK_EQ(parse(&packet).payload_offset, 56);
    CHECK_EQ(parse(&packet).payload_length, 0);

    packet.bytes[32] = 0x40; /* below the minimum: no TCP header */
    struct fd_parsed parsed = parse(&packet);
    CHECK_EQ(parsed.headers, IP);
    CHECK_EQ(parsed.protocol, FD_PROTOCOL_TCP);
    CHECK_EQ(parsed.payload_offset, 20);
    CHECK_EQ(parsed.payload_length, 36);
    CHECK_EQ(parsed.source_port, 0);
    CHECK_EQ(parsed.tcp_flags, 0);
}

static void transport_header_must_be_all_here(void)
{
    struct packet packet;
    begin_ipv4(&packet, 5, FD_PROTOCOL_TCP);
    add_tcp(&packet, 5, 0xff);
    CHECK_EQ(parse_captured(&packet, 40).headers, IP | TCP);
    CHECK_EQ(parse_captured(&packet, 39).headers, IP);
    begin_ipv4(&packet, 5, FD_PROTOCOL_UDP);
    add_udp(&packet);
    CHECK_EQ(parse_captured(&packet, 28).headers, IP | UDP);
    CHECK_EQ(parse_captured(&packet, 27).headers, IP);
    begin_ipv4(&packet, 5, FD_PROTOCOL_ICMP);
    add_icmp(&packet, 8);
    CHECK_EQ(parse_captured(&packet, 28).headers, IP | ICMP);
    CHECK_EQ(parse_captured(&packet, 27).headers, IP);
    begin_ipv6(&packet, FD_PROTOCOL_ICMPV6);
    add_icmp(&packet, 128);
    CHECK_EQ(parse_captured(&packet, 48).headers, IPV6 | ICMPV6);
    CHECK_EQ(parse_captured(&packet, 47).headers, IPV6);
}

static void icmp_belongs_to_its_version(void)
{
    struct packet packet;
    begin_ipv4(&packet, 5, FD_PROTOCOL_ICMPV6);
    add_icmp(&packet, 128);
    CHECK_EQ(parse(&packet).headers, IP);
    begin_ipv6(&packet, FD_PROTOCOL_ICMP);
    add_icmp(&packet, 8);
    CHECK_EQ(parse(&packet).headers, IPV6);
}

static void ipv4_fragments(void)
{
    struct packet packet;
    begin_ipv4(&packet, 5, FD_PROTOCOL_UDP);
    add_udp(&packet);
    put_be16(packet.bytes + 6, 0x2000);
    CHECK_EQ(parse(&packet).headers, IP | UDP);
    CHECK_EQ(parse(&packet).state, FD_PARSED_FRAGMENT | FD_PARSED_MORE_FRAGMENTS);
    put_be16(packet.bytes + 6, 0x2001);
    CHECK_EQ(parse(&packet).headers, IP);
    CHECK_EQ(parse(&packet).fragment_offset, 1);
    CHECK_EQ(parse(&packet).state, FD_PARSED_FRAGMENT | FD_PARSED_MORE_FRAGMENTS);
    put_be16(packet.bytes + 6, 0x1fff);
    CHECK_EQ(parse(&packet).fragment_offset, 0x1fff);
    CHECK_EQ(parse(&packet).state, FD_PARSED_FRAGMENT);
    CHECK_EQ(parse(&packet).payload_offset, 20);
    put_be16(packet.bytes + 6, 0xc000); /* DF and the reserved bit */
    CHECK_EQ(parse(&packet).headers, IP | UDP);
    CHECK_EQ(parse(&packet).state, 0);
}

static void ipv6_extension_headers_are_skipped(void)
{
    static const uint8_t skipped[] = {FD_PROTOCOL_HOP_BY_HOP, FD_PROTOCOL_ROUTING,
                                      FD_PROTOCOL_DESTINATION, FD_PROTOCOL_MOBILITY};
    struct packet packet;
    for (unsigned i = 0; i < sizeof(skipped); i++) {
        begin_ipv6(&packet, skipped[i]);
        add_extension(&packet, FD_PROTOCOL_UDP, 2, 24);
        add_udp(&packet);
        CHECK_EQ(parse(&packet).headers, IPV6 | UDP);
        CHECK_EQ(parse(&packet).l4_offset, 64);
        CHECK_EQ(parse(&packet).protocol, FD_PROTOCOL_UDP);
    }
    begin_ipv6(&packet, FD_PROTOCOL_AH);
    add_extension(&packet, FD_PROTOCOL_TCP, 4, 24);
    add_tcp(&packet, 5, 2);
    CHECK_EQ(parse(&packet).headers, IPV6 | TCP);
    CHECK_EQ(parse(&packet).l4_offset, 64);

    static const uint8_t not_skipped[] = {50, 59, 139, 140, 253};
    for (unsigned i = 0; i < sizeof(not_skipped); i++) {
        begin_ipv6(&packet, not_skipped[i]);
        add_extension(&packet, FD_PROTOCOL_UDP, 0, 8);
        add_udp(&packet);
        CHECK_EQ(parse(&packet).headers, IPV6);
        CHECK_EQ(parse(&packet).l4_offset, 40);
        CHECK_EQ(parse(&packet).protocol, not_skipped[i]);
    }
}

static void ipv6_extension_header_that_does_not_fit_ends_the_walk(void)
{
    struct packet packet;
    begin_ipv6(&packet, FD_PROTOCOL_HOP_BY_HOP);
    add_extension(&packet, FD_PROTOCOL_ROUTING, 0, 8);
    add_extension(&packet, FD_PROTOCOL_UDP, 1, 16);
    CHECK_EQ(parse_captured(&packet, 64).protocol, FD_PROTOCOL_UDP);
    CHECK_EQ(parse_captured(&packet, 64).l4_offset, 64);
    for (uint32_t captured = 48; captured < 64; captured++) {
        CHECK_EQ(parse_captured(&packet, captured).protocol, FD_PROTOCOL_ROUTING);
        CHECK_EQ(parse_captured(&packet, captured).l4_offset, 48);
        CHECK_EQ(parse_captured(&packet, captured).payload_length, captured - 48);
    }
    for (uint32_t captured = 40; captured < 48; captured++)
        CHECK_EQ(parse_captured(&packet, captured).l4_offset, 40);

    put_be16(packet.bytes + 4, 12); /* the IP length ends it as well */
    CHECK_EQ(parse(&packet).l4_offset, 48);
    CHECK_EQ(parse(&packet).payload_length, 4);
    put_be16(packet.bytes + 4, 0);
    CHECK_EQ(parse(&packet).length, 40);
    CHECK_EQ(parse(&packet).payload_length, 0);
    CHECK_EQ(parse(&packet).state, FD_PARSED_EXTENDED);
}

static void ipv6_fragments(void)
{
    struct packet packet;
    begin_ipv6(&packet, FD_PROTOCOL_FRAGMENT);
    add_fragment(&packet, FD_PROTOCOL_UDP, 0, 1);
    add_udp(&packet);
    CHECK_EQ(parse(&packet).headers, IPV6 | UDP);
    CHECK_EQ(parse(&packet).state, FD_PARSED_FRAGMENT | FD_PARSED_MORE_FRAGMENTS);
    CHECK_EQ(parse(&packet).fragment_offset, 0);

    packet.bytes[43] = 0; /* an atomic fragment (RFC 6946) */
    CHECK_EQ(parse(&packet).state, FD_PARSED_FRAGMENT);
    CHECK_EQ(parse(&packet).headers, IPV6 | UDP);
    packet.bytes[43] = 6; /* the reserved bits are no offset */
    CHECK_EQ(parse(&packet).headers, IPV6 | UDP);

    begin_ipv6(&packet, FD_PROTOCOL_FRAGMENT);
    add_fragment(&packet, FD_PROTOCOL_HOP_BY_HOP, 0x1fff, 0);
    add_extension(&packet, FD_PROTOCOL_UDP, 0, 8); /* data, not a header */
    CHECK_EQ(parse(&packet).headers, IPV6);
    CHECK_EQ(parse(&packet).fragment_offset, 0x1fff);
    CHECK_EQ(parse(&packet).l4_offset, 48);
    CHECK_EQ(parse(&packet).protocol, FD_PROTOCOL_HOP_BY_HOP);

    begin_ipv6(&packet, FD_PROTOCOL_FRAGMENT);
    add_fragment(&packet, FD_PROTOCOL_FRAGMENT, 0, 0);
    add_fragment(&packet, FD_PROTOCOL_UDP, 5, 1); /* a second one ends the walk */
    add_udp(&packet);
    CHECK_EQ(parse(&packet).protocol, FD_PROTOCOL_FRAGMENT);
    CHECK_EQ(parse(&packet).l4_offset, 48);
    CHECK_EQ(parse(&packet).fragment_offset, 0);
    CHECK_EQ(parse(&packet).state, FD_PARSED_FRAGMENT);

    begin_ipv6(&packet, FD_PROTOCOL_FRAGMENT);
    add_fragment(&packet, FD_PROTOCOL_UDP, 5, 1);
    CHECK_EQ(parse_captured(&packet, 47).state,
             FD_PARSED_TRUNCATED); /* not all here: not a fragment */
    CHECK_EQ(parse_captured(&packet, 47).l4_offset, 40);
}

static void long_chains_end(void)
{
    struct packet packet;
    begin_ipv6(&packet, FD_PROTOCOL_DESTINATION);
    while (packet.length + 8 <= sizeof(packet.bytes))
        add_extension(&packet, FD_PROTOCOL_DESTINATION, 0, 8);
    CHECK_EQ(parse(&packet).l4_offset, packet.length);
    CHECK_EQ(parse(&packet).headers, IPV6);
}

static void describe_keeps_what_is_not_its_own(void)
{
    struct fd_descriptor descriptor;
    struct packet packet;
    memset(&descriptor, 0xff, sizeof(descriptor));
    struct fd_descriptor before = descriptor;
    begin_ipv6(&packet, FD_PROTOCOL_FRAGMENT);
    add_fragment(&packet, FD_PROTOCOL_TCP, 0, 1);
    add_tcp(&packet, 5, 0x18);
    add_payload(&packet, 12);
    struct fd_parsed parsed = parse(&packet);
    fd_describe(&parsed, packet.length, &descriptor);

    CHECK_EQ(descriptor.flags, ~(uint32_t)(FD_FLAG_TRUNCATED | FD_FLAG_MALFORMED));
    CHECK_EQ(descriptor.length, 80);
    CHECK_EQ(descriptor.l4_offset, 48);
    CHECK_EQ(descriptor.payload_offset, 68);
    CHECK_EQ(descriptor.source_port, 0x1234);
    CHECK_EQ(descriptor.destination_port, 443);
    CHECK_EQ(descriptor.protocol, FD_PROTOCOL_TCP);
    CHECK_EQ(descriptor.tcp_flags, 0x18);
    before.flags = descriptor.flags;
    before.length = descriptor.length;
    before.l4_offset = descriptor.l4_offset;
    before.payload_offset = descriptor.payload_offset;
    before.source_port = descriptor.source_port;
    before.destination_port = descriptor.destination_port;
    before.protocol = descriptor.protocol;
    before.tcp_flags = descriptor.tcp_flags;
    CHECK(memcmp(&before, &descriptor, sizeof(before)) == 0);
}

static void describe_marks_what_is_wrong(void)
{
    struct fd_descriptor descriptor = {.flags = FD_FLAG_OUTBOUND | FD_FLAG_IPV6};
    fd_describe(&nothing, 17, &descriptor);
    CHECK_EQ(descriptor.flags, FD_FLAG_OUTBOUND | FD_FLAG_MALFORMED);
    CHECK_EQ(descriptor.length, 17);
    CHECK_EQ(descriptor.l4_offset, 0);

    struct packet packet;
    begin_ipv4(&packet, 5, 47); /* GRE: no transport header that we know */
    put_be16(packet.bytes + 2, 100);
    struct fd_parsed parsed = parse(&packet);
    fd_describe(&parsed, 20, &descriptor);
    CHECK_EQ(descriptor.flags, FD_FLAG_OUTBOUND | FD_FLAG_TRUNCATED);
    CHECK_EQ(descriptor.length, 100);
    CHECK_EQ(descriptor.l4_offset, 0);
    CHECK_EQ(descriptor.payload_offset, 20);

    parsed =
        (struct fd_parsed){.headers = IPV6 | UDP, .l4_offset = 0xffff, .payload_offset = 0x10007};
    fd_describe(&parsed, 70000, &descriptor);
    CHECK_EQ(descriptor.l4_offset, 0xffff);
    CHECK_EQ(descriptor.payload_offset, 0xffff);
}

static void everything_lies_within_captured(void)
{
    uint64_t state = 88172645463325252ull;
    for (int round = 0; round < 200000; round++) {
        struct packet packet;
        uint32_t length = random_below(&state, 120);
        for (uint32_t i = 0; i < length; i++)
            packet.bytes[i] = (uint8_t)random_next(&state);
        if (random_below(&state, 8) != 0) {
            static const uint8_t next[] = {0, 1, 6, 17, 43, 44, 51, 58, 60, 135};
            packet.bytes[0] =
                random_below(&state, 2) ? 0x60 : (uint8_t)(0x40 | random_below(&state, 8));
            put_be16(packet.bytes + (packet.bytes[0] == 0x60 ? 4 : 2), random_below(&state, 130));
            for (uint32_t at = 6; at + 1 < length;
                 at += packet.bytes[0] == 0x60 && at >= 40 ? 8 : 34) {
                packet.bytes[at] = next[random_below(&state, sizeof(next))];
                packet.bytes[at + 1] = (uint8_t)random_below(&state, 3);
            }
        }
        struct fd_parsed parsed = parse_captured(&packet, length);
        if (parsed.headers == 0) {
            CHECK_REFUSED(parsed);
            continue;
        }
        uint32_t end = parsed.length < length ? parsed.length : length;
        CHECK(parsed.l4_offset <= parsed.payload_offset);
        CHECK_EQ(parsed.payload_offset + parsed.payload_length, end);
        CHECK_EQ((parsed.headers & IP) != 0, (parsed.headers & IPV6) == 0);
    }
}

int main(void)
{
    ipv4_tcp_has_every_field();
    too_short_for_an_ip_header_is_refused();
    other_versions_are_refused();
    ipv4_header_length_must_be_possible();
    ip_length_and_captured_may_differ();
    tcp_data_offset();
    transport_header_must_be_all_here();
    icmp_belongs_to_its_version();
    ipv4_fragments();
    ipv6_extension_headers_are_skipped();
    ipv6_extension_header_that_does_not_fit_ends_the_walk();
    ipv6_fragments();
    long_chains_end();
    describe_keeps_what_is_not_its_own();
    describe_marks_what_is_wrong();
    everything_lies_within_captured();
    return check_result();
}
