/* SPDX-License-Identifier: MIT */
/* Which packets a program could match, without one to look at. */
#include "check.h"
#include "packets.h"
#include "programs.h"

#include "core/reach.h"

#define KNOWN (FD_FLAG_OUTBOUND | FD_FLAG_IPV6)
#define OUT_V4 FD_FLAG_OUTBOUND
#define OUT_V6 (FD_FLAG_OUTBOUND | FD_FLAG_IPV6)
#define IN_V4 0
#define IN_V6 FD_FLAG_IPV6

static struct fd_program one(struct fd_filter_test test)
{
    return (struct fd_program){.length = 1, .layer = FD_LAYER_NETWORK, .test = {test}};
}

/* Both tests, or either. */
static struct fd_program both(struct fd_filter_test first, struct fd_filter_test second)
{
    struct fd_program program = {.length = 2, .layer = FD_LAYER_NETWORK, .test = {first, second}};
    program.test[0].success = 1;
    return program;
}

static struct fd_program either(struct fd_filter_test first, struct fd_filter_test second)
{
    struct fd_program program = {.length = 2, .layer = FD_LAYER_NETWORK, .test = {first, second}};
    program.test[0].failure = 1;
    return program;
}

static unsigned reach_of(struct fd_program program)
{
    static const uint32_t flags[4] = {IN_V4, IN_V6, OUT_V4, OUT_V6};
    unsigned set = 0;
    for (unsigned i = 0; i < 4; i++)
        set |= (unsigned)fd_program_may_match(&program, KNOWN, flags[i]) << i;
    return set;
}

static void a_direction_or_family_alone(void)
{
    CHECK_EQ(reach_of(one(test_of(FD_FIELD_OUTBOUND, FD_OPERATOR_NE, 0))), 0xc);
    CHECK_EQ(reach_of(one(test_of(FD_FIELD_OUTBOUND, FD_OPERATOR_EQ, 0))), 0x3);
    CHECK_EQ(reach_of(one(test_of(FD_FIELD_INBOUND, FD_OPERATOR_EQ, 1))), 0x3);
    CHECK_EQ(reach_of(one(test_of(FD_FIELD_IP, FD_OPERATOR_NE, 0))), 0x5);
    CHECK_EQ(reach_of(one(test_of(FD_FIELD_IPV6, FD_OPERATOR_GE, 1))), 0xa);
    CHECK_EQ(reach_of(one(test_of(FD_FIELD_ZERO, FD_OPERATOR_NE, 0))), 0x0);
    CHECK_EQ(reach_of(one(test_of(FD_FIELD_ZERO, FD_OPERATOR_EQ, 0))), 0xf);
    CHECK_EQ(reach_of(one(test_of(FD_FIELD_OUTBOUND, FD_OPERATOR_LT, 70000))), 0xf);
}

static void a_field_needs_its_header(void)
{
    CHECK_EQ(reach_of(one(test_of(FD_FIELD_IP_TTL, FD_OPERATOR_NE, 300))), 0x5);
    CHECK_EQ(reach_of(one(test_of(FD_FIELD_IPV6_HOPLIMIT, FD_OPERATOR_LT, 5))), 0xa);
    CHECK_EQ(reach_of(one(test_of(FD_FIELD_TCP_DSTPORT, FD_OPERATOR_EQ, 443))), 0xf);
}

static void tests_together(void)
{
    struct fd_filter_test outbound = test_of(FD_FIELD_OUTBOUND, FD_OPERATOR_NE, 0);
    struct fd_filter_test ttl = test_of(FD_FIELD_IP_TTL, FD_OPERATOR_EQ, 1);
    struct fd_filter_test port = test_of(FD_FIELD_TCP_DSTPORT, FD_OPERATOR_EQ, 443);

    CHECK_EQ(reach_of(both(outbound, ttl)), 0x4);
    CHECK_EQ(reach_of(either(outbound, ttl)), 0xd);
    CHECK_EQ(reach_of(both(port, outbound)), 0xc);
    CHECK_EQ(reach_of(either(port, outbound)), 0xf);
}

static void what_is_not_known_may_be(void)
{
    struct fd_program outbound = one(test_of(FD_FIELD_OUTBOUND, FD_OPERATOR_NE, 0));
    struct fd_program loopback = one(test_of(FD_FIELD_LOOPBACK, FD_OPERATOR_NE, 0));
    CHECK_EQ(fd_program_may_match(&outbound, FD_FLAG_IPV6, 0), 1);
    CHECK_EQ(fd_program_may_match(&loopback, KNOWN, 0), 1);
    CHECK_EQ(fd_program_may_match(&loopback, KNOWN | FD_FLAG_LOOPBACK, 0), 0);
}

/* ---- against the interpreter ---------------------------------------------------- */

static uint32_t state = 20261129;

static uint32_t below(uint32_t most)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)state * most >> 32);
}

static uint16_t later(uint32_t at, uint32_t length)
{
    uint32_t choice = below(length - at + 1);
    if (choice == 0)
        return FD_PROGRAM_ACCEPT;
    return choice == 1 ? FD_PROGRAM_REJECT : (uint16_t)(at + choice - 1);
}

static struct fd_program any_program(void)
{
    static const uint16_t fields[] = {FD_FIELD_ZERO,   FD_FIELD_INBOUND,    FD_FIELD_OUTBOUND,
                                      FD_FIELD_IP,     FD_FIELD_IPV6,       FD_FIELD_LOOPBACK,
                                      FD_FIELD_TCP,    FD_FIELD_IP_TTL,     FD_FIELD_IPV6_HOPLIMIT,
                                      FD_FIELD_LENGTH, FD_FIELD_TCP_DSTPORT};
    struct fd_program program = {.length = 1 + below(8), .layer = FD_LAYER_NETWORK};
    for (uint32_t at = 0; at < program.length; at++) {
        struct fd_filter_test test = test_of(fields[below(sizeof(fields) / sizeof(fields[0]))],
                                             below(FD_OPERATOR_COUNT), below(3) * below(40));
        test.negative = test.constant[0] != 0 && below(8) == 0;
        test.success = later(at, program.length);
        test.failure = later(at, program.length);
        program.test[at] = test;
    }
    uint32_t bad;
    if (fd_program_verify(&program, size_of(program.length), &bad) != FD_PROGRAM_OK)
        abort();
    return program;
}

static struct packet any_packet(int ipv6)
{
    struct packet packet = {.length = 0};
    if (ipv6)
        begin_ipv6(&packet, FD_PROTOCOL_TCP);
    else
        begin_ipv4(&packet, 5, FD_PROTOCOL_TCP);
    packet.bytes[ipv6 ? FD_IPV6_HOP_LIMIT : FD_IPV4_TTL] = (uint8_t)below(80);
    add_tcp(&packet, 5, 2);
    return packet;
}

/* Whatever a program matches, it may match; and often enough it may not. */
static void nothing_that_matches_is_out_of_reach(void)
{
    unsigned refused = 0, matched = 0;
    for (unsigned round = 0; round < 20000; round++) {
        struct fd_program program = any_program();
        for (unsigned kind = 0; kind < 8; kind++) {
            uint32_t flags = (kind & 1 ? FD_FLAG_IPV6 : 0) | (kind & 2 ? FD_FLAG_OUTBOUND : 0) |
                             (kind & 4 ? FD_FLAG_LOOPBACK : 0);
            struct packet packet = any_packet(kind & 1);
            struct fd_parsed parsed = parse(&packet);
            struct fd_descriptor descriptor = {.flags = flags};
            struct fd_subject subject = {&descriptor, packet.bytes, packet.length, &parsed};
            int matches = fd_program_run(&program, &subject);
            int may = fd_program_may_match(&program, KNOWN, flags);
            CHECK(!matches || may);
            CHECK(!matches || fd_program_may_match(&program, KNOWN | FD_FLAG_LOOPBACK, flags));
            refused += !may;
            matched += matches;
        }
    }
    CHECK(refused > 10000 && matched > 10000);
}

int main(void)
{
    a_direction_or_family_alone();
    a_field_needs_its_header();
    tests_together();
    what_is_not_known_may_be();
    nothing_that_matches_is_out_of_reach();
    return check_result();
}
