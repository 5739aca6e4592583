/* SPDX-License-Identifier: MIT */
#include "segment.h"

#include <string.h>

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/protocol.h"
#include "core/record.h"

enum { IPV4_ID = 4, TCP_SEQUENCE = 4, UDP_LENGTH = 4 };
enum { TCP_FIN_PSH = 0x09, TCP_CWR = 0x80 };

static const uint32_t gso = FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP;
static const uint32_t partial = FD_FLAG_TCP_CHECKSUM_PARTIAL | FD_FLAG_UDP_CHECKSUM_PARTIAL;

/* One super-packet on its way: all that is read of the descriptor is read once,
 * as it may lie where others write. */
struct super {
    struct fd_descriptor descriptor;
    const struct fd_record *record;
    const struct fd_parsed *parsed;
    uint32_t size; /* payload of a segment */
    uint32_t count;
};

static struct super look(const struct fd_rows *rows, uint32_t row)
{
    struct super super = {.descriptor = rows->descriptors[row],
                          .record = &rows->records[row],
                          .parsed = &rows->parsed[row],
                          .count = 1};
    const unsigned transports = FD_HAS(FD_HEADER_TCP) | FD_HAS(FD_HEADER_UDP);
    const struct fd_parsed *parsed = super.parsed;

    super.size = super.descriptor.gso_size;
    if ((super.descriptor.flags & gso) == 0 || super.size == 0 || super.record->opaque ||
        (parsed->headers & transports) == 0 || parsed->length > super.record->captured ||
        (parsed->state & FD_PARSED_FRAGMENT) != 0 || parsed->payload_length <= super.size)
        return super;
    super.count = (parsed->payload_length + super.size - 1) / super.size;
    return super;
}

static uint32_t payload_of(const struct super *super, uint32_t number)
{
    uint32_t left = super->parsed->payload_length - number * super->size;

    return left < super->size ? left : super->size;
}

uint32_t fd_segment_count(const struct fd_rows *rows, uint32_t row)
{
    return look(rows, row).count;
}

uint64_t fd_segments_measure(const struct fd_rows *rows, uint64_t *bytes)
{
    uint64_t count = 0;

    *bytes = 0;
    for (uint32_t row = 0; row < rows->count; row++) {
        struct super super = look(rows, row);
        count += super.count;
        for (uint32_t i = 0; super.count > 1 && i < super.count; i++)
            *bytes += fd_record_size(super.record->l2_length,
                                     super.parsed->payload_offset + payload_of(&super, i));
    }
    return count;
}

/* What differs in each IP header. */
static void write_ip(const struct super *super, uint32_t number, uint8_t *packet, uint32_t length)
{
    if (super->parsed->headers & FD_HAS(FD_HEADER_IPV6)) {
        fd_put_be16(packet + 4, length - FD_IPV6_LENGTH);
        return;
    }
    fd_put_be16(packet + 2, length);
    fd_put_be16(packet + IPV4_ID, (fd_be16(packet + IPV4_ID) + number) & 0xffff);
}

static void write_transport(const struct super *super, uint32_t number, uint8_t *l4,
                            uint32_t l4_length)
{
    if ((super->parsed->headers & FD_HAS(FD_HEADER_TCP)) == 0) {
        fd_put_be16(l4 + UDP_LENGTH, l4_length);
        return;
    }
    uint32_t sequence = fd_network32(fd_be32(l4 + TCP_SEQUENCE) + number * super->size);
    fd_copy(l4 + TCP_SEQUENCE, &sequence, sizeof(sequence));
    if (number + 1 != super->count)
        l4[FD_TCP_FLAGS] &= (uint8_t)~TCP_FIN_PSH;
    if (number != 0)
        l4[FD_TCP_FLAGS] &= (uint8_t)~TCP_CWR;
}

/* Of the transport header: the pseudo-header's sum if it is partial, else all
 * of it. The IPv4 header's is always computed. */
static void write_checksums(const struct super *super, uint8_t *packet,
                            const struct fd_parsed *parsed, struct fd_descriptor *descriptor)
{
    const unsigned only_ip = FD_CHECKSUM_NO_TCP | FD_CHECKSUM_NO_UDP;
    const uint32_t valid =
        FD_FLAG_IP_CHECKSUM_VALID | FD_FLAG_TCP_CHECKSUM_VALID | FD_FLAG_UDP_CHECKSUM_VALID;
    int is_partial = (super->descriptor.flags & partial) != 0;
    uint32_t written = 0;

    fd_checksum_update(packet, parsed, is_partial ? only_ip : 0, &written);
    descriptor->flags = (descriptor->flags & ~valid) | written;
    if (!is_partial) {
        descriptor->flags &= ~partial;
        descriptor->csum_start = descriptor->csum_offset = 0;
        return;
    }
    uint8_t *field = packet + parsed->l4_offset +
                     (parsed->headers & FD_HAS(FD_HEADER_TCP) ? FD_TCP_CHECKSUM : FD_UDP_CHECKSUM);
    uint16_t sum = fd_fold(
        fd_pseudo_sum(packet, parsed, parsed->protocol, parsed->length - parsed->l4_offset));
    fd_copy(field, &sum, sizeof(sum));
}

static void write_segment(const struct super *super, uint32_t number, uint8_t *packet,
                          const struct fd_rows *out, uint32_t at)
{
    struct fd_descriptor descriptor = super->descriptor;
    uint32_t l2_length = super->record->l2_length;
    uint32_t headers = super->parsed->payload_offset;
    uint32_t payload = payload_of(super, number);
    uint32_t length = headers + payload;

    memcpy(packet - l2_length, super->record->packet - l2_length, (size_t)l2_length + headers);
    memcpy(packet + headers, super->record->packet + headers + (size_t)number * super->size,
           payload);
    write_ip(super, number, packet, length);
    write_transport(super, number, packet + super->parsed->l4_offset,
                    length - super->parsed->l4_offset);
    out->records[at] = *super->record;
    out->records[at].packet = packet;
    out->records[at].captured = length;
    descriptor.length = descriptor.captured = length;
    descriptor.gso_size = 0;
    descriptor.flags &= ~(uint32_t)(gso | FD_FLAG_GSO_ECN);
    fd_parse_and_describe(packet, length, &out->parsed[at], &descriptor);
    write_checksums(super, packet, &out->parsed[at], &descriptor);
    out->descriptors[at] = descriptor;
}

void fd_segments_write(const struct fd_rows *rows, const struct fd_rows *out, uint8_t *bytes)
{
    uint64_t position = 0;
    uint32_t at = 0;

    for (uint32_t row = 0; row < rows->count && at < out->count; row++) {
        struct super super = look(rows, row);
        if (super.count == 1) {
            out->descriptors[at] = super.descriptor;
            out->records[at] = *super.record;
            out->parsed[at++] = *super.parsed;
            continue;
        }
        for (uint32_t i = 0; i < super.count && at < out->count; i++, at++) {
            uint32_t l2_length = super.record->l2_length;
            uint8_t *packet = bytes + position + fd_record_packet_at(l2_length);
            write_segment(&super, i, packet, out, at);
            out->descriptors[at].offset = (uint32_t)(packet - bytes);
            position += fd_record_size(l2_length, out->records[at].captured);
        }
    }
}
