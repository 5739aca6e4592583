/* SPDX-License-Identifier: MIT */
#include "column.h"

#include <string.h>

#include "element.h"

static uint32_t low_bits(unsigned bits)
{
    return bits >= 32 ? 0xffffffffu : (1u << bits) - 1;
}

void fd_block_open(struct fd_block *block, const struct fd_rows *rows, uint32_t begin)
{
    uint32_t left = rows->count - begin;
    block->rows = rows;
    block->begin = begin;
    block->count = left < FD_BLOCK ? left : FD_BLOCK;
    for (uint32_t k = 0; k < block->count; k++)
        block->headers[k] = rows->parsed[begin + k].headers;
    memset(block->headers + block->count, 0, FD_BLOCK - block->count);
}

/* Which rows have a header; FD_HEADER_NONE: which are packets at all. */
static void presence(const struct fd_block *block, unsigned header, uint8_t *restrict present)
{
    const uint8_t wanted = header == FD_HEADER_NONE ? 0xff : (uint8_t)FD_HAS(header);
    for (uint32_t k = 0; k < FD_BLOCK; k++)
        present[k] = (uint8_t)-((block->headers[k] & wanted) != 0);
}

static void present_all(const struct fd_block *block, uint8_t *present)
{
    memset(present, 0xff, block->count);
    memset(present + block->count, 0, FD_BLOCK - block->count);
}

/* Bits of a header. The loop is compiled once for each width, so that the load
 * is one instruction, and reads zeros where the header is missing, so that it
 * has no branch. */
static inline __attribute__((always_inline)) void
header_block(const struct fd_block *block, const struct fd_field *field, unsigned width,
             uint32_t *restrict values, const uint8_t *restrict present)
{
    static const uint8_t zeros[64];
    const struct fd_rows *rows = block->rows;
    const uint32_t mask = low_bits(field->bits);
    const unsigned shift = field->shift, offset = field->offset;
    const uint32_t transport = field->header >= FD_HEADER_ICMP ? UINT32_MAX : 0;
    for (uint32_t k = 0; k < block->count; k++) {
        uint32_t row = block->begin + k;
        const uint8_t *base = rows->records[row].packet + (rows->parsed[row].l4_offset & transport);
        base = present[k] ? base : zeros;
        values[k] = (fd_element_load(base + offset, width) >> shift) & mask;
    }
}

/* PACKET and PAYLOAD: width bytes at an index, from the start or the end. */
static void element_block(const struct fd_block *block, const struct fd_field *field, int32_t index,
                          uint32_t *restrict values, uint8_t *restrict present)
{
    for (uint32_t k = 0; k < block->count; k++) {
        const struct fd_record *record = &block->rows->records[block->begin + k];
        const struct fd_parsed *parsed = &block->rows->parsed[block->begin + k];
        int64_t at = present[k] ? fd_element_at(record, parsed, field, index) : -1;
        int has = at >= 0;
        values[k] = has ? fd_element_load(record->packet + at, field->width) : 0;
        present[k] = (uint8_t)-has;
    }
}

#define HAS(header) (block->headers[k] >> (header) & 1)
#define FOR_EACH_ROW(expression)                \
    for (uint32_t k = 0; k < block->count; k++) \
        values[k] = (uint32_t)(expression);     \
    return 1

/* Fields that the parser already found, or that the descriptor says: 0 if
 * this is none of them. Rows without the field are cleared by the caller. */
static int known_block(const struct fd_block *block, unsigned field, uint32_t *restrict values)
{
    const struct fd_descriptor *descriptors = block->rows->descriptors + block->begin;
    const struct fd_record *records = block->rows->records + block->begin;
    const struct fd_parsed *parsed = block->rows->parsed + block->begin;
    const unsigned shift = fd_field_table[field].shift;
    switch (field) {
    case FD_FIELD_ZERO:
        FOR_EACH_ROW(0);
    case FD_FIELD_INBOUND:
        FOR_EACH_ROW(!(descriptors[k].flags & FD_FLAG_OUTBOUND));
    case FD_FIELD_OUTBOUND:
        FOR_EACH_ROW((descriptors[k].flags & FD_FLAG_OUTBOUND) != 0);
    case FD_FIELD_LOOPBACK:
        FOR_EACH_ROW((descriptors[k].flags & FD_FLAG_LOOPBACK) != 0);
    case FD_FIELD_IMPOSTOR:
        FOR_EACH_ROW((descriptors[k].flags & FD_FLAG_IMPOSTOR) != 0);
    case FD_FIELD_IFIDX:
        FOR_EACH_ROW(descriptors[k].ifindex);
    case FD_FIELD_SUBIFIDX:
        FOR_EACH_ROW(descriptors[k].subifindex);
    case FD_FIELD_IP:
        FOR_EACH_ROW(HAS(FD_HEADER_IP));
    case FD_FIELD_IPV6:
        FOR_EACH_ROW(HAS(FD_HEADER_IPV6));
    case FD_FIELD_ICMP:
        FOR_EACH_ROW(HAS(FD_HEADER_ICMP));
    case FD_FIELD_ICMPV6:
        FOR_EACH_ROW(HAS(FD_HEADER_ICMPV6));
    case FD_FIELD_TCP:
        FOR_EACH_ROW(HAS(FD_HEADER_TCP));
    case FD_FIELD_UDP:
        FOR_EACH_ROW(HAS(FD_HEADER_UDP));
    case FD_FIELD_PROTOCOL:
        FOR_EACH_ROW(parsed[k].protocol);
    case FD_FIELD_FRAGMENT:
        FOR_EACH_ROW((parsed[k].state & FD_PARSED_FRAGMENT) != 0);
    case FD_FIELD_LENGTH:
        FOR_EACH_ROW(records[k].captured);
    case FD_FIELD_TCP_SRCPORT:
    case FD_FIELD_UDP_SRCPORT:
        FOR_EACH_ROW(parsed[k].source_port);
    case FD_FIELD_TCP_DSTPORT:
    case FD_FIELD_UDP_DSTPORT:
        FOR_EACH_ROW(parsed[k].destination_port);
    case FD_FIELD_TCP_URG:
    case FD_FIELD_TCP_ACK:
    case FD_FIELD_TCP_PSH:
    case FD_FIELD_TCP_RST:
    case FD_FIELD_TCP_SYN:
    case FD_FIELD_TCP_FIN:
        FOR_EACH_ROW(parsed[k].tcp_flags >> shift & 1);
    case FD_FIELD_TCP_PAYLOADLENGTH:
    case FD_FIELD_UDP_PAYLOADLENGTH:
        FOR_EACH_ROW(parsed[k].payload_length);
    default:
        return 0;
    }
}
#undef FOR_EACH_ROW
#undef HAS

/* Values of rows that do not have the field are zero. */
static void clear_missing(const uint8_t *restrict present, uint32_t *restrict values)
{
    for (uint32_t k = 0; k < FD_BLOCK; k++)
        values[k] &= (uint32_t)(int32_t)(int8_t)present[k];
}

static int load_value(const struct fd_rows *rows, uint32_t row, unsigned field, int32_t index,
                      struct fd_value *value)
{
    const struct fd_subject subject = {
        &rows->descriptors[row],
        rows->records[row].packet,
        rows->records[row].captured,
        &rows->parsed[row],
    };
    if (fd_is_network(rows->layer) && rows->parsed[row].headers == 0 && field != FD_FIELD_TIMESTAMP)
        return 0;
    return fd_field_load(field, index, rows->layer, &subject, value);
}

/* The rest, one row at a time. */
static void single_block(const struct fd_block *block, unsigned field, int32_t index,
                         uint32_t *restrict values, uint8_t *restrict present)
{
    memset(present, 0, FD_BLOCK);
    for (uint32_t k = 0; k < block->count; k++) {
        struct fd_value value;
        int has = load_value(block->rows, block->begin + k, field, index, &value);
        values[k] = has ? value.word[0] : 0;
        present[k] = (uint8_t)-has;
    }
}

void fd_column_block(const struct fd_block *block, unsigned field, int32_t index,
                     uint32_t *restrict values, uint8_t *restrict present)
{
    const struct fd_field *entry = &fd_field_table[field];
    memset(values + block->count, 0, (FD_BLOCK - block->count) * sizeof values[0]);
    if (!fd_is_network(block->rows->layer)) {
        single_block(block, field, index, values, present);
        return;
    }
    presence(block, entry->header, present);
    if (known_block(block, field, values)) {
        if (entry->header == FD_HEADER_NONE) /* also known of what is no packet */
            present_all(block, present);
        clear_missing(present, values);
        return;
    }
    switch (entry->source) {
    case FD_SOURCE_HEADER:
        if (entry->width == 1)
            header_block(block, entry, 1, values, present);
        else if (entry->width == 2)
            header_block(block, entry, 2, values, present);
        else
            header_block(block, entry, 4, values, present);
        return;
    case FD_SOURCE_PACKET:
    case FD_SOURCE_PAYLOAD:
        element_block(block, entry, index, values, present);
        return;
    default:
        single_block(block, field, index, values, present);
        return;
    }
}

unsigned fd_column_width(unsigned field)
{
    return fd_field_table[field].width;
}

/* Fields wider than 32 bits, and signed ones, one row at a time. */
static void load_wide(const struct fd_rows *rows, unsigned field, uint8_t *out, uint64_t stride)
{
    const unsigned width = fd_field_table[field].width;
    for (uint32_t i = 0; i < rows->count; i++) {
        struct fd_value value = {{0, 0, 0, 0}, 0};
        if (!load_value(rows, i, field, 0, &value))
            memset(&value, 0, sizeof value);
        uint64_t word = value.word[0] | (uint64_t)value.word[1] << 32;
        if (value.negative)
            word = 0 - word;
        if (width == 16) {
            for (unsigned w = 0; w < 4; w++) {
                uint32_t big = __builtin_bswap32(value.word[3 - w]);
                memcpy(out + i * stride + 4 * w, &big, 4);
            }
        } else {
            memcpy(out + i * stride, &word, width);
        }
    }
}

static int is_wide(unsigned field)
{
    return fd_field_table[field].width > 4 || field == FD_FIELD_PRIORITY;
}

void fd_column_load(const struct fd_rows *rows, unsigned field, int32_t index, uint8_t *out,
                    uint64_t stride)
{
    uint32_t values[FD_BLOCK];
    uint8_t present[FD_BLOCK];
    if (is_wide(field)) {
        load_wide(rows, field, out, stride);
        return;
    }
    const unsigned width = fd_field_table[field].width;
    for (uint32_t begin = 0; begin < rows->count; begin += FD_BLOCK) {
        struct fd_block block;
        fd_block_open(&block, rows, begin);
        fd_column_block(&block, field, index, values, present);
        uint8_t *to = out + begin * stride;
        const uint32_t count = block.count;
        if (width == 1) {
            for (uint32_t k = 0; k < count; k++)
                to[k * stride] = (uint8_t)values[k];
        } else if (width == 2) {
            for (uint32_t k = 0; k < count; k++) {
                uint16_t half = (uint16_t)values[k];
                memcpy(to + k * stride, &half, 2);
            }
        } else {
            for (uint32_t k = 0; k < count; k++)
                memcpy(to + k * stride, &values[k], 4);
        }
    }
}

void fd_column_present(const struct fd_rows *rows, unsigned field, int32_t index, uint8_t *out)
{
    uint32_t values[FD_BLOCK];
    uint8_t present[FD_BLOCK];
    for (uint32_t begin = 0; begin < rows->count; begin += FD_BLOCK) {
        struct fd_block block;
        fd_block_open(&block, rows, begin);
        if (is_wide(field))
            single_block(&block, field, index, values, present);
        else
            fd_column_block(&block, field, index, values, present);
        for (uint32_t k = 0; k < block.count; k++)
            out[begin + k] = present[k] & 1;
    }
}
