/* SPDX-License-Identifier: MIT */
/* What of a super-packet only the core can be asked: lengths that no header
 * says, and segments with their checksums. */
#include "check.h"
#include "core/bytes.h"
#include "core/checksum.h"
#include "core/segment.h"
#include "packets.h"

/* A TCP packet of so many bytes behind its headers, on the heap, exactly. */
static uint8_t *make(int version, uint32_t extension, uint32_t payload, uint32_t *length)
{
    static struct packet head;

    if (version == 4)
        begin_ipv4(&head, 5, FD_PROTOCOL_TCP);
    else
        begin_ipv6(&head, extension != 0 ? FD_PROTOCOL_DESTINATION : FD_PROTOCOL_TCP);
    if (extension != 0)
        add_extension(&head, FD_PROTOCOL_TCP, (uint8_t)(extension / 8 - 1), extension);
    add_tcp(&head, 5, 0x18);
    *length = head.length + payload;
    uint8_t *bytes = malloc(*length);
    if (bytes == NULL)
        abort();
    memcpy(bytes, head.bytes, head.length);
    for (uint32_t i = 0; i < payload; i++)
        bytes[head.length + i] = (uint8_t)(i * 13 + i / 251);
    return bytes;
}

static void a_length_that_is_not_written_is_that_of_the_bytes(void)
{
    for (int version = 4; version <= 6; version += 2) {
        static const uint32_t payloads[] = {100, 65400, 65535, 100000};
        for (unsigned i = 0; i < 4; i++) {
            struct fd_parsed parsed;
            uint32_t length;
            uint8_t *bytes = make(version, 0, payloads[i], &length);
            uint32_t said = length - (version == 6 ? FD_IPV6_LENGTH : 0);
            CHECK(fd_super_parse(bytes, length, &parsed) & FD_HAS(FD_HEADER_TCP));
            CHECK_EQ(parsed.length, length);
            CHECK_EQ(parsed.payload_length, payloads[i]);
            CHECK_EQ(parsed.state, 0);
            CHECK_EQ(fd_be16(bytes + (version == 4 ? 2 : 4)), said < 0xffff ? said : 0xffff);
            free(bytes);
        }
    }
}

static void what_is_no_packet_stays_none(void)
{
    struct fd_parsed parsed;
    uint8_t bytes[60] = {0x45};

    for (uint32_t length = 0; length < 20; length++)
        CHECK_EQ(fd_super_parse(bytes, length, &parsed), 0);
    bytes[0] = 0x60;
    for (uint32_t length = 0; length < 40; length++)
        CHECK_EQ(fd_super_parse(bytes, length, &parsed), 0);
    bytes[0] = 0x55;
    CHECK_EQ(fd_super_parse(bytes, 60, &parsed), 0);
}

static void segments_are_whole_packets_and_have_all_the_payload(void)
{
    for (int version = 4; version <= 6; version += 2) {
        struct fd_parsed parsed, one;
        struct fd_super super;
        uint32_t length, at = 0;
        uint64_t size = 0;
        uint8_t *bytes = make(version, 0, 100000, &length);
        fd_super_parse(bytes, length, &parsed);
        uint32_t count = fd_super_begin(&super, bytes, length, &parsed, 1447);
        CHECK_EQ(count, (100000 + 1446) / 1447);
        for (uint32_t number = 0; number < count; number++) {
            uint8_t *segment = malloc(fd_segment_length(&super, number));
            CHECK(segment != NULL);
            uint32_t written = fd_segment_write_complete(&super, number, segment);
            CHECK_EQ(written, fd_segment_length(&super, number));
            CHECK(fd_parse(segment, written, &one) != 0);
            CHECK_EQ(one.length, written);
            CHECK(fd_checksum_verify(segment, &one) & FD_CHECKSUM_L4_RIGHT);
            CHECK(memcmp(segment + one.payload_offset, bytes + parsed.payload_offset + at,
                         one.payload_length) == 0);
            at += one.payload_length;
            size += written;
            free(segment);
        }
        CHECK_EQ(at, 100000);
        CHECK_EQ(size, fd_super_size(&super));
        free(bytes);
    }
}

/* Headers and payload of a segment have to fit into the length that IP has. */
static void a_segment_is_no_longer_than_ip_allows(void)
{
    for (int version = 4; version <= 6; version += 2) {
        uint32_t extension = version == 6 ? 1024 : 0;
        uint32_t most = version == 6 ? 65535 - 1024 - 20 : 65535 - 40;
        struct fd_parsed parsed;
        struct fd_super super;
        uint32_t length;
        uint8_t *bytes = make(version, extension, 100000, &length);
        fd_super_parse(bytes, length, &parsed);
        CHECK_EQ(fd_super_begin(&super, bytes, length, &parsed, most), 2);
        uint8_t *segment = malloc(fd_segment_length(&super, 0));
        fd_segment_write_complete(&super, 0, segment);
        CHECK_EQ(fd_be16(segment + (version == 4 ? 2 : 4)), 0xffff);
        CHECK_EQ(fd_super_begin(&super, bytes, length, &parsed, most + 1), 1);
        free(segment);
        free(bytes);
    }
}

int main(void)
{
    a_length_that_is_not_written_is_that_of_the_bytes();
    what_is_no_packet_stays_none();
    segments_are_whole_packets_and_have_all_the_payload();
    a_segment_is_no_longer_than_ip_allows();
    return check_result();
}
