/* SPDX-License-Identifier: MIT */
/* A packet that is cut is the same packet when it is put together again, and no
 * fragment is longer than it may be. */
#include "check.h"
#include "core/cut.h"
#include "fragments.h"
#include "reassembly.h"

struct large {
    uint8_t *bytes; /* ends where its allocation ends */
    uint32_t length;
};

static struct large udp_of(int version, uint32_t payload)
{
    uint32_t header = version == 4 ? 20 : 40;
    struct packet small;
    struct large large = {.length = header + 8 + payload};

    begin_udp(&small, version, 0);
    large.bytes = malloc(large.length);
    if (large.bytes == NULL)
        abort();
    memcpy(large.bytes, small.bytes, small.length);
    for (uint32_t i = 0; i < payload; i++)
        large.bytes[small.length + i] = (uint8_t)(i * 31 + i / 251);
    if (version == 4) {
        put_be16(large.bytes + 2, large.length);
        put_be16(large.bytes + 4, 0xabcd);
        seal_ipv4(large.bytes);
    } else {
        put_be16(large.bytes + 4, large.length - 40);
    }
    return large;
}

/* Cuts, checks each fragment, and puts all of them together. Returns how many. */
static unsigned check_round(const uint8_t *packet, uint32_t length, uint32_t mtu,
                            uint32_t identification)
{
    struct fd_reassembly *table = fd_reassembly_open(FD_REASSEMBLY_MEMORY, 3, 0);
    struct fd_datagram *whole = NULL;
    uint8_t header[FD_CUT_HEADER_MAX];
    struct fd_cut state;
    uint32_t data_at;
    uint32_t data_length;
    uint32_t header_length;
    unsigned count = 0;

    CHECK(fd_cut_begin(&state, packet, length, mtu, identification));
    while ((header_length = fd_cut_next(&state, header, &data_at, &data_length)) != 0) {
        struct piece piece = {.memory = malloc(header_length + data_length)};
        struct fd_parsed parsed;
        memcpy(piece.memory, header, header_length);
        memcpy(piece.memory + header_length, packet + data_at, data_length);
        piece.record.packet = piece.memory;
        piece.record.captured = header_length + data_length;
        CHECK(piece.record.captured <= mtu);
        CHECK(fd_parse(piece.memory, piece.record.captured, &parsed) != 0);
        CHECK_EQ(parsed.length, piece.record.captured);
        if (packet[0] >> 4 == 4)
            CHECK_EQ(fd_checksum_verify(piece.memory, &parsed) & FD_CHECKSUM_IP_RIGHT,
                     FD_CHECKSUM_IP_RIGHT);
        CHECK(whole == NULL);
        fd_reassembly_put(table, &piece.descriptor, &piece.record, 0, &whole);
        free(piece.memory);
        count++;
    }
    CHECK(whole != NULL);
    if (whole != NULL) {
        struct fd_descriptor descriptor;
        uint8_t *joined = malloc(fd_datagram_length(whole));
        CHECK_EQ(fd_datagram_length(whole), length);
        fd_datagram_join(whole, joined, &descriptor);
        CHECK(memcmp(joined, packet, length) == 0);
        free(joined);
    }
    fd_datagram_free(whole);
    fd_reassembly_close(table);
    return count;
}

static void a_cut_packet_is_the_same_when_joined(int version)
{
    static const uint32_t mtus[] = {68 + 40, 576, 1280, 1500, 9000};

    for (unsigned i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++)
        for (uint32_t payload = mtus[i]; payload < 65000; payload = payload * 3 + 1) {
            struct large packet = udp_of(version, payload);
            CHECK(check_round(packet.bytes, packet.length, mtus[i], 0xabcd) > 1);
            free(packet.bytes);
        }
}

static void every_length_around_a_step_is_whole(int version)
{
    for (uint32_t payload = 1440; payload < 1500; payload++) {
        struct large packet = udp_of(version, payload);
        uint32_t count = check_round(packet.bytes, packet.length, 1448, 0xabcd);
        CHECK(count == 1 || count == 2);
        free(packet.bytes);
    }
}

static void only_some_options_are_repeated(void)
{
    struct packet packet;
    struct fd_cut state;
    uint8_t header[FD_CUT_HEADER_MAX];
    uint32_t data_at;
    uint32_t length;

    begin_ipv4(&packet, 8, FD_PROTOCOL_UDP);
    memcpy(packet.bytes + 20, "\x07\x03\x04\x82\x04\x01\x02\x01\x44\x04\x05\x00", 12);
    add_udp(&packet);
    add_payload(&packet, 200);
    CHECK(fd_cut_begin(&state, packet.bytes, packet.length, 128, 1));
    CHECK_EQ(fd_cut_next(&state, header, &data_at, &length), 32);
    CHECK(memcmp(header + 20, packet.bytes + 20, 12) == 0);
    CHECK_EQ(fd_cut_next(&state, header, &data_at, &length), 32);
    CHECK(memcmp(header + 20, "\x01\x01\x01\x82\x04\x01\x02\x01\x01\x01\x01\x01", 12) == 0);
}

static void a_fragment_is_cut_into_fragments_of_its_datagram(void)
{
    struct packet whole;
    struct fd_cut state;
    uint8_t header[FD_CUT_HEADER_MAX];
    uint32_t data_at;
    uint32_t length;

    begin_udp(&whole, 4, 1200);
    struct piece piece = cut(&whole, 20, 400, 1000, 77);
    CHECK(fd_cut_begin(&state, piece.record.packet, piece.record.captured, 420, 5));
    CHECK_EQ(fd_cut_next(&state, header, &data_at, &length), 20);
    CHECK_EQ(fd_be16(header + 4), 77);
    CHECK_EQ(fd_be16(header + 6), 0x2000 | 50);
    CHECK_EQ(length, 400);
    CHECK_EQ(fd_cut_next(&state, header, &data_at, &length), 20);
    CHECK_EQ(fd_be16(header + 6), 0x2000 | 100);
    CHECK_EQ(length, 200);
    CHECK_EQ(fd_cut_next(&state, header, &data_at, &length), 0);
    free(piece.memory);

    begin_udp(&whole, 6, 1200);
    piece = cut(&whole, 40, 400, 1000, 77);
    CHECK(!fd_cut_begin(&state, piece.record.packet, piece.record.captured, 420, 5));
    free(piece.memory);
}

static void headers_that_routers_read_are_repeated(void)
{
    struct packet packet;

    begin_ipv6(&packet, FD_PROTOCOL_HOP_BY_HOP);
    add_extension(&packet, FD_PROTOCOL_DESTINATION, 0, 8);
    add_extension(&packet, FD_PROTOCOL_ROUTING, 0, 8);
    add_extension(&packet, FD_PROTOCOL_DESTINATION, 0, 8);
    add_extension(&packet, FD_PROTOCOL_UDP, 0, 8);
    add_udp(&packet);
    add_payload(&packet, 500);
    struct fd_cut state;
    CHECK(fd_cut_begin(&state, packet.bytes, packet.length, 200, 9));
    CHECK_EQ(state.header_length, 40 + 24); /* the last destination header is data */
    uint8_t *exact = exact_copy(packet.bytes, packet.length);
    CHECK(check_round(exact, packet.length, 200, 9) > 3);
    free(exact);
}

static void what_cannot_be_cut_is_refused(void)
{
    struct packet packet;
    struct fd_cut state;

    begin_udp(&packet, 4, 100);
    CHECK(!fd_cut_begin(&state, packet.bytes, packet.length, 27, 1)); /* no room for 8 bytes */
    CHECK(!fd_cut_begin(&state, packet.bytes, packet.length - 1, 68, 1));
    CHECK(!fd_cut_begin(&state, packet.bytes, 10, 68, 1));
    begin_udp(&packet, 6, 100);
    CHECK(!fd_cut_begin(&state, packet.bytes, packet.length, 55, 1));
    CHECK(!fd_cut_begin(&state, packet.bytes, packet.length, 0, 1));
}

int main(void)
{
    for (int version = 4; version <= 6; version += 2) {
        a_cut_packet_is_the_same_when_joined(version);
        every_length_around_a_step_is_whole(version);
    }
    only_some_options_are_repeated();
    a_fragment_is_cut_into_fragments_of_its_datagram();
    headers_that_routers_read_are_repeated();
    what_cannot_be_cut_is_refused();
    return check_result();
}
