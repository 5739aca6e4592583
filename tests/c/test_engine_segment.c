/* SPDX-License-Identifier: MIT */
/* A super-packet becomes the packets that a device would have made of it. */
#include "check.h"
#include "core/bytes.h"
#include "core/checksum.h"
#include "core/record.h"
#include "core/ring.h"
#include "packets.h"
#include "segment.h"

#define L2_LENGTH 14u
#define ROWS_MAX 64u

static struct fd_descriptor descriptors[ROWS_MAX];
static struct fd_record records[ROWS_MAX];
static struct fd_parsed results[ROWS_MAX];
static struct fd_rows out = {descriptors, records, results, 0, FD_LAYER_NETWORK};

/* A row of one packet, which ends where its allocation ends. */
struct row {
    struct fd_descriptor descriptor;
    struct fd_record record;
    struct fd_parsed parsed;
    struct fd_rows rows;
    uint8_t *memory;
};

static void make_row(struct row *row, const struct packet *packet, uint32_t flags, uint32_t size)
{
    memset(row, 0, sizeof(*row));
    row->memory = malloc(L2_LENGTH + packet->length);
    if (row->memory == NULL)
        abort();
    memset(row->memory, 0xee, L2_LENGTH);
    memcpy(row->memory + L2_LENGTH, packet->bytes, packet->length);
    row->record.packet = row->memory + L2_LENGTH;
    row->record.captured = packet->length;
    row->record.l2_length = L2_LENGTH;
    row->descriptor.flags = flags;
    row->descriptor.gso_size = (uint16_t)size;
    row->descriptor.ifindex = 3;
    row->descriptor.timestamp = 77;
    row->rows = (struct fd_rows){&row->descriptor, &row->record, &row->parsed, 1, 0};
    fd_rows_parse_and_describe(&row->rows);
    row->descriptor.csum_start = (uint16_t)row->parsed.l4_offset;
    row->descriptor.csum_offset =
        row->parsed.headers & FD_HAS(FD_HEADER_TCP) ? FD_TCP_CHECKSUM : FD_UDP_CHECKSUM;
}

/* Segments into memory of exactly the size that was asked for. */
static uint8_t *segment(const struct row *row)
{
    uint64_t size;

    out.count = (uint32_t)fd_segments_measure(&row->rows, &size);
    CHECK(out.count <= ROWS_MAX);
    uint8_t *bytes = size != 0 ? aligned_alloc(64, size) : NULL;
    fd_segments_write(&row->rows, &out, bytes);
    return bytes;
}

static void begin(struct packet *packet, int version, uint8_t protocol)
{
    if (version == 4)
        begin_ipv4(packet, 6, protocol); /* with options */
    else
        begin_ipv6(packet, FD_PROTOCOL_DESTINATION);
    if (version == 6)
        add_extension(packet, protocol, 0, 8);
    if (version == 4)
        put_be16(packet->bytes + 4, 0xfffe);
}

static void check_segment(uint32_t number, const struct row *row, uint32_t size, int is_partial)
{
    const struct fd_record *record = &records[number];
    const struct fd_descriptor *descriptor = &descriptors[number];
    const uint8_t *original = row->record.packet;
    uint32_t headers = row->parsed.payload_offset;
    uint32_t left = row->parsed.payload_length - number * size;
    uint32_t payload = left < size ? left : size;
    int is_last = number + 1 == out.count;
    struct fd_parsed parsed;

    CHECK_EQ(record->captured, headers + payload);
    CHECK_EQ(fd_parse(record->packet, record->captured, &parsed), row->parsed.headers);
    CHECK_EQ(parsed.length, record->captured);
    CHECK_EQ(parsed.state, 0);
    CHECK(memcmp(record->packet - L2_LENGTH, row->memory, L2_LENGTH) == 0);
    CHECK(memcmp(record->packet + headers, original + headers + number * size, payload) == 0);
    CHECK_EQ(descriptor->length, record->captured);
    CHECK_EQ(descriptor->gso_size, 0);
    CHECK_EQ(descriptor->flags & (FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP | FD_FLAG_GSO_ECN), 0);
    CHECK_EQ(descriptor->ifindex, 3);
    CHECK_EQ(descriptor->timestamp, 77);
    if (original[0] >> 4 == 4)
        CHECK_EQ(fd_be16(record->packet + 4), (0xfffe + number) & 0xffff);
    if (parsed.headers & FD_HAS(FD_HEADER_TCP)) {
        const uint8_t *tcp = record->packet + parsed.l4_offset;
        CHECK_EQ(fd_be32(tcp + 4), fd_be32(original + parsed.l4_offset + 4) + number * size);
        CHECK_EQ(tcp[13], 0x50 | (is_last ? 0x09 : 0) | (number == 0 ? 0x80 : 0));
        CHECK_EQ(descriptor->tcp_flags, tcp[13]);
    } else {
        CHECK_EQ(fd_be16(record->packet + parsed.l4_offset + 4), 8 + payload);
    }
    unsigned sums = fd_checksum_verify(record->packet, &parsed);
    if (original[0] >> 4 == 4)
        CHECK(sums & FD_CHECKSUM_IP_RIGHT);
    CHECK_EQ((sums & FD_CHECKSUM_L4_PARTIAL) != 0, is_partial);
    CHECK_EQ((sums & FD_CHECKSUM_L4_RIGHT) != 0, !is_partial);
    CHECK_EQ(descriptor->csum_start, is_partial ? parsed.l4_offset : 0);
}

static void every_segment_is_a_packet(int version, uint8_t protocol, int is_partial)
{
    static const uint32_t payloads[] = {101, 200, 299, 300, 1000};
    int is_tcp = protocol == FD_PROTOCOL_TCP;
    uint32_t flags = is_tcp ? FD_FLAG_GSO_TCP | FD_FLAG_GSO_ECN : FD_FLAG_GSO_UDP;

    if (is_partial)
        flags |= is_tcp ? FD_FLAG_TCP_CHECKSUM_PARTIAL : FD_FLAG_UDP_CHECKSUM_PARTIAL;
    for (unsigned i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct packet packet;
        struct row row;
        begin(&packet, version, protocol);
        if (is_tcp)
            add_tcp(&packet, 8, 0x50 | 0x09 | 0x80);
        else
            add_udp(&packet);
        add_payload(&packet, payloads[i]);
        make_row(&row, &packet, flags, 100);
        uint8_t *bytes = segment(&row);
        CHECK_EQ(out.count, (payloads[i] + 99) / 100);
        CHECK_EQ(out.count, fd_segment_count(&row.rows, 0));
        for (uint32_t number = 0; number < out.count; number++)
            check_segment(number, &row, 100, is_partial);
        free(bytes);
        free(row.memory);
    }
}

/* The row as it is, with the packet where it was. */
static void check_untouched(const struct packet *packet, uint32_t flags, uint32_t size)
{
    struct row row;

    make_row(&row, packet, flags, size);
    CHECK(segment(&row) == NULL);
    CHECK_EQ(out.count, 1);
    CHECK(records[0].packet == row.record.packet);
    CHECK(memcmp(&descriptors[0], &row.descriptor, sizeof(row.descriptor)) == 0);
    free(row.memory);
}

static void what_is_no_super_packet_stays(void)
{
    struct packet packet;

    begin(&packet, 4, FD_PROTOCOL_TCP);
    add_tcp(&packet, 5, 0x10);
    add_payload(&packet, 500);
    check_untouched(&packet, 0, 100);
    check_untouched(&packet, FD_FLAG_GSO_TCP, 0);
    check_untouched(&packet, FD_FLAG_GSO_TCP, 500);
    put_be16(packet.bytes + 6, 0x2000); /* a fragment */
    check_untouched(&packet, FD_FLAG_GSO_TCP, 100);
    put_be16(packet.bytes + 6, 0);
    put_be16(packet.bytes + 2, packet.length + 1); /* not all of it is here */
    check_untouched(&packet, FD_FLAG_GSO_TCP, 100);
    begin(&packet, 4, FD_PROTOCOL_ICMP);
    add_icmp(&packet, 8);
    add_payload(&packet, 500);
    check_untouched(&packet, FD_FLAG_GSO_TCP, 100);
}

static void rows_keep_their_order(void)
{
    struct packet packet;
    struct row large;
    struct row small;
    uint64_t size;

    begin(&packet, 4, FD_PROTOCOL_TCP);
    add_tcp(&packet, 5, 0x10);
    add_payload(&packet, 250);
    make_row(&large, &packet, FD_FLAG_GSO_TCP, 100);
    make_row(&small, &packet, 0, 0);
    struct fd_descriptor both[3] = {small.descriptor, large.descriptor, small.descriptor};
    struct fd_record three[3] = {small.record, large.record, small.record};
    struct fd_parsed parsed[3] = {small.parsed, large.parsed, small.parsed};
    struct fd_rows rows = {both, three, parsed, 3, FD_LAYER_NETWORK};
    out.count = (uint32_t)fd_segments_measure(&rows, &size);
    CHECK_EQ(out.count, 5);
    uint8_t *bytes = aligned_alloc(64, size);
    fd_segments_write(&rows, &out, bytes);
    CHECK(records[0].packet == small.record.packet && records[4].packet == small.record.packet);
    for (unsigned i = 1; i < 4; i++)
        CHECK(records[i].packet >= bytes && records[i].packet < bytes + size);
    free(bytes);
    free(large.memory);
    free(small.memory);
}

int main(void)
{
    for (int is_partial = 0; is_partial < 2; is_partial++)
        for (int version = 4; version <= 6; version += 2) {
            every_segment_is_a_packet(version, FD_PROTOCOL_TCP, is_partial);
            every_segment_is_a_packet(version, FD_PROTOCOL_UDP, is_partial);
        }
    what_is_no_super_packet_stays();
    rows_keep_their_order();
    return check_result();
}
