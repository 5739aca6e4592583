/* SPDX-License-Identifier: MIT */
#include "datagram.h"

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/protocol.h"
#include "core/record.h"

enum { IPV4_FRAGMENT = 6 };
enum { ECN_NONE = 1 << 0, ECN_CE = 1 << 3 };

uint64_t fd_held_size(const struct fd_record *record)
{
    return sizeof(struct fd_held) + record->l2_length + (uint64_t)record->captured;
}

/* ---- which units of 8 bytes are here ------------------------------------- */

static uint32_t unit_count(const struct fd_fragment *fragment)
{
    return (fragment->data_length + 7) / 8;
}

static int has_unit(const struct fd_datagram *datagram, uint32_t unit)
{
    return datagram->present[unit / 64] >> unit % 64 & 1;
}

static int overlaps(const struct fd_datagram *datagram, const struct fd_fragment *fragment)
{
    uint32_t first = fragment->offset / 8;

    for (uint32_t i = 0; i < unit_count(fragment); i++)
        if (has_unit(datagram, first + i))
            return 1;
    return 0;
}

static int is_copy(const struct fd_datagram *datagram, const struct fd_fragment *fragment,
                   const struct fd_record *record)
{
    for (const struct fd_held *held = datagram->first; held != NULL; held = held->next)
        if (held->fragment.offset == fragment->offset)
            return held->fragment.data_length == fragment->data_length &&
                   held->fragment.more == fragment->more &&
                   memcmp(held->record.packet + held->fragment.data_at,
                          record->packet + fragment->data_at, fragment->data_length) == 0;
    return 0;
}

enum fd_datagram_fit fd_datagram_fits(const struct fd_datagram *datagram,
                                      const struct fd_fragment *fragment,
                                      const struct fd_record *record)
{
    uint32_t end = fragment->offset + fragment->data_length;

    if (overlaps(datagram, fragment))
        return is_copy(datagram, fragment, record) ? FD_DATAGRAM_COPY : FD_DATAGRAM_REFUSES;
    if (datagram->count == FD_REASSEMBLY_FRAGMENTS_MAX)
        return FD_DATAGRAM_REFUSES;
    if (datagram->has_last && (!fragment->more || end > datagram->total))
        return FD_DATAGRAM_REFUSES; /* a second end, or data behind it */
    if (!fragment->more && end < datagram->reached)
        return FD_DATAGRAM_REFUSES;
    return FD_DATAGRAM_FITS;
}

int fd_datagram_add(struct fd_datagram *datagram, const struct fd_fragment *fragment,
                    const struct fd_descriptor *descriptor, const struct fd_record *record)
{
    struct fd_held *held = malloc(fd_held_size(record));
    uint32_t end = fragment->offset + fragment->data_length;

    if (held == NULL)
        return -1;
    held->next = NULL;
    held->descriptor = *descriptor;
    held->fragment = *fragment;
    held->record = *record;
    held->record.packet = held->bytes + record->l2_length;
    memcpy(held->bytes, record->packet - record->l2_length,
           (size_t)record->l2_length + record->captured);
    if (datagram->last == NULL)
        datagram->first = held;
    else
        datagram->last->next = held;
    datagram->last = held;
    if (fragment->offset == 0)
        datagram->head = held;
    for (uint32_t i = 0; i < unit_count(fragment); i++) {
        uint32_t unit = fragment->offset / 8 + i;
        datagram->present[unit / 64] |= 1ull << unit % 64;
    }
    datagram->count++;
    datagram->units += unit_count(fragment);
    datagram->ecn |= (uint8_t)(1u << fragment->ecn);
    if (end > datagram->reached)
        datagram->reached = end;
    if (!fragment->more) {
        datagram->has_last = 1;
        datagram->total = end;
    }
    return 0;
}

int fd_datagram_is_whole(const struct fd_datagram *datagram)
{
    return datagram->has_last && datagram->head != NULL &&
           datagram->units == (datagram->total + 7) / 8;
}

int fd_datagram_has_mixed_ecn(const struct fd_datagram *datagram)
{
    return (datagram->ecn & ECN_CE) != 0 && (datagram->ecn & ECN_NONE) != 0;
}

uint64_t fd_datagram_empty(struct fd_datagram *datagram)
{
    uint64_t size = 0;
    struct fd_held *held = datagram->first;

    while (held != NULL) {
        struct fd_held *next = held->next;
        size += fd_held_size(&held->record);
        free(held);
        held = next;
    }
    datagram->first = datagram->last = NULL;
    datagram->head = NULL;
    datagram->count = 0;
    return size;
}

/* ---- for whoever has it whole --------------------------------------------- */

uint32_t fd_datagram_length(const struct fd_datagram *datagram)
{
    return datagram->head->fragment.header_length + datagram->total;
}

uint32_t fd_datagram_l2_length(const struct fd_datagram *datagram)
{
    return datagram->head->record.l2_length;
}

/* The headers of the first fragment become those of the whole. */
static void write_headers(const struct fd_datagram *datagram, uint8_t *packet)
{
    const struct fd_fragment *head = &datagram->head->fragment;
    uint32_t length = fd_datagram_length(datagram);
    int met_congestion = (datagram->ecn & ECN_CE) != 0;

    memcpy(packet, datagram->head->record.packet, head->header_length);
    if (head->key.version == 6) {
        packet[head->next_at] = head->next_header;
        fd_put_be16(packet + 4, length - FD_IPV6_LENGTH);
        if (met_congestion)
            packet[1] |= 3 << 4;
        return;
    }
    fd_put_be16(packet + 2, length);
    packet[IPV4_FRAGMENT] &= 0x40; /* "don't fragment" stays */
    packet[IPV4_FRAGMENT + 1] = 0;
    if (met_congestion)
        packet[1] |= 3;
    fd_put_be16(packet + FD_IPV4_CHECKSUM, 0);
    uint16_t checksum = (uint16_t)~fd_fold(fd_sum(packet, head->header_length));
    fd_copy(packet + FD_IPV4_CHECKSUM, &checksum, sizeof(checksum));
}

/* REINJECTED promises that no loop is possible: it holds if every part says so. */
static uint32_t worse_impostor(uint32_t so_far, uint32_t flags)
{
    const uint32_t harmless = FD_FLAG_IMPOSTOR | FD_FLAG_REINJECTED;

    if ((flags & FD_FLAG_IMPOSTOR) == 0)
        return so_far;
    if (so_far == FD_FLAG_IMPOSTOR)
        return so_far;
    return flags & harmless;
}

void fd_datagram_join(const struct fd_datagram *datagram, uint8_t *packet,
                      struct fd_descriptor *descriptor)
{
    const uint32_t cleared = FD_FLAG_IMPOSTOR | FD_FLAG_REINJECTED | FD_FLAG_FRAGMENT |
                             FD_FLAG_TRUNCATED | FD_FLAG_TCP_CHECKSUM_VALID |
                             FD_FLAG_UDP_CHECKSUM_VALID | FD_FLAG_IP_CHECKSUM_PARTIAL |
                             FD_FLAG_TCP_CHECKSUM_PARTIAL | FD_FLAG_UDP_CHECKSUM_PARTIAL |
                             FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP | FD_FLAG_GSO_ECN;
    const struct fd_held *head = datagram->head;
    uint32_t l2_length = head->record.l2_length;
    uint32_t impostor = 0; /* one part makes an impostor of the whole */

    if (l2_length != 0)
        memcpy(packet - l2_length, head->record.packet - l2_length, l2_length);
    write_headers(datagram, packet);
    *descriptor = head->descriptor;
    for (const struct fd_held *held = datagram->first; held != NULL; held = held->next) {
        memcpy(packet + head->fragment.header_length + held->fragment.offset,
               held->record.packet + held->fragment.data_at, held->fragment.data_length);
        impostor = worse_impostor(impostor, held->descriptor.flags);
    }
    descriptor->flags = (descriptor->flags & ~cleared) | impostor;
    if (head->fragment.key.version == 4)
        descriptor->flags |= FD_FLAG_IP_CHECKSUM_VALID;
    /* It exists since its last fragment came. */
    descriptor->timestamp = datagram->last->descriptor.timestamp;
    descriptor->sequence = datagram->last->descriptor.sequence;
    descriptor->length = descriptor->captured = fd_datagram_length(datagram);
    descriptor->l2_length = (uint8_t)l2_length;
    descriptor->gso_size = descriptor->csum_start = descriptor->csum_offset = 0;
    descriptor->verdict = FD_VERDICT_PASS;
}

uint32_t fd_datagram_count(const struct fd_datagram *datagram)
{
    return datagram->count;
}

uint64_t fd_datagram_bytes(const struct fd_datagram *datagram)
{
    uint64_t total = 0;

    for (const struct fd_held *held = datagram->first; held != NULL; held = held->next)
        total += fd_record_size(held->record.l2_length, held->record.captured);
    return total;
}

void fd_datagram_copy(const struct fd_datagram *datagram, struct fd_descriptor *descriptors,
                      struct fd_record *records, uint8_t *bytes)
{
    for (const struct fd_held *held = datagram->first; held != NULL; held = held->next) {
        uint32_t l2_length = held->record.l2_length;
        uint8_t *packet = bytes + fd_record_packet_at(l2_length);
        memcpy(packet - l2_length, held->bytes, (size_t)l2_length + held->record.captured);
        *descriptors = held->descriptor;
        *records = held->record;
        records->packet = packet;
        bytes += fd_record_size(l2_length, held->record.captured);
        descriptors++;
        records++;
    }
}

void fd_datagram_free(struct fd_datagram *datagram)
{
    if (datagram == NULL)
        return;
    (void)fd_datagram_empty(datagram);
    free(datagram);
}
