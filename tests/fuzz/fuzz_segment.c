/* SPDX-License-Identifier: MIT */
/* Any bytes as a super-packet: its segments are packets that have its payload
 * between them, and stay within the memory that was asked for. */
#include "core/checksum.h"
#include "fuzz.h"
#include "segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct fd_descriptor descriptor = {.flags = take32(&input), .gso_size = take16(&input)};
    struct fd_parsed parsed;
    uint32_t l2_length = take8(&input) % (FD_L2_MAX + 1);
    uint64_t need;

    descriptor.csum_start = take16(&input);
    descriptor.csum_offset = take8(&input);
    if (input.left < l2_length)
        return 0;
    uint8_t *bytes = exact_copy(input.bytes, input.left);
    struct fd_record record = {.packet = bytes + l2_length,
                               .captured = (uint32_t)(input.left - l2_length),
                               .l2_length = (uint8_t)l2_length};
    struct fd_rows rows = {&descriptor, &record, &parsed, 1, FD_LAYER_NETWORK};
    fd_rows_parse(&rows, 0, 1);
    uint32_t count = (uint32_t)fd_segments_measure(&rows, &need);
    REQUIRE(count != 0 && (count == 1) == (need == 0));

    struct fd_rows out = {calloc(count, sizeof(descriptor)), calloc(count, sizeof(record)),
                          calloc(count, sizeof(parsed)), count, FD_LAYER_NETWORK};
    uint8_t *room = malloc(need);
    REQUIRE(out.descriptors != NULL && out.records != NULL && out.parsed != NULL);
    fd_segments_write(&rows, &out, room);
    uint32_t payload = 0;
    for (uint32_t i = 0; count > 1 && i < count; i++) {
        struct fd_parsed again;
        REQUIRE(fd_parse(out.records[i].packet, out.records[i].captured, &again) == parsed.headers);
        REQUIRE(again.length == out.records[i].captured && again.state == 0);
        REQUIRE(memcmp(out.records[i].packet + again.payload_offset,
                       record.packet + parsed.payload_offset + payload, again.payload_length) == 0);
        REQUIRE(out.records[i].packet - l2_length >= room &&
                out.records[i].packet + out.records[i].captured <= room + need);
        payload += again.payload_length;
    }
    REQUIRE(count == 1 || payload == parsed.payload_length);
    free(out.descriptors);
    free(out.records);
    free(out.parsed);
    free(room);
    free(bytes);
    return 0;
}
