/* SPDX-License-Identifier: MIT */
#include "segment.h"

#include <string.h>

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/protocol.h"
#include "core/record.h"
#include "core/segment.h"

static const uint32_t gso = FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP;
static const uint32_t partial = FD_FLAG_TCP_CHECKSUM_PARTIAL | FD_FLAG_UDP_CHECKSUM_PARTIAL;

/* One row on its way: all that is read of the descriptor is read once, as it
 * may lie where others write. */
struct super {
    struct fd_descriptor descriptor;
    const struct fd_record *record;
    struct fd_super cut;
};

static struct super look(const struct fd_rows *rows, uint32_t row)
{
    struct super super = {.descriptor = rows->descriptors[row], .record = &rows->records[row]};
    int is_super = (super.descriptor.flags & gso) != 0 && !super.record->opaque;

    fd_super_begin(&super.cut, super.record->packet, super.record->captured, &rows->parsed[row],
                   is_super ? super.descriptor.gso_size : 0);
    return super;
}

uint32_t fd_segment_count(const struct fd_rows *rows, uint32_t row)
{
    return look(rows, row).cut.count;
}

uint64_t fd_segments_measure(const struct fd_rows *rows, uint64_t *bytes)
{
    uint64_t count = 0;

    *bytes = 0;
    for (uint32_t row = 0; row < rows->count; row++) {
        struct super super = look(rows, row);
        count += super.cut.count;
        for (uint32_t i = 0; super.cut.count > 1 && i < super.cut.count; i++)
            *bytes += fd_record_size(super.record->l2_length, fd_segment_length(&super.cut, i));
    }
    return count;
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
    uint32_t length = fd_segment_length(&super->cut, number);

    memcpy(packet - l2_length, super->record->packet - l2_length, l2_length);
    fd_segment_write(&super->cut, number, packet);
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
        if (super.cut.count == 1) {
            out->descriptors[at] = super.descriptor;
            out->records[at] = *super.record;
            out->parsed[at++] = *super.cut.parsed;
            continue;
        }
        for (uint32_t i = 0; i < super.cut.count && at < out->count; i++, at++) {
            uint32_t l2_length = super.record->l2_length;
            uint8_t *packet = bytes + position + fd_record_packet_at(l2_length);
            write_segment(&super, i, packet, out, at);
            out->descriptors[at].offset = (uint32_t)(packet - bytes);
            position += fd_record_size(l2_length, out->records[at].captured);
        }
    }
}
