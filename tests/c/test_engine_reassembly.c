/* SPDX-License-Identifier: MIT */
/* Fragments become the packet that was cut, whatever their order; what breaks a
 * rule is dropped, and every fragment is accounted for. */
#include "check.h"
#include "fragments.h"
#include "reassembly.h"

#define SECOND 1000000000ll
#define MEMORY FD_REASSEMBLY_MEMORY

static uint32_t header_of(int version)
{
    return version == 4 ? FD_IPV4_LENGTH : FD_IPV6_LENGTH;
}

/* Puts a piece and frees it: the table must have made a copy. */
static enum fd_reassembly_result put_at(struct fd_reassembly *table, struct piece piece,
                                        int64_t now, struct fd_datagram **whole)
{
    enum fd_reassembly_result result =
        fd_reassembly_put(table, &piece.descriptor, &piece.record, now, whole);
    free(piece.memory);
    return result;
}

static enum fd_reassembly_result put(struct fd_reassembly *table, struct piece piece)
{
    struct fd_datagram *whole;
    enum fd_reassembly_result result = put_at(table, piece, 0, &whole);
    fd_datagram_free(whole);
    return result;
}

/* Every fragment that was put is held, joined, a copy, or dropped for a cause. */
static void check_books(const struct fd_reassembly *table)
{
    const struct fd_reassembly_counters *counters = fd_reassembly_counters(table);

    CHECK_EQ(counters->fragments, fd_reassembly_held(table) + counters->joined + counters->copies +
                                      counters->timed_out + counters->crowded_out +
                                      counters->invalid + counters->given_up);
}

static void check_is(const struct fd_datagram *datagram, const struct packet *expected, int version)
{
    uint32_t length = fd_datagram_length(datagram);
    uint32_t l2_length = fd_datagram_l2_length(datagram);
    uint8_t *memory = malloc(l2_length + length);
    struct fd_descriptor descriptor;

    CHECK_EQ(l2_length, L2_LENGTH);
    CHECK_EQ(length, expected->length);
    if (memory == NULL || length != expected->length) {
        free(memory);
        return;
    }
    fd_datagram_join(datagram, memory + l2_length, &descriptor);
    if (version == 4) { /* an identification of its own, and the checksum of it */
        put_be16(memory + l2_length + 4, 0);
        seal_ipv4(memory + l2_length);
    }
    CHECK(memcmp(memory + l2_length, expected->bytes, length) == 0);
    CHECK_EQ(memory[0], 0xee);
    CHECK_EQ(descriptor.length, length);
    CHECK_EQ(descriptor.flags & FD_FLAG_FRAGMENT, 0);
    CHECK_EQ(descriptor.ifindex, 7);
    free(memory);
}

/* All orders of three fragments. */
static void any_order_gives_the_packet_back(int version)
{
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                          {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const uint32_t at[4] = {0, 512, 1024, 1208};
    struct packet whole;

    begin_udp(&whole, version, 1200);
    for (unsigned order = 0; order < 6; order++) {
        struct fd_reassembly *table = fd_reassembly_open(MEMORY, 12345, 0);
        struct fd_datagram *datagram = NULL;
        for (unsigned i = 0; i < 3; i++) {
            unsigned part = orders[order][i];
            struct piece piece = cut(&whole, header_of(version), at[part], at[part + 1], 99);
            piece.descriptor.timestamp = 1000 + (int64_t)i;
            enum fd_reassembly_result result = put_at(table, piece, 0, &datagram);
            CHECK_EQ(result, i < 2 ? FD_REASSEMBLY_HELD : FD_REASSEMBLY_WHOLE);
        }
        CHECK(datagram != NULL);
        if (datagram == NULL)
            return;
        check_is(datagram, &whole, version);
        CHECK_EQ(fd_datagram_count(datagram), 3);

        /* And as they came, in the order in which they came. */
        struct fd_descriptor descriptors[3];
        struct fd_record records[3];
        uint8_t *bytes = aligned_alloc(64, fd_datagram_bytes(datagram));
        fd_datagram_copy(datagram, descriptors, records, bytes);
        for (unsigned i = 0; i < 3; i++) {
            unsigned part = orders[order][i];
            struct piece piece = cut(&whole, header_of(version), at[part], at[part + 1], 99);
            CHECK_EQ(descriptors[i].timestamp, 1000 + i);
            CHECK_EQ(records[i].captured, piece.record.captured);
            CHECK(memcmp(records[i].packet - L2_LENGTH, piece.memory,
                         L2_LENGTH + piece.record.captured) == 0);
            free(piece.memory);
        }
        free(bytes);
        fd_datagram_free(datagram);
        CHECK_EQ(fd_reassembly_held(table), 0);
        check_books(table);
        fd_reassembly_close(table);
    }
}

static void datagrams_do_not_mix(int version)
{
    struct packet whole;
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);
    uint32_t header = header_of(version);

    begin_udp(&whole, version, 1000);
    CHECK_EQ(put(table, cut(&whole, header, 0, 504, 1)), FD_REASSEMBLY_HELD);
    CHECK_EQ(put(table, cut(&whole, header, 504, 1008, 2)), FD_REASSEMBLY_HELD);
    struct packet other = whole;
    other.bytes[header - 1] ^= 1; /* another destination */
    CHECK_EQ(put(table, cut(&other, header, 504, 1008, 1)), FD_REASSEMBLY_HELD);
    CHECK_EQ(put(table, cut(&whole, header, 504, 1008, 1)), FD_REASSEMBLY_WHOLE);
    CHECK_EQ(put(table, cut(&whole, header, 0, 504, 2)), FD_REASSEMBLY_WHOLE);
    CHECK_EQ(fd_reassembly_held(table), 1);
    check_books(table);
    fd_reassembly_close(table);
}

static void ipv4_protocols_are_apart(void)
{
    struct packet whole;
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);

    begin_udp(&whole, 4, 1000);
    CHECK_EQ(put(table, cut(&whole, 20, 0, 504, 1)), FD_REASSEMBLY_HELD);
    whole.bytes[9] = FD_PROTOCOL_TCP;
    CHECK_EQ(put(table, cut(&whole, 20, 504, 1008, 1)), FD_REASSEMBLY_HELD);
    fd_reassembly_close(table);
}

static void link_local_addresses_are_of_their_interface(void)
{
    struct packet whole;
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);

    begin_udp(&whole, 6, 1000);
    for (unsigned global = 0; global < 2; global++) {
        whole.bytes[8] = global ? 0x20 : 0xfe;
        whole.bytes[9] = global ? 0x01 : 0x80;
        CHECK_EQ(put(table, cut(&whole, 40, 0, 504, 1)), FD_REASSEMBLY_HELD);
        struct piece piece = cut(&whole, 40, 504, 1008, 1);
        piece.descriptor.ifindex = 8;
        CHECK_EQ(put(table, piece), global ? FD_REASSEMBLY_WHOLE : FD_REASSEMBLY_HELD);
    }
    fd_reassembly_close(table);
}

/* RFC 5722: also what is still to come. */
static void an_overlap_ends_the_datagram(int version)
{
    struct packet whole;
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);
    uint32_t header = header_of(version);

    begin_udp(&whole, version, 1000);
    CHECK_EQ(put(table, cut(&whole, header, 0, 504, 5)), FD_REASSEMBLY_HELD);
    CHECK_EQ(put(table, cut(&whole, header, 496, 904, 5)), FD_REASSEMBLY_GONE);
    CHECK_EQ(fd_reassembly_held(table), 0);
    CHECK_EQ(put(table, cut(&whole, header, 0, 504, 5)), FD_REASSEMBLY_GONE);
    CHECK_EQ(put(table, cut(&whole, header, 504, 1008, 5)), FD_REASSEMBLY_GONE);
    CHECK_EQ(fd_reassembly_counters(table)->invalid, 4);
    check_books(table);

    /* Its time over, the identification may be used again. */
    struct fd_datagram *datagram;
    CHECK_EQ(put_at(table, cut(&whole, header, 0, 504, 5), 61 * SECOND, &datagram),
             FD_REASSEMBLY_HELD);
    CHECK_EQ(put_at(table, cut(&whole, header, 504, 1008, 5), 61 * SECOND, &datagram),
             FD_REASSEMBLY_WHOLE);
    fd_datagram_free(datagram);
    fd_reassembly_close(table);
}

static void the_same_place_with_other_bytes_is_an_overlap(int version)
{
    struct packet whole;
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);
    uint32_t header = header_of(version);

    begin_udp(&whole, version, 1000);
    CHECK_EQ(put(table, cut(&whole, header, 0, 504, 5)), FD_REASSEMBLY_HELD);
    CHECK_EQ(put(table, cut(&whole, header, 0, 504, 5)), FD_REASSEMBLY_GONE); /* a copy */
    CHECK_EQ(fd_reassembly_counters(table)->copies, 1);
    whole.bytes[header + 100] ^= 1;
    CHECK_EQ(put(table, cut(&whole, header, 0, 504, 5)), FD_REASSEMBLY_GONE);
    CHECK_EQ(fd_reassembly_counters(table)->invalid, 2);
    CHECK_EQ(fd_reassembly_held(table), 0);
    check_books(table);
    fd_reassembly_close(table);
}

static void a_copy_does_not_keep_a_datagram_from_being_whole(int version)
{
    struct packet whole;
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);
    uint32_t header = header_of(version);

    begin_udp(&whole, version, 1000);
    CHECK_EQ(put(table, cut(&whole, header, 504, 1008, 5)), FD_REASSEMBLY_HELD);
    CHECK_EQ(put(table, cut(&whole, header, 504, 1008, 5)), FD_REASSEMBLY_GONE);
    CHECK_EQ(put(table, cut(&whole, header, 0, 504, 5)), FD_REASSEMBLY_WHOLE);
    check_books(table);
    fd_reassembly_close(table);
}

static void two_ends_contradict(int version)
{
    struct packet whole;
    struct packet shorter;
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);
    uint32_t header = header_of(version);

    begin_udp(&whole, version, 1000);
    begin_udp(&shorter, version, 600);
    CHECK_EQ(put(table, cut(&whole, header, 808, 1008, 5)), FD_REASSEMBLY_HELD);
    CHECK_EQ(put(table, cut(&shorter, header, 400, 608, 5)), FD_REASSEMBLY_GONE);
    CHECK_EQ(put(table, cut(&whole, header, 400, 608, 6)), FD_REASSEMBLY_HELD);
    CHECK_EQ(put(table, cut(&shorter, header, 200, 400, 6)), FD_REASSEMBLY_HELD);
    CHECK_EQ(fd_reassembly_held(table), 2);
    /* The end lies before data that is here. */
    CHECK_EQ(put(table, cut(&shorter, header, 104, 608, 7)), FD_REASSEMBLY_HELD);
    CHECK_EQ(put(table, cut(&whole, header, 608, 808, 7)), FD_REASSEMBLY_GONE);
    check_books(table);
    fd_reassembly_close(table);
}

static void lengths_that_cannot_be_are_refused(int version)
{
    struct packet whole;
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);
    uint32_t header = header_of(version);

    begin_udp(&whole, version, 1000);
    /* not a multiple of 8, and more to come */
    CHECK_EQ(put(table, cut(&whole, header, 0, 500, 1)), FD_REASSEMBLY_GONE);
    /* no data, and more to come */
    CHECK_EQ(put(table, cut(&whole, header, 8, 8, 2)), FD_REASSEMBLY_GONE);
    /* ends behind the longest packet */
    struct piece piece = cut(&whole, header, 504, 1008, 3);
    uint8_t *offset = piece.record.packet + (version == 4 ? 6 : header + 2);
    put_be16(offset, version == 4 ? 0x1fff : 0xfff8);
    CHECK_EQ(put(table, piece), FD_REASSEMBLY_GONE);
    /* not all of it is here */
    piece = cut(&whole, header, 0, 504, 4);
    piece.record.captured -= 8;
    CHECK_EQ(put(table, piece), FD_REASSEMBLY_GONE);
    CHECK_EQ(fd_reassembly_counters(table)->invalid, 4);
    check_books(table);
    fd_reassembly_close(table);
}

static void whole_packets_are_no_fragments(void)
{
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);
    struct packet packet;

    for (int version = 4; version <= 6; version += 2) {
        begin_udp(&packet, version, 100);
        CHECK_EQ(put(table, piece_of(&packet)), FD_REASSEMBLY_NONE);
    }
    packet.length = 19;
    CHECK_EQ(put(table, piece_of(&packet)), FD_REASSEMBLY_NONE);
    CHECK_EQ(fd_reassembly_counters(table)->fragments, 0);
    fd_reassembly_close(table);
}

/* RFC 6946: alone, whatever else has its identification. */
static void an_atomic_fragment_is_whole_at_once(void)
{
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);
    struct fd_datagram *datagram;
    struct packet whole;

    begin_udp(&whole, 6, 1000);
    CHECK_EQ(put(table, cut(&whole, 40, 0, 504, 1)), FD_REASSEMBLY_HELD);
    CHECK_EQ(put_at(table, cut(&whole, 40, 0, 1008, 1), 0, &datagram), FD_REASSEMBLY_WHOLE);
    check_is(datagram, &whole, 6);
    fd_datagram_free(datagram);
    CHECK_EQ(fd_reassembly_held(table), 1);
    CHECK_EQ(put(table, cut(&whole, 40, 504, 1008, 1)), FD_REASSEMBLY_WHOLE);
    check_books(table);
    fd_reassembly_close(table);
}

static void headers_before_the_fragment_header_are_kept(void)
{
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);
    struct fd_datagram *datagram = NULL;
    struct packet whole;
    struct packet part;

    begin_ipv6(&whole, FD_PROTOCOL_HOP_BY_HOP);
    add_extension(&whole, FD_PROTOCOL_UDP, 1, 16);
    add_udp(&whole);
    add_payload(&whole, 600);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t from = i * 304;
        begin_ipv6(&part, FD_PROTOCOL_HOP_BY_HOP);
        add_extension(&part, FD_PROTOCOL_FRAGMENT, 1, 16);
        add_fragment(&part, FD_PROTOCOL_UDP, from / 8, i == 0);
        memcpy(append(&part, 304), whole.bytes + 56 + from, 304);
        set_length(&part);
        put_at(table, piece_of(&part), 0, &datagram);
    }
    CHECK(datagram != NULL);
    if (datagram != NULL)
        check_is(datagram, &whole, 6);
    fd_datagram_free(datagram);
    fd_reassembly_close(table);
}

/* RFC 3168 5.3 */
static void congestion_is_not_forgotten(int version)
{
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);
    struct fd_datagram *datagram;
    struct packet whole;
    uint32_t header = header_of(version);
    unsigned shift = version == 4 ? 0 : 4;

    begin_udp(&whole, version, 1000);
    whole.bytes[1] = (uint8_t)(2u << shift); /* ECT(0) */
    CHECK_EQ(put(table, cut(&whole, header, 0, 504, 1)), FD_REASSEMBLY_HELD);
    whole.bytes[1] = (uint8_t)(3u << shift); /* CE */
    CHECK_EQ(put_at(table, cut(&whole, header, 504, 1008, 1), 0, &datagram), FD_REASSEMBLY_WHOLE);
    if (version == 4)
        seal_ipv4(whole.bytes);
    check_is(datagram, &whole, version);
    fd_datagram_free(datagram);

    CHECK_EQ(put(table, cut(&whole, header, 0, 504, 2)), FD_REASSEMBLY_HELD);
    whole.bytes[1] = 0; /* the sender knows no ECN */
    CHECK_EQ(put(table, cut(&whole, header, 504, 1008, 2)), FD_REASSEMBLY_GONE);
    CHECK_EQ(fd_reassembly_counters(table)->invalid, 2);
    check_books(table);
    fd_reassembly_close(table);
}

static void one_impostor_makes_the_whole_one(void)
{
    static const uint32_t reinjected = FD_FLAG_IMPOSTOR | FD_FLAG_REINJECTED;
    static const uint32_t flags[4][3] = {{0, 0, 0},
                                         {reinjected, 0, reinjected},
                                         {0, FD_FLAG_IMPOSTOR, FD_FLAG_IMPOSTOR},
                                         {reinjected, FD_FLAG_IMPOSTOR, FD_FLAG_IMPOSTOR}};
    struct packet whole;

    begin_udp(&whole, 4, 1000);
    for (unsigned i = 0; i < 4; i++) {
        struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);
        struct fd_datagram *datagram;
        for (unsigned part = 0; part < 2; part++) {
            struct piece piece = cut(&whole, 20, part * 504, part * 504 + 504, 1);
            piece.descriptor.flags |= flags[i][part];
            put_at(table, piece, 0, &datagram);
        }
        uint8_t memory[2048];
        struct fd_descriptor descriptor;
        fd_datagram_join(datagram, memory + 64, &descriptor);
        CHECK_EQ(descriptor.flags & reinjected, flags[i][2]);
        fd_datagram_free(datagram);
        fd_reassembly_close(table);
    }
}

static void time_ends_what_is_not_whole(void)
{
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 0);
    struct packet whole;
    struct fd_datagram *datagram;

    begin_udp(&whole, 4, 1000);
    put_at(table, cut(&whole, 20, 0, 504, 1), 10 * SECOND, &datagram);
    put_at(table, cut(&whole, 20, 0, 504, 2), 20 * SECOND, &datagram);
    begin_udp(&whole, 6, 1000);
    put_at(table, cut(&whole, 40, 0, 504, 3), 10 * SECOND, &datagram);
    fd_reassembly_expire(table, 39 * SECOND);
    CHECK_EQ(fd_reassembly_held(table), 3);
    fd_reassembly_expire(table, 40 * SECOND);
    CHECK_EQ(fd_reassembly_held(table), 2);
    fd_reassembly_expire(table, 69 * SECOND);
    CHECK_EQ(fd_reassembly_held(table), 1);
    fd_reassembly_expire(table, 70 * SECOND);
    CHECK_EQ(fd_reassembly_held(table), 0);
    CHECK_EQ(fd_reassembly_counters(table)->timed_out, 3);
    CHECK(fd_reassembly_take(table) == NULL);
    check_books(table);
    fd_reassembly_close(table);
}

static void memory_is_bounded_and_the_oldest_go(void)
{
    struct packet whole;
    struct fd_reassembly *table = fd_reassembly_open(64 << 10, 1, 0);

    begin_udp(&whole, 4, 1000);
    for (uint32_t id = 0; id < 10000; id++)
        CHECK_EQ(put(table, cut(&whole, 20, 0, 504, id)), FD_REASSEMBLY_HELD);
    CHECK(fd_reassembly_held(table) > 10);
    CHECK(fd_reassembly_held(table) < 100);
    CHECK_EQ(fd_reassembly_counters(table)->crowded_out, 10000 - fd_reassembly_held(table));
    CHECK_EQ(put(table, cut(&whole, 20, 504, 1008, 9999)), FD_REASSEMBLY_WHOLE);
    CHECK_EQ(put(table, cut(&whole, 20, 504, 1008, 0)), FD_REASSEMBLY_HELD); /* long gone */
    check_books(table);
    fd_reassembly_close(table);

    table = fd_reassembly_open(100, 1, 0); /* no room for one */
    CHECK_EQ(put(table, cut(&whole, 20, 0, 504, 1)), FD_REASSEMBLY_GONE);
    CHECK_EQ(fd_reassembly_counters(table)->crowded_out, 1);
    check_books(table);
    fd_reassembly_close(table);
}

static void what_is_given_up_can_be_had(void)
{
    struct packet whole;
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, 1, 1);
    struct fd_datagram *datagram;

    begin_udp(&whole, 4, 1000);
    put(table, cut(&whole, 20, 0, 504, 1));
    put(table, cut(&whole, 20, 504, 904, 1));
    put(table, cut(&whole, 20, 0, 504, 2));
    fd_reassembly_expire(table, 30 * SECOND);
    CHECK_EQ(fd_reassembly_held(table), 3);
    datagram = fd_reassembly_take(table);
    CHECK(datagram != NULL);
    CHECK_EQ(fd_datagram_count(datagram), 2);
    fd_datagram_free(datagram);
    CHECK_EQ(fd_reassembly_held(table), 1);
    datagram = fd_reassembly_take(table);
    CHECK(datagram != NULL);
    fd_datagram_free(datagram);
    CHECK(fd_reassembly_take(table) == NULL);
    put(table, cut(&whole, 20, 0, 504, 3));
    fd_reassembly_give_up(table);
    datagram = fd_reassembly_take(table);
    CHECK(datagram != NULL);
    fd_datagram_free(datagram);
    CHECK_EQ(fd_reassembly_counters(table)->given_up, 4);
    CHECK_EQ(fd_reassembly_counters(table)->timed_out, 0);
    check_books(table);
    fd_reassembly_close(table);
}

int main(void)
{
    for (int version = 4; version <= 6; version += 2) {
        any_order_gives_the_packet_back(version);
        datagrams_do_not_mix(version);
        an_overlap_ends_the_datagram(version);
        the_same_place_with_other_bytes_is_an_overlap(version);
        a_copy_does_not_keep_a_datagram_from_being_whole(version);
        two_ends_contradict(version);
        lengths_that_cannot_be_are_refused(version);
        congestion_is_not_forgotten(version);
    }
    ipv4_protocols_are_apart();
    link_local_addresses_are_of_their_interface();
    whole_packets_are_no_fragments();
    an_atomic_fragment_is_whole_at_once();
    headers_before_the_fragment_header_are_kept();
    one_impostor_makes_the_whole_one();
    time_ends_what_is_not_whole();
    memory_is_bounded_and_the_oldest_go();
    what_is_given_up_can_be_had();
    return check_result();
}
