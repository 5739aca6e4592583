/* SPDX-License-Identifier: MIT */
/*
 * Vectorized write-back. A header field that a checksum covers takes the
 * checksum along (RFC 1624), byte by byte: that is right for every width and
 * alignment, for fragments, and for packets whose end was not captured.
 */
#include "column.h"

#include <string.h>

#include "core/checksum.h"
#include "element.h"

#define IP_CHECKSUM_OFFSET 10u

struct checksum_place {
    uint8_t *field; /* NULL: this packet has none that could be adjusted */
    int partial;    /* the field holds the pseudo-header's folded sum */
    int udp;
};

static struct checksum_place transport_checksum(const struct fd_rows *rows, uint32_t row)
{
    const struct fd_parsed *parsed = &rows->parsed[row];
    uint32_t flags = rows->descriptors[row].flags;
    uint8_t *l4 = rows->records[row].packet + parsed->l4_offset;
    struct checksum_place place = {NULL, 0, 0};
    if (parsed->headers & FD_HAS(FD_HEADER_TCP)) {
        place.field = l4 + 16;
        place.partial = (flags & FD_FLAG_TCP_CHECKSUM_PARTIAL) != 0;
    } else if (parsed->headers & FD_HAS(FD_HEADER_UDP)) {
        place.field = l4 + 6;
        place.partial = (flags & FD_FLAG_UDP_CHECKSUM_PARTIAL) != 0;
        place.udp = 1;
        if (fd_host16(place.field) == 0) /* the sender computed none (RFC 768) */
            place.field = NULL;
    } else if (parsed->headers & (FD_HAS(FD_HEADER_ICMP) | FD_HAS(FD_HEADER_ICMPV6))) {
        place.field = l4 + 2;
    }
    return place;
}

/* RFC 1624, equation 3, for width bytes at once: a 32-bit word counts as its
 * two halves, and an odd byte is one half of the word that it lies in. */
static inline __attribute__((always_inline)) uint64_t difference(uint32_t offset,
                                                                 const uint8_t *old_bytes,
                                                                 const uint8_t *new_bytes,
                                                                 unsigned width)
{
    uint64_t sum = 0;
    uint32_t before, after;
    if (width == 2 && offset % 2 == 0)
        return (uint64_t)(uint16_t)~fd_host16(old_bytes) + fd_host16(new_bytes);
    if (width >= 4 && offset % 2 == 0) {
        for (unsigned b = 0; b < width; b += 4) {
            memcpy(&before, old_bytes + b, 4);
            memcpy(&after, new_bytes + b, 4);
            sum += (uint64_t)~before + after;
        }
        return sum;
    }
    for (unsigned b = 0; b < width; b++) {
        unsigned shift = (offset + b) % 2 * 8;
        sum += (uint64_t)(uint16_t)~(old_bytes[b] << shift) + (uint16_t)(new_bytes[b] << shift);
    }
    return sum;
}

static inline __attribute__((always_inline)) void adjust(const struct checksum_place *place,
                                                         uint32_t offset, const uint8_t *old_bytes,
                                                         const uint8_t *new_bytes, unsigned width)
{
    if (memcmp(old_bytes, new_bytes, width) == 0)
        return;
    uint64_t changed = difference(offset, old_bytes, new_bytes, width);
    uint16_t checksum = fd_host16(place->field);
    if (place->partial) /* a sum, not its complement */
        checksum = fd_fold(checksum + changed);
    else
        checksum = (uint16_t)~fd_fold((uint16_t)~checksum + changed);
    if (place->udp && checksum == 0 && !place->partial)
        checksum = 0xffff;
    memcpy(place->field, &checksum, 2);
}

/* The difference of two sums does not tell which zero of one's complement the
 * new one is. It matters where everything is zero, which only an ICMP message
 * can be (the others sum a protocol number): its checksum is 0xffff. */
static void choose_zero(const struct fd_parsed *parsed, const uint8_t *l4, uint8_t *checksum)
{
    const uint8_t ones[2] = {0xff, 0xff};
    uint32_t length = parsed->payload_offset - parsed->l4_offset + parsed->payload_length;
    if (parsed->headers & FD_HAS(FD_HEADER_ICMP) && fd_host16(checksum) == 0 &&
        fd_sum(l4, length) == 0)
        memcpy(checksum, ones, sizeof ones);
}

static int is_ip_address(unsigned field)
{
    return field == FD_FIELD_IP_SRCADDR || field == FD_FIELD_IP_DSTADDR ||
           field == FD_FIELD_IPV6_SRCADDR || field == FD_FIELD_IPV6_DSTADDR;
}

static int is_checksum(unsigned field)
{
    return field == FD_FIELD_IP_CHECKSUM || field == FD_FIELD_TCP_CHECKSUM ||
           field == FD_FIELD_UDP_CHECKSUM || field == FD_FIELD_ICMP_CHECKSUM ||
           field == FD_FIELD_ICMPV6_CHECKSUM;
}

/* Fields that say where things are or how long: the transport checksum cannot
 * follow them, and the packet must be parsed again. */
static int is_layout(unsigned field)
{
    switch (field) {
    case FD_FIELD_IP_HDRLENGTH:
    case FD_FIELD_IP_LENGTH:
    case FD_FIELD_IP_MF:
    case FD_FIELD_IP_FRAGOFF:
    case FD_FIELD_IP_PROTOCOL:
    case FD_FIELD_IPV6_LENGTH:
    case FD_FIELD_IPV6_NEXTHDR:
    case FD_FIELD_TCP_HDRLENGTH:
    case FD_FIELD_PACKET:
    case FD_FIELD_PACKET16:
    case FD_FIELD_PACKET32:
        return 1;
    default:
        return 0;
    }
}

/* Which of the descriptor's valid-checksum flags a user's own checksum ends. */
static uint32_t valid_flag(unsigned field)
{
    switch (field) {
    case FD_FIELD_IP_CHECKSUM:
        return FD_FLAG_IP_CHECKSUM_VALID;
    case FD_FIELD_TCP_CHECKSUM:
        return FD_FLAG_TCP_CHECKSUM_VALID;
    case FD_FIELD_UDP_CHECKSUM:
        return FD_FLAG_UDP_CHECKSUM_VALID;
    default:
        return 0;
    }
}

static inline __attribute__((always_inline)) void repair(const struct fd_rows *rows, uint32_t row,
                                                         unsigned field, uint32_t offset,
                                                         const uint8_t *old_bytes, unsigned width)
{
    const struct fd_field *entry = &fd_field_table[field];
    uint8_t *packet = rows->records[row].packet;
    const uint8_t *new_bytes = packet + offset;
    uint32_t *flags = &rows->descriptors[row].flags;
    if (is_checksum(field)) {
        *flags &= ~valid_flag(field);
        return;
    }
    if (entry->source == FD_SOURCE_PACKET) { /* raw bytes: the user knows, we do not */
        *flags &= ~(uint32_t)(FD_FLAG_IP_CHECKSUM_VALID | FD_FLAG_TCP_CHECKSUM_VALID |
                              FD_FLAG_UDP_CHECKSUM_VALID);
        return;
    }
    if (entry->header == FD_HEADER_IP) {
        const struct checksum_place ip = {packet + IP_CHECKSUM_OFFSET, 0, 0};
        adjust(&ip, offset, old_bytes, new_bytes, width);
    }
    int pseudo = is_ip_address(field);
    int transport = entry->header >= FD_HEADER_ICMP;
    if (pseudo || transport) {
        struct checksum_place place = transport_checksum(rows, row);
        int covered = !(pseudo && (rows->parsed[row].headers & FD_HAS(FD_HEADER_ICMP)));
        if (place.field != NULL && covered && !(transport && place.partial)) {
            adjust(&place, offset, old_bytes, new_bytes, width);
            choose_zero(&rows->parsed[row], packet + rows->parsed[row].l4_offset, place.field);
        }
    }
    if (is_layout(field))
        *flags &= ~(uint32_t)(FD_FLAG_TCP_CHECKSUM_VALID | FD_FLAG_UDP_CHECKSUM_VALID);
}

/* Puts value into the field's bits of the word at bytes. */
static inline __attribute__((always_inline)) void
put_bits(uint8_t *bytes, const struct fd_field *entry, uint32_t value, unsigned width)
{
    uint32_t mask = (entry->bits >= 32 ? 0xffffffffu : (1u << entry->bits) - 1) << entry->shift;
    uint32_t word = (fd_element_load(bytes, width) & ~mask) | (value << entry->shift & mask);
    if (width == 1) {
        bytes[0] = (uint8_t)word;
    } else if (width == 2) {
        uint16_t half = __builtin_bswap16((uint16_t)word);
        memcpy(bytes, &half, 2);
    } else {
        word = __builtin_bswap32(word);
        memcpy(bytes, &word, 4);
    }
}

/* Where the field lies in row, or -1. */
static int64_t locate(const struct fd_rows *rows, uint32_t row, const struct fd_field *entry,
                      int32_t index)
{
    const struct fd_parsed *parsed = &rows->parsed[row];
    int has = entry->header == FD_HEADER_NONE ? parsed->headers != 0
                                              : parsed->headers >> entry->header & 1;
    if (!has)
        return -1;
    if (entry->source == FD_SOURCE_HEADER)
        return (entry->header >= FD_HEADER_ICMP ? parsed->l4_offset : 0) + entry->offset;
    return fd_element_at(&rows->records[row], parsed, entry, index);
}

/* Compiled once for each width, so that loads and stores are of one size: a
 * narrow store that is read back wide stalls. */
static inline __attribute__((always_inline)) void
store_rows(const struct fd_rows *rows, unsigned field, int32_t index, const uint8_t *values,
           const uint8_t *selected, unsigned width)
{
    const struct fd_field *entry = &fd_field_table[field];
    for (uint32_t i = 0; i < rows->count; i++) {
        const uint8_t *value = values + (uint64_t)i * width;
        uint8_t old_bytes[16];
        if (selected != NULL && !selected[i])
            continue;
        int64_t at = locate(rows, i, entry, index);
        if (at < 0)
            continue;
        uint8_t *bytes = rows->records[i].packet + at;
        memcpy(old_bytes, bytes, width);
        if (width == 16) {
            memcpy(bytes, value, 16);
        } else {
            uint32_t word = 0;
            memcpy(&word, value, width);
            put_bits(bytes, entry, word, width);
        }
        repair(rows, i, field, (uint32_t)at, old_bytes, width);
    }
}

static void store_flag(struct fd_descriptor *descriptor, uint32_t flag, int on)
{
    descriptor->flags = on ? descriptor->flags | flag : descriptor->flags & ~flag;
}

static void store_meta(struct fd_descriptor *descriptor, unsigned field, const uint8_t *value)
{
    switch (field) {
    case FD_FIELD_INBOUND:
        store_flag(descriptor, FD_FLAG_OUTBOUND, !*value);
        return;
    case FD_FIELD_OUTBOUND:
        store_flag(descriptor, FD_FLAG_OUTBOUND, *value);
        return;
    case FD_FIELD_LOOPBACK:
        store_flag(descriptor, FD_FLAG_LOOPBACK, *value);
        return;
    case FD_FIELD_IMPOSTOR:
        store_flag(descriptor, FD_FLAG_IMPOSTOR, *value);
        return;
    case FD_FIELD_IFIDX:
        memcpy(&descriptor->ifindex, value, 4);
        return;
    case FD_FIELD_SUBIFIDX:
        memcpy(&descriptor->subifindex, value, 4);
        return;
    default:
        memcpy(&descriptor->timestamp, value, 8);
        return;
    }
}

int fd_column_writable(unsigned field, unsigned layer)
{
    if (!fd_is_network(layer) || !(fd_field_table[field].layers >> layer & 1))
        return 0;
    switch (field) {
    case FD_FIELD_INBOUND:
    case FD_FIELD_OUTBOUND:
    case FD_FIELD_LOOPBACK:
    case FD_FIELD_IMPOSTOR:
    case FD_FIELD_IFIDX:
    case FD_FIELD_SUBIFIDX:
    case FD_FIELD_TIMESTAMP:
        return 1;
    default:
        return fd_field_table[field].source != FD_SOURCE_META;
    }
}

int fd_column_store(const struct fd_rows *rows, unsigned field, int32_t index,
                    const uint8_t *values, const uint8_t *selected)
{
    const struct fd_field *entry = &fd_field_table[field];
    if (entry->source == FD_SOURCE_META) {
        for (uint32_t i = 0; i < rows->count; i++)
            if (selected == NULL || selected[i])
                store_meta(&rows->descriptors[i], field, values + (uint64_t)i * entry->width);
        return 0;
    }
    if (entry->width == 1)
        store_rows(rows, field, index, values, selected, 1);
    else if (entry->width == 2)
        store_rows(rows, field, index, values, selected, 2);
    else if (entry->width == 4)
        store_rows(rows, field, index, values, selected, 4);
    else
        store_rows(rows, field, index, values, selected, 16);
    /* Ports and TCP flags are in the parse results too. */
    return is_layout(field) || entry->header == FD_HEADER_TCP || entry->header == FD_HEADER_UDP;
}
