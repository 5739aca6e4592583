/* SPDX-License-Identifier: MIT */
/* One captured frame becomes one row. */
#ifndef FD_ENGINE_CAPTURE_ROW_H
#define FD_ENGINE_CAPTURE_ROW_H

#include <string.h>

#include "capture_link.h"
#include "capture_reader.h"

struct fd_capture_frame {
    uint8_t *bytes;
    uint32_t captured; /* at most FD_GUARD_SIZE, and all in the file */
    uint32_t length;   /* on the wire */
    uint32_t interface;
    uint32_t link_type;
    uint32_t flags;
    int64_t timestamp;
};

/* A record's place is known only from the one before it, so each would wait
 * for memory. Records in a row are often alike: the one four ahead is likely
 * to lie where four of this size end, and its headers take two cache lines.
 * (1500-byte packets: 17 ns instead of 72.) A wrong guess costs nothing, and a
 * prefetch behind the end of the file reads nothing. */
static inline void fd_capture_prefetch(const uint8_t *next, uint64_t size)
{
#if defined(__GNUC__) || defined(__clang__)
    uintptr_t guess = (uintptr_t)next + (uintptr_t)size * 4;

    __builtin_prefetch(next);
    __builtin_prefetch((const void *)guess);
    __builtin_prefetch((const void *)(guess + FD_CACHE_LINE));
#else
    (void)next;
    (void)size;
#endif
}

/* 1: a record at position may lie too far from the first of the batch.
 * descriptor.offset has 32 bits, and arithmetic on it may be signed. */
static inline int fd_capture_spans(const struct fd_capture_rows *rows, uint64_t position)
{
    return position - rows->origin > (1ull << 31) - 2 * FD_GUARD_SIZE;
}

/* Links whose frames can be longer than the packet in them: Ethernet pads to
 * 60 bytes, and captures may keep the frame check sequence. No IP host sees
 * those bytes, so they are not part of the packet. */
static inline int fd_link_pads(uint8_t link)
{
    return link == FD_LINK_ETHERNET || link == FD_LINK_SLL || link == FD_LINK_SLL2;
}

/* RFC 2675: a jumbogram's IPv6 length is 0 and a hop-by-hop option has the
 * true one. Linux writes big super-packets so; they must not be cut to 40. */
static inline int fd_is_jumbogram(const uint8_t *packet)
{
    return packet[0] >> 4 == 6 && fd_be16(packet + 4) == 0 && packet[6] == 0;
}

/* 0: the packet is longer than a record may be, and there is no row. */
static inline int fd_capture_row(struct fd_capture_reader *reader, struct fd_capture_rows *rows,
                                 const struct fd_capture_frame *frame)
{
    struct fd_descriptor *descriptor = &rows->descriptors[rows->count];
    struct fd_record *record = &rows->records[rows->count];
    struct fd_parsed *parsed = &rows->parsed[rows->count];
    struct fd_capture_l2 l2;
    uint8_t *packet, opaque;
    uint32_t captured, length;

    fd_capture_locate(frame->link_type, frame->bytes, frame->captured, &l2);
    packet = frame->bytes + l2.length;
    captured = frame->captured - l2.length;
    if (captured > FD_CAPTURED_MAX)
        return 0;
    /* Some writers leave the original length at less than what they captured. */
    length = (frame->length > frame->captured ? frame->length : frame->captured) - l2.length;

    memset(descriptor, 0, sizeof(*descriptor));
    opaque = l2.version != FD_VERSION_ANY &&
             (l2.version == FD_VERSION_NONE || captured == 0 || packet[0] >> 4 != l2.version);
    if (!opaque) {
        if (fd_parse(packet, captured, parsed) && fd_link_pads(l2.link) &&
            parsed->length < length && !fd_is_jumbogram(packet)) {
            length = parsed->length;
            if (captured > length) {
                captured = length;
                parsed->state &= (uint8_t)~FD_PARSED_EXTENDED;
            }
        }
    } else {
        memset(parsed, 0, sizeof(*parsed));
    }
    fd_describe(parsed, captured, descriptor);
    descriptor->timestamp = frame->timestamp;
    descriptor->offset = (uint32_t)((uint64_t)(packet - reader->base) - rows->origin);
    descriptor->length = length;
    descriptor->captured = captured;
    /* Truncated is what the capture cut off, not what the IP length claims. */
    descriptor->flags = (descriptor->flags & ~(uint32_t)FD_FLAG_TRUNCATED) | frame->flags |
                        l2.flags | (captured < length ? (uint32_t)FD_FLAG_TRUNCATED : 0);
    descriptor->ifindex = frame->interface;
    descriptor->sequence = (uint32_t)reader->packets;
    descriptor->layer = FD_LAYER_NETWORK;
    descriptor->event = FD_EVENT_NETWORK_PACKET;
    descriptor->l2_length = (uint8_t)l2.length;
    descriptor->link = l2.link;
    record->packet = packet;
    record->captured = captured;
    record->l2_length = (uint8_t)l2.length;
    record->layer = FD_LAYER_NETWORK;
    record->opaque = opaque;
    record->padding = 0;
    rows->count++;
    reader->packets++;
    return 1;
}

#endif
