/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a row of packets for reassembly: some are taken as they are,
 * some are made into fragments of a few datagrams, so that they meet. Every
 * fragment is accounted for, memory is bounded, and a datagram that is called
 * whole says in every place what the one fragment that covers it said.
 */
#include "core/packet.h"
#include "core/record.h"
#include "fragment.h"
#include "fuzz.h"
#include "reassembly.h"

#define MEMORY (24u << 10)

static void check_books(const struct fd_reassembly *table)
{
    const struct fd_reassembly_counters *counters = fd_reassembly_counters(table);

    REQUIRE(counters->fragments == fd_reassembly_held(table) + counters->joined + counters->copies +
                                       counters->timed_out + counters->crowded_out +
                                       counters->invalid + counters->given_up);
}

static void check_copies(const struct fd_datagram *datagram, uint32_t header_length,
                         const uint8_t *packet, uint32_t length)
{
    uint32_t count = fd_datagram_count(datagram);
    struct fd_descriptor *descriptors = calloc(count, sizeof(*descriptors));
    struct fd_record *records = calloc(count, sizeof(*records));
    uint8_t *bytes = calloc(1, fd_datagram_bytes(datagram));
    uint64_t covered = 0;

    REQUIRE(descriptors != NULL && records != NULL && bytes != NULL);
    fd_datagram_copy(datagram, descriptors, records, bytes);
    for (uint32_t i = 0; i < count; i++) {
        struct fd_fragment fragment;
        REQUIRE(fd_fragment_read(records[i].packet, records[i].captured, descriptors[i].ifindex,
                                 &fragment) == FD_FRAGMENT_GOOD);
        if (packet == NULL)
            continue;
        REQUIRE(header_length + fragment.offset + fragment.data_length <= length);
        REQUIRE(memcmp(packet + header_length + fragment.offset,
                       records[i].packet + fragment.data_at, fragment.data_length) == 0);
        covered += fragment.data_length;
    }
    REQUIRE(packet == NULL || header_length + covered == length);
    free(descriptors);
    free(records);
    free(bytes);
}

static void check_whole(const struct fd_datagram *datagram)
{
    uint32_t l2_length = fd_datagram_l2_length(datagram);
    uint32_t length = fd_datagram_length(datagram);
    uint8_t *memory = malloc(l2_length + length);
    struct fd_descriptor descriptor;
    struct fd_fragment fragment;
    struct fd_parsed parsed;

    REQUIRE(memory != NULL && length <= FD_CAPTURED_MAX);
    fd_datagram_join(datagram, memory + l2_length, &descriptor);
    fd_parse(memory + l2_length, length, &parsed);
    REQUIRE(parsed.headers != 0 && parsed.length == length);
    /* IPv6 in IPv6 headers may hide a second fragment header; IPv4 cannot. */
    if (memory[l2_length] >> 4 == 4)
        REQUIRE(fd_fragment_read(memory + l2_length, length, 1, &fragment) == FD_FRAGMENT_NONE);
    uint32_t header_length = memory[l2_length] >> 4 == 4
                                 ? (uint32_t)(memory[l2_length] & 15) * 4
                                 : UINT32_MAX; /* not worth finding a second time */
    if (header_length != UINT32_MAX)
        check_copies(datagram, header_length, memory + l2_length, length);
    else
        check_copies(datagram, 0, NULL, 0);
    free(memory);
}

/* Turns bytes into a fragment that may well fit. */
static void shape(uint8_t *packet, uint32_t length, uint8_t how)
{
    uint32_t offset = how & 7;
    uint32_t more = how >> 3 & 1;

    if (how & 0x40 && length >= 20) {
        memset(packet, 0, 20);
        packet[0] = 0x45;
        packet[2] = (uint8_t)(length >> 8);
        packet[3] = (uint8_t)length;
        packet[5] = how >> 4 & 1;
        packet[6] = (uint8_t)(more << 5);
        packet[7] = (uint8_t)(offset * 2);
    } else if (how & 0x80 && length >= 48) {
        memset(packet, 0, 40);
        packet[0] = 0x60;
        packet[4] = (uint8_t)((length - 40) >> 8);
        packet[5] = (uint8_t)(length - 40);
        packet[6] = 44;
        packet[42] = 0;
        packet[43] = (uint8_t)(offset << 4 | more);
        memset(packet + 44, how >> 4 & 1, 4);
    }
}

static void drain(struct fd_reassembly *table)
{
    struct fd_datagram *datagram;

    while ((datagram = fd_reassembly_take(table)) != NULL) {
        REQUIRE(fd_datagram_count(datagram) != 0);
        check_copies(datagram, 0, NULL, 0);
        fd_datagram_free(datagram);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct fd_reassembly *table = fd_reassembly_open(MEMORY, take64(&input), take8(&input) & 1);
    int64_t now = 0;

    REQUIRE(table != NULL);
    while (input.left != 0) {
        uint8_t how = take8(&input);
        uint32_t length = how & 0x20 ? 20 + 16u + 8 * (take8(&input) & 3) : take8(&input);
        uint32_t l2_length = take8(&input) % (FD_L2_MAX + 1);
        struct fd_descriptor descriptor = {.ifindex = take8(&input) & 1, .flags = take32(&input)};
        struct fd_record record = {.captured = length, .l2_length = (uint8_t)l2_length};
        struct fd_datagram *whole;
        uint8_t *bytes = malloc(l2_length + length);

        REQUIRE(bytes != NULL || l2_length + length == 0);
        take_bytes(&input, bytes, l2_length + length);
        record.packet = bytes + l2_length;
        shape(record.packet, length, how);
        now += take8(&input) * 100000000ll;
        enum fd_reassembly_result result =
            fd_reassembly_put(table, &descriptor, &record, now, &whole);
        free(bytes);
        REQUIRE((result == FD_REASSEMBLY_WHOLE) == (whole != NULL));
        if (whole != NULL)
            check_whole(whole);
        fd_datagram_free(whole);
        check_books(table);
        if (how == 0)
            drain(table);
    }
    fd_reassembly_give_up(table);
    drain(table);
    check_books(table);
    REQUIRE(fd_reassembly_held(table) == 0);
    fd_reassembly_close(table);
    return 0;
}
