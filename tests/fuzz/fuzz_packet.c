/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a packet: parse, describe, load every field, hash, checksums,
 * TTL. The packet ends where its allocation ends, so ASan sees the first byte
 * that is read or written beyond captured.
 */
#include "core/checksum.h"
#include "core/hash.h"
#include "core/program.h"
#include "fuzz.h"

static void check_parsed(const struct fd_parsed *parsed, uint32_t captured)
{
    static const struct fd_parsed nothing;
    const unsigned ip = FD_HAS(FD_HEADER_IP) | FD_HAS(FD_HEADER_IPV6);
    unsigned headers = parsed->headers;

    if (headers == 0) {
        REQUIRE(memcmp(parsed, &nothing, sizeof(nothing)) == 0);
        return;
    }
    unsigned transport = headers & ~ip;
    REQUIRE((headers & ip) != 0 && (headers & ip) != ip);
    REQUIRE((transport & (transport - 1)) == 0);
    REQUIRE(parsed->l4_offset >= 20 && parsed->l4_offset <= parsed->payload_offset);
    uint32_t end = parsed->length < captured ? parsed->length : captured;
    REQUIRE(parsed->payload_offset + (uint64_t)parsed->payload_length == end);
    REQUIRE(transport == 0 || parsed->payload_offset - parsed->l4_offset >= 8);
    REQUIRE(transport == 0 || parsed->fragment_offset == 0);
}

static void load_every_field(const uint8_t *packet, uint32_t captured,
                             const struct fd_parsed *parsed, const struct fd_descriptor *descriptor)
{
    static const int32_t indexes[] = {0, 1, -1, -2, -4, 19, -20, 65531, -65535};
    const struct fd_subject subject = {descriptor, packet, captured, parsed};
    for (unsigned field = 0; field < FD_FIELD_COUNT; field++) {
        for (unsigned i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
            struct fd_value value;
            if (fd_field_load(field, indexes[i], FD_LAYER_NETWORK, &subject, &value) &&
                fd_field_table[field].bits <= 32)
                REQUIRE((uint64_t)value.word[0] >> fd_field_table[field].bits == 0);
        }
    }
}

static void check_checksums(uint8_t *packet, uint32_t captured, const struct fd_parsed *parsed,
                            unsigned flags)
{
    uint8_t *before = exact_copy(packet, captured);
    uint32_t written;
    int done = fd_checksum_update(packet, parsed, flags, &written);
    REQUIRE(done == 0 || done == 1);
    if (flags == FD_CHECKSUM_FLAGS_ALL || parsed->headers == 0)
        REQUIRE(captured == 0 || memcmp(packet, before, captured) == 0);
    unsigned result = fd_checksum_verify(packet, parsed);
    if (flags == 0) {
        if (result & FD_CHECKSUM_IP_PRESENT)
            REQUIRE(result & FD_CHECKSUM_IP_RIGHT);
        if (result & FD_CHECKSUM_L4_PRESENT)
            REQUIRE(done == 1 && (result & FD_CHECKSUM_L4_RIGHT));
        struct fd_parsed again;
        fd_parse(packet, captured, &again);
        REQUIRE(memcmp(parsed, &again, sizeof(again)) == 0); /* checksums are not parsed */
    }
    unsigned right = result & FD_CHECKSUM_IP_RIGHT;
    uint8_t ttl = captured < 20 ? 0 : packet[packet[0] >> 4 == 4 ? 8 : 7];
    REQUIRE(fd_decrement_ttl(packet, parsed) == (parsed->headers != 0 && ttl > 1));
    REQUIRE((fd_checksum_verify(packet, parsed) & FD_CHECKSUM_IP_RIGHT) == right);
    free(before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    unsigned flags = data[0] & FD_CHECKSUM_FLAGS_ALL;
    uint32_t captured = (uint32_t)(size - 1);
    uint8_t *packet = exact_copy(data + 1, captured);
    struct fd_descriptor descriptor = {.timestamp = data[0] * 7919ll};
    struct fd_parsed parsed;

    memset(&parsed, 0xcc, sizeof(parsed));
    REQUIRE(fd_parse(packet, captured, &parsed) == parsed.headers);
    check_parsed(&parsed, captured);
    fd_describe(&parsed, captured, &descriptor);
    REQUIRE((parsed.headers == 0) == ((descriptor.flags & FD_FLAG_MALFORMED) != 0));
    load_every_field(packet, captured, &parsed, &descriptor);
    REQUIRE(fd_hash(packet, &parsed, 1) == fd_hash(packet, &parsed, 1));
    REQUIRE(fd_fold(fd_sum(packet, captured)) ==
            fd_fold(fd_sum(packet, captured / 2 & ~1u) +
                    fd_sum(packet + (captured / 2 & ~1u), captured - (captured / 2 & ~1u))));
    check_checksums(packet, captured, &parsed, flags);
    free(packet);
    return 0;
}
