/* SPDX-License-Identifier: MIT */
/* Checksums against a sum written the slow, plain way. */
#include "check.h"
#include "core/checksum.h"
#include "packets.h"

/* RFC 1071's words, most significant byte first. */
static uint16_t plain_fold(const uint8_t *bytes, uint32_t length, uint32_t sum)
{
    for (uint32_t i = 0; i < length; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
        sum = (sum >> 16) + (sum & 0xffff);
    }
    return (uint16_t)sum;
}

static uint16_t read_be16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint16_t as_be16(uint16_t packet_order)
{
    uint8_t bytes[2];
    memcpy(bytes, &packet_order, 2);
    return read_be16(bytes);
}

/* What the transport checksum should be, its field being zero. */
static uint16_t plain_transport(const struct packet *packet, uint32_t l4_offset, uint8_t protocol,
                                int has_pseudo)
{
    uint32_t length = packet->length - l4_offset;
    uint32_t sum = 0;
    if (has_pseudo) {
        sum = plain_fold(packet->bytes + (packet->bytes[0] >> 4 == 4 ? 12 : 8),
                         packet->bytes[0] >> 4 == 4 ? 8 : 32, length + protocol);
    }
    return (uint16_t)~plain_fold(packet->bytes + l4_offset, length, sum);
}

static int update(struct packet *packet, unsigned flags, uint32_t *written)
{
    struct fd_parsed parsed;
    uint8_t *copy = exact_copy(packet->bytes, packet->length);
    fd_parse(copy, packet->length, &parsed);
    int done = fd_checksum_update(copy, &parsed, flags, written);
    memcpy(packet->bytes, copy, packet->length);
    free(copy);
    return done;
}

static unsigned verify(const struct packet *packet)
{
    struct fd_parsed parsed;
    uint8_t *copy = exact_copy(packet->bytes, packet->length);
    fd_parse(copy, packet->length, &parsed);
    unsigned result = fd_checksum_verify(copy, &parsed);
    free(copy);
    return result;
}

static void rfc1071_example(void)
{
    static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    CHECK_EQ(as_be16(fd_fold(fd_sum(bytes, 8))), 0xddf2);
}

static void sum_equals_the_plain_sum(void)
{
    uint64_t state = 1;
    uint8_t bytes[700];
    for (int fill = 0; fill < 3; fill++) {
        for (unsigned i = 0; i < sizeof(bytes); i++)
            bytes[i] = fill == 0 ? (uint8_t)random_next(&state) : fill == 1 ? 0xff : 0;
        for (uint32_t length = 0; length < 600; length++) {
            uint8_t *copy = exact_copy(bytes + length % 9, length);
            CHECK_EQ(as_be16(fd_fold(fd_sum(copy, length))), plain_fold(copy, length, 0));
            uint32_t half = length / 4 * 2; /* sums of even pieces add */
            CHECK_EQ(as_be16(fd_fold(fd_sum(copy, half) + fd_sum(copy + half, length - half))),
                     plain_fold(copy, length, 0));
            free(copy);
        }
    }
}

static void fold_carries_to_the_end(void)
{
    CHECK_EQ(fd_fold(0), 0);
    CHECK_EQ(fd_fold(0xffff), 0xffff);
    CHECK_EQ(fd_fold(0x10000), 1);
    CHECK_EQ(fd_fold(0xffffffff), 0xffff);
    CHECK_EQ(fd_fold(0x1fffe), 0xffff);
    CHECK_EQ(fd_fold(UINT64_MAX), 0xffff);
    CHECK_EQ(fd_fold(UINT64_MAX - 1), 0xfffe);
    CHECK_EQ(fd_fold(0xffff0000ffff0001ull), 1);
}

struct kind {
    uint8_t protocol;
    uint8_t header_length;
    uint8_t field;
    uint8_t ipv6;
    uint8_t has_pseudo;
    uint8_t words; /* of the IPv4 header */
    uint32_t written;
};

static const struct kind kinds[] = {
    {FD_PROTOCOL_TCP, 20, 16, 0, 1, 5, FD_FLAG_IP_CHECKSUM_VALID | FD_FLAG_TCP_CHECKSUM_VALID},
    {FD_PROTOCOL_UDP, 8, 6, 0, 1, 5, FD_FLAG_IP_CHECKSUM_VALID | FD_FLAG_UDP_CHECKSUM_VALID},
    {FD_PROTOCOL_ICMP, 8, 2, 0, 0, 15, FD_FLAG_IP_CHECKSUM_VALID},
    {FD_PROTOCOL_TCP, 20, 16, 1, 1, 0, FD_FLAG_TCP_CHECKSUM_VALID},
    {FD_PROTOCOL_UDP, 8, 6, 1, 1, 0, FD_FLAG_UDP_CHECKSUM_VALID},
    {FD_PROTOCOL_ICMPV6, 8, 2, 1, 1, 0, 0},
};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static uint32_t build(struct packet *packet, const struct kind *kind, uint32_t payload)
{
    if (kind->ipv6)
        begin_ipv6(packet, kind->protocol);
    else
        begin_ipv4(packet, kind->words, kind->protocol);
    uint32_t l4_offset = packet->length;
    if (kind->protocol == FD_PROTOCOL_TCP)
        add_tcp(packet, 5, 0x10);
    else if (kind->protocol == FD_PROTOCOL_UDP)
        add_udp(packet);
    else
        add_icmp(packet, 8);
    add_payload(packet, payload);
    return l4_offset;
}

static void update_writes_what_the_plain_sum_gives(void)
{
    for (unsigned k = 0; k < KIND_COUNT; k++) {
        for (uint32_t payload = 0; payload < 130; payload++) {
            const struct kind *kind = &kinds[k];
            struct packet packet;
            uint32_t written;
            uint32_t l4_offset = build(&packet, kind, payload);
            uint16_t ip_expected = (uint16_t)~plain_fold(packet.bytes, l4_offset, 0);
            uint16_t expected =
                plain_transport(&packet, l4_offset, kind->protocol, kind->has_pseudo);
            /* What stood in the fields must not matter. */
            put_be16(packet.bytes + l4_offset + kind->field, 0xabcd + payload);
            if (!kind->ipv6)
                put_be16(packet.bytes + 10, 0x9876 + payload);
            CHECK_EQ(update(&packet, 0, &written), 1);
            CHECK_EQ(written, kind->written);
            CHECK_EQ(read_be16(packet.bytes + l4_offset + kind->field), expected);
            if (!kind->ipv6)
                CHECK_EQ(read_be16(packet.bytes + 10), ip_expected);
            unsigned right = FD_CHECKSUM_L4_PRESENT | FD_CHECKSUM_L4_RIGHT |
                             (kind->ipv6 ? 0u : FD_CHECKSUM_IP_PRESENT | FD_CHECKSUM_IP_RIGHT);
            CHECK_EQ(verify(&packet), right);
            packet.bytes[packet.length - 1] ^= 0x10;
            CHECK_EQ(verify(&packet), right & ~(unsigned)FD_CHECKSUM_L4_RIGHT);
        }
    }
}

static void flags_leave_a_checksum_alone(void)
{
    static const unsigned skip[] = {FD_CHECKSUM_NO_TCP, FD_CHECKSUM_NO_UDP, FD_CHECKSUM_NO_ICMP,
                                    FD_CHECKSUM_NO_TCP, FD_CHECKSUM_NO_UDP, FD_CHECKSUM_NO_ICMPV6};
    for (unsigned k = 0; k < KIND_COUNT; k++) {
        struct packet packet;
        struct packet before;
        uint32_t written;
        uint32_t l4_offset = build(&packet, &kinds[k], 10);
        before = packet;
        CHECK_EQ(update(&packet, skip[k], &written), 1);
        CHECK_EQ(written, kinds[k].written & FD_FLAG_IP_CHECKSUM_VALID);
        CHECK(memcmp(packet.bytes + l4_offset, before.bytes + l4_offset,
                     packet.length - l4_offset) == 0);
        packet = before;
        CHECK_EQ(update(&packet, FD_CHECKSUM_FLAGS_ALL, &written), 1);
        CHECK_EQ(written, 0);
        CHECK(memcmp(packet.bytes, before.bytes, packet.length) == 0);
        CHECK_EQ(update(&packet, FD_CHECKSUM_FLAGS_ALL & ~skip[k], &written), 1);
        CHECK(memcmp(packet.bytes, before.bytes, l4_offset) == 0);
        CHECK(memcmp(packet.bytes, before.bytes, packet.length) != 0);
    }
}

static void udp_zero_becomes_ffff(void)
{
    struct packet packet;
    uint32_t written;
    uint32_t l4_offset = build(&packet, &kinds[1], 2);
    packet.bytes[28] = packet.bytes[29] = 0;
    put_be16(packet.bytes + 28,
             plain_transport(&packet, l4_offset, FD_PROTOCOL_UDP, 1)); /* now it sums to zero */
    CHECK_EQ(plain_transport(&packet, l4_offset, FD_PROTOCOL_UDP, 1), 0);
    CHECK_EQ(update(&packet, 0, &written), 1);
    CHECK_EQ(read_be16(packet.bytes + 26), 0xffff);
    CHECK(verify(&packet) & FD_CHECKSUM_L4_RIGHT);

    put_be16(packet.bytes + 26, 0); /* "none" is right over IPv4 only */
    packet.bytes[29] ^= 1;
    CHECK_EQ(verify(&packet) & FD_CHECKSUM_L4_RIGHT, FD_CHECKSUM_L4_RIGHT);
    build(&packet, &kinds[4], 2);
    CHECK_EQ(verify(&packet), FD_CHECKSUM_L4_PRESENT);
}

static void icmp_of_zeros_has_ffff(void)
{
    struct packet packet;
    uint32_t written;
    begin_ipv4(&packet, 5, FD_PROTOCOL_ICMP);
    append(&packet, 8);
    set_length(&packet);
    put_be16(packet.bytes + 22, 0x1234);
    CHECK_EQ(update(&packet, 0, &written), 1);
    CHECK_EQ(read_be16(packet.bytes + 22), 0xffff);
}

static void what_is_not_all_here_is_refused(void)
{
    for (unsigned k = 0; k < KIND_COUNT; k++) {
        struct packet packet;
        struct packet before;
        uint32_t written;
        uint32_t l4_offset = build(&packet, &kinds[k], 10);
        packet.length--; /* captured ends early */
        before = packet;
        CHECK_EQ(update(&packet, 0, &written), 0);
        CHECK_EQ(written, kinds[k].written & FD_FLAG_IP_CHECKSUM_VALID);
        CHECK(memcmp(packet.bytes + l4_offset, before.bytes + l4_offset,
                     packet.length - l4_offset) == 0);
        CHECK_EQ(verify(&packet) & FD_CHECKSUM_L4_PRESENT, 0);

        if (kinds[k].ipv6)
            continue;
        build(&packet, &kinds[k], 10);
        put_be16(packet.bytes + 6, 0x2000); /* more fragments */
        CHECK_EQ(update(&packet, 0, &written), 0);
        CHECK_EQ(written, FD_FLAG_IP_CHECKSUM_VALID);
        put_be16(packet.bytes + 6, 0x0001); /* a later one: no transport header to ask for */
        CHECK_EQ(update(&packet, 0, &written), 1);
        CHECK_EQ(written, FD_FLAG_IP_CHECKSUM_VALID);
    }
}

static void tcp_header_that_is_cut_is_refused(void)
{
    struct packet packet;
    uint32_t written;
    build(&packet, &kinds[0], 8);
    packet.bytes[32] = 0x70; /* 28 bytes: just all of it */
    CHECK_EQ(update(&packet, 0, &written), 1);
    packet.bytes[32] = 0x80; /* 32 bytes where 28 are */
    CHECK_EQ(update(&packet, 0, &written), 0);
    CHECK_EQ(written, FD_FLAG_IP_CHECKSUM_VALID);
    CHECK_EQ(verify(&packet) & FD_CHECKSUM_L4_PRESENT, 0);
}

static void no_packet_has_no_checksums(void)
{
    struct packet packet;
    uint32_t written = 99;
    build(&packet, &kinds[0], 8);
    packet.bytes[0] = 0x44;
    CHECK_EQ(update(&packet, 0, &written), 0);
    CHECK_EQ(written, 0);
    CHECK_EQ(verify(&packet), 0);
}

static void partial_is_the_folded_pseudo_sum(void)
{
    for (unsigned k = 0; k < KIND_COUNT; k++) {
        struct packet packet;
        struct fd_parsed parsed;
        const struct kind *kind = &kinds[k];
        uint32_t l4_offset = build(&packet, kind, 33);
        fd_parse(packet.bytes, packet.length, &parsed);
        uint16_t pseudo = fd_fold(
            fd_pseudo_sum(packet.bytes, &parsed, kind->protocol, packet.length - l4_offset));
        memcpy(packet.bytes + l4_offset + kind->field, &pseudo, 2);
        CHECK_EQ((verify(&packet) & FD_CHECKSUM_L4_PARTIAL) != 0, kind->has_pseudo);
        packet.bytes[l4_offset + kind->field] ^= 1;
        CHECK_EQ(verify(&packet) & FD_CHECKSUM_L4_PARTIAL, 0);
    }
}

static void adjust_equals_a_full_sum(void)
{
    uint64_t state = 7;
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[20];
        for (unsigned i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)random_next(&state);
        bytes[0] |= 0x40; /* never all zero, as no header is */
        uint16_t checksum = (uint16_t)~fd_fold(fd_sum(bytes, 20));
        uint16_t old_word;
        uint16_t new_word = (uint16_t)random_next(&state);
        memcpy(&old_word, bytes + 8, 2);
        memcpy(bytes + 8, &new_word, 2);
        CHECK_EQ(fd_checksum_adjust(checksum, old_word, new_word),
                 (uint16_t)~fd_fold(fd_sum(bytes, 20)));
    }
    CHECK_EQ(fd_checksum_adjust(0xdd2f, 0x5555, 0x3285), 0); /* RFC 1624, 4 */
}

static void ttl_counts_down_to_one(void)
{
    for (unsigned k = 0; k < KIND_COUNT; k++) {
        struct packet packet;
        uint32_t written;
        build(&packet, &kinds[k], 4);
        uint32_t at = kinds[k].ipv6 ? 7 : 8;
        for (int round = 0; round < 300; round++) {
            packet.bytes[4] =
                (uint8_t)(kinds[k].ipv6 ? packet.bytes[4] : round); /* another checksum each time */
            packet.bytes[at] = (uint8_t)round;
            update(&packet, 0, &written);
            struct fd_parsed parsed = parse(&packet);
            int done = fd_decrement_ttl(packet.bytes, &parsed);
            CHECK_EQ(done, (round & 0xff) > 1);
            CHECK_EQ(packet.bytes[at], (uint8_t)(round - done));
            if (!kinds[k].ipv6)
                CHECK(verify(&packet) & FD_CHECKSUM_IP_RIGHT);
        }
    }
    static const struct fd_parsed nothing;
    uint8_t byte = 0x45;
    CHECK_EQ(fd_decrement_ttl(&byte, &nothing), 0);
}

int main(void)
{
    rfc1071_example();
    sum_equals_the_plain_sum();
    fold_carries_to_the_end();
    update_writes_what_the_plain_sum_gives();
    flags_leave_a_checksum_alone();
    udp_zero_becomes_ffff();
    icmp_of_zeros_has_ffff();
    what_is_not_all_here_is_refused();
    tcp_header_that_is_cut_is_refused();
    no_packet_has_no_checksums();
    partial_is_the_folded_pseudo_sum();
    adjust_equals_a_full_sum();
    ttl_counts_down_to_one();
    return check_result();
}
