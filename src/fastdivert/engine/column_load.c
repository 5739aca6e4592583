/* SPDX-License-Identifier: MIT */
#include "column.h"

#include <string.h>

#include "core/hash.h"

static uint32_t load_big(const uint8_t *bytes, unsigned width) {
    uint16_t half;
    uint32_t word;
    switch (width) {
    case 1:
        return bytes[0];
    case 2:
        memcpy(&half, bytes, 2);
        return __builtin_bswap16(half);
    default:
        memcpy(&word, bytes, 4);
        return __builtin_bswap32(word);
    }
}

static uint32_t low_bits(unsigned bits) {
    return bits >= 32 ? 0xffffffffu : (1u << bits) - 1;
}

static uint8_t presence(const struct fd_parsed *parsed, unsigned header) {
    return (uint8_t) - ((parsed->headers >> header) & 1);
}

/* Bits of a header: the loop is compiled once for each width, so that the load
 * is one instruction. A missing field reads the packet's first bytes, which
 * are always there when the row has any header at all. */
static inline __attribute__((always_inline)) void header_block(const struct fd_rows *rows,
                                                               uint32_t begin, uint32_t count,
                                                               const struct fd_field *field,
                                                               unsigned width, uint32_t *values,
                                                               uint8_t *present) {
    const uint32_t mask = low_bits(field->bits);
    const unsigned shift = field->shift;
    const unsigned header = field->header;
    const int transport = header >= FD_HEADER_ICMP;
    for (uint32_t k = 0; k < count; k++) {
        const struct fd_parsed *parsed = &rows->parsed[begin + k];
        uint8_t has = presence(parsed, header);
        uint32_t value = 0;
        if (has) {
            const uint8_t *base = rows->records[begin + k].packet + (transport ? parsed->l4_offset : 0);
            value = (load_big(base + field->offset, width) >> shift) & mask;
        }
        values[k] = value;
        present[k] = has;
    }
}

/* PACKET and PAYLOAD: width bytes at an index, from the start or the end. */
static void element_block(const struct fd_rows *rows, uint32_t begin, uint32_t count,
                          const struct fd_field *field, int32_t index, uint32_t *values,
                          uint8_t *present) {
    for (uint32_t k = 0; k < count; k++) {
        const struct fd_parsed *parsed = &rows->parsed[begin + k];
        int64_t first = 0, last = rows->records[begin + k].captured;
        int has = parsed->headers != 0;
        if (field->source == FD_SOURCE_PAYLOAD) {
            has = (parsed->headers >> field->header) & 1;
            first = parsed->payload_offset;
            last = first + parsed->payload_length;
        }
        int64_t at = index + (index < 0 ? last : first);
        has = has && at >= first && at + field->width <= last;
        values[k] = has ? load_big(rows->records[begin + k].packet + at, field->width) : 0;
        present[k] = (uint8_t)-has;
    }
}

#define FOR_EACH_ROW(expression)                                                        \
    for (uint32_t k = 0; k < count; k++) {                                              \
        const struct fd_parsed *parsed = &rows->parsed[begin + k];                      \
        const struct fd_descriptor *descriptor = &rows->descriptors[begin + k];         \
        (void)descriptor;                                                               \
        values[k] = (uint32_t)(expression);                                             \
        present[k] = (uint8_t) - (parsed->headers != 0);                                \
    }

/* Fields that the parser already found, or that the descriptor says. */
static int known_block(const struct fd_rows *rows, uint32_t begin, uint32_t count, unsigned field,
                       uint32_t *values, uint8_t *present) {
    switch (field) {
    case FD_FIELD_ZERO:
        FOR_EACH_ROW(0);
        return 1;
    case FD_FIELD_INBOUND:
        FOR_EACH_ROW(!(descriptor->flags & FD_FLAG_OUTBOUND));
        return 1;
    case FD_FIELD_OUTBOUND:
        FOR_EACH_ROW((descriptor->flags & FD_FLAG_OUTBOUND) != 0);
        return 1;
    case FD_FIELD_LOOPBACK:
        FOR_EACH_ROW((descriptor->flags & FD_FLAG_LOOPBACK) != 0);
        return 1;
    case FD_FIELD_IMPOSTOR:
        FOR_EACH_ROW((descriptor->flags & FD_FLAG_IMPOSTOR) != 0);
        return 1;
    case FD_FIELD_IFIDX:
        FOR_EACH_ROW(descriptor->ifindex);
        return 1;
    case FD_FIELD_SUBIFIDX:
        FOR_EACH_ROW(descriptor->subifindex);
        return 1;
    case FD_FIELD_IP:
        FOR_EACH_ROW((parsed->headers >> FD_HEADER_IP) & 1);
        return 1;
    case FD_FIELD_IPV6:
        FOR_EACH_ROW((parsed->headers >> FD_HEADER_IPV6) & 1);
        return 1;
    case FD_FIELD_ICMP:
        FOR_EACH_ROW((parsed->headers >> FD_HEADER_ICMP) & 1);
        return 1;
    case FD_FIELD_ICMPV6:
        FOR_EACH_ROW((parsed->headers >> FD_HEADER_ICMPV6) & 1);
        return 1;
    case FD_FIELD_TCP:
        FOR_EACH_ROW((parsed->headers >> FD_HEADER_TCP) & 1);
        return 1;
    case FD_FIELD_UDP:
        FOR_EACH_ROW((parsed->headers >> FD_HEADER_UDP) & 1);
        return 1;
    case FD_FIELD_PROTOCOL:
        FOR_EACH_ROW(parsed->protocol);
        return 1;
    case FD_FIELD_FRAGMENT:
        FOR_EACH_ROW((parsed->state & FD_PARSED_FRAGMENT) != 0);
        return 1;
    case FD_FIELD_LENGTH:
        FOR_EACH_ROW(rows->records[begin + k].captured);
        return 1;
    default:
        return 0;
    }
}

/* TCP and UDP fields that need no look at the packet any more. */
static int transport_block(const struct fd_rows *rows, uint32_t begin, uint32_t count, unsigned field,
                           uint32_t *values, uint8_t *present) {
    const unsigned header = fd_field_table[field].header;
    const unsigned shift = fd_field_table[field].shift;
#define FOR_EACH_TRANSPORT(expression)                                 \
    for (uint32_t k = 0; k < count; k++) {                             \
        const struct fd_parsed *parsed = &rows->parsed[begin + k];     \
        uint8_t has = presence(parsed, header);                        \
        values[k] = has ? (uint32_t)(expression) : 0;                  \
        present[k] = has;                                              \
    }                                                                  \
    return 1
    switch (field) {
    case FD_FIELD_TCP_SRCPORT:
    case FD_FIELD_UDP_SRCPORT:
        FOR_EACH_TRANSPORT(parsed->source_port);
    case FD_FIELD_TCP_DSTPORT:
    case FD_FIELD_UDP_DSTPORT:
        FOR_EACH_TRANSPORT(parsed->destination_port);
    case FD_FIELD_TCP_URG:
    case FD_FIELD_TCP_ACK:
    case FD_FIELD_TCP_PSH:
    case FD_FIELD_TCP_RST:
    case FD_FIELD_TCP_SYN:
    case FD_FIELD_TCP_FIN:
        FOR_EACH_TRANSPORT((parsed->tcp_flags >> shift) & 1);
    case FD_FIELD_TCP_PAYLOADLENGTH:
    case FD_FIELD_UDP_PAYLOADLENGTH:
        FOR_EACH_TRANSPORT(parsed->payload_length);
    default:
        return 0;
    }
#undef FOR_EACH_TRANSPORT
}

static int load_value(const struct fd_rows *rows, uint32_t row, unsigned field, int32_t index,
                      struct fd_value *value) {
    const struct fd_subject subject = {
        &rows->descriptors[row],
        rows->records[row].packet,
        rows->records[row].captured,
        &rows->parsed[row],
    };
    if (fd_is_network(rows->layer) && rows->parsed[row].headers == 0)
        return 0;
    return fd_field_load(field, index, rows->layer, &subject, value);
}

void fd_column_block(const struct fd_rows *rows, uint32_t begin, uint32_t count, unsigned field,
                     int32_t index, uint32_t *values, uint8_t *present) {
    const struct fd_field *entry = &fd_field_table[field];
    if (fd_is_network(rows->layer)) {
        if (known_block(rows, begin, count, field, values, present) ||
            transport_block(rows, begin, count, field, values, present))
            return;
        switch (entry->source) {
        case FD_SOURCE_HEADER:
            if (entry->width == 1)
                header_block(rows, begin, count, entry, 1, values, present);
            else if (entry->width == 2)
                header_block(rows, begin, count, entry, 2, values, present);
            else
                header_block(rows, begin, count, entry, 4, values, present);
            return;
        case FD_SOURCE_PACKET:
        case FD_SOURCE_PAYLOAD:
            element_block(rows, begin, count, entry, index, values, present);
            return;
        default:
            break;
        }
    }
    for (uint32_t k = 0; k < count; k++) {
        struct fd_value value;
        int has = load_value(rows, begin + k, field, index, &value);
        values[k] = has ? value.word[0] : 0;
        present[k] = (uint8_t)-has;
    }
}

unsigned fd_column_width(unsigned field) {
    return fd_field_table[field].width;
}

/* Fields wider than 32 bits, and signed ones, one row at a time. */
static void load_wide(const struct fd_rows *rows, unsigned field, uint8_t *out, uint64_t stride) {
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

static int is_wide(unsigned field) {
    return fd_field_table[field].width > 4 || field == FD_FIELD_PRIORITY;
}

void fd_column_load(const struct fd_rows *rows, unsigned field, int32_t index, uint8_t *out,
                    uint64_t stride) {
    uint32_t values[FD_BLOCK];
    uint8_t present[FD_BLOCK];
    if (is_wide(field)) {
        load_wide(rows, field, out, stride);
        return;
    }
    const unsigned width = fd_field_table[field].width;
    for (uint32_t begin = 0; begin < rows->count; begin += FD_BLOCK) {
        uint32_t count = rows->count - begin < FD_BLOCK ? rows->count - begin : FD_BLOCK;
        fd_column_block(rows, begin, count, field, index, values, present);
        uint8_t *to = out + begin * stride;
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

void fd_column_present(const struct fd_rows *rows, unsigned field, int32_t index, uint8_t *out) {
    uint32_t values[FD_BLOCK];
    uint8_t present[FD_BLOCK];
    for (uint32_t begin = 0; begin < rows->count; begin += FD_BLOCK) {
        uint32_t count = rows->count - begin < FD_BLOCK ? rows->count - begin : FD_BLOCK;
        if (is_wide(field)) {
            struct fd_value value;
            for (uint32_t k = 0; k < count; k++)
                out[begin + k] = (uint8_t)load_value(rows, begin + k, field, index, &value);
            continue;
        }
        fd_column_block(rows, begin, count, field, index, values, present);
        for (uint32_t k = 0; k < count; k++)
            out[begin + k] = present[k] & 1;
    }
}
