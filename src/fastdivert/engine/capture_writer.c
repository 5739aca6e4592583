/* SPDX-License-Identifier: MIT */
#include "capture_writer.h"

#include <string.h>

#include "capture_link.h"

#define NANOSECONDS 1000000000

/* The most that a packet can have, so no reader cuts one at the snap length. */
#define SNAPLEN FD_GUARD_SIZE

#define SECTION_SIZE 28u
#define INTERFACE_SIZE 32u /* with if_tsresol */
#define ENHANCED_SIZE 32u
#define FLAGS_SIZE 12u /* epb_flags and the end of options */

/* A row as a frame of the file. */
struct frame {
    const uint8_t *bytes;
    uint64_t timestamp;
    uint32_t captured;
    uint32_t length; /* on the wire */
    uint32_t ifindex;
    uint8_t link;
    uint8_t outbound;
};

static const uint16_t link_types[FD_LINK_COUNT] = {
    [FD_LINK_NONE] = FD_LINKTYPE_RAW,      [FD_LINK_ETHERNET] = FD_LINKTYPE_ETHERNET,
    [FD_LINK_NULL] = FD_LINKTYPE_NULL,     [FD_LINK_LOOP] = FD_LINKTYPE_LOOP,
    [FD_LINK_SLL] = FD_LINKTYPE_LINUX_SLL, [FD_LINK_SLL2] = FD_LINKTYPE_LINUX_SLL2,
};

static const uint8_t least_l2[FD_LINK_COUNT] = {
    [FD_LINK_ETHERNET] = FD_ETHERNET_HEADER, [FD_LINK_NULL] = FD_NULL_HEADER,
    [FD_LINK_LOOP] = FD_NULL_HEADER,         [FD_LINK_SLL] = FD_SLL_HEADER,
    [FD_LINK_SLL2] = FD_SLL2_HEADER,
};

void fd_capture_writer_init(struct fd_capture_writer *writer, enum fd_capture_format format,
                            uint8_t link, int nanosecond)
{
    memset(writer, 0, sizeof(*writer));
    writer->format = format;
    writer->link = link;
    writer->nanosecond = nanosecond != 0;
}

static enum fd_capture_fault check_time(const struct fd_capture_writer *writer, int64_t timestamp)
{
    if (timestamp < 0)
        return FD_CAPTURE_BAD_TIME;
    if (writer->format == FD_CAPTURE_PCAP && timestamp / NANOSECONDS > (int64_t)UINT32_MAX)
        return FD_CAPTURE_BAD_TIME;
    return FD_CAPTURE_OK;
}

/* The row in the file's link type, or why it has none. */
static inline enum fd_capture_fault frame_of(const struct fd_capture_writer *writer,
                                             const struct fd_descriptor *descriptor,
                                             const struct fd_record *record, struct frame *frame)
{
    uint32_t l2_length = record->l2_length;
    uint32_t length = descriptor->length;
    int malformed = (descriptor->flags & FD_FLAG_MALFORMED) != 0;

    if (record->layer > FD_LAYER_NETWORK_FORWARD)
        return FD_CAPTURE_BAD_LAYER;
    if (descriptor->link >= FD_LINK_OTHER)
        return FD_CAPTURE_UNKNOWN_LINK;
    frame->link = descriptor->link;
    if (writer->link == FD_LINK_NONE) {
        if (descriptor->link != FD_LINK_NONE && malformed)
            return FD_CAPTURE_NOT_IP;
        frame->link = FD_LINK_NONE;
        l2_length = 0;
    } else if (writer->link != FD_CAPTURE_LINK_KEEP && writer->link != descriptor->link) {
        return FD_CAPTURE_OTHER_LINK;
    } else if (l2_length < least_l2[descriptor->link] && !malformed) {
        return FD_CAPTURE_NO_L2;
    }
    if (length < record->captured)
        length = record->captured;
    frame->bytes = record->packet - l2_length;
    frame->captured = record->captured + l2_length;
    frame->length = length > UINT32_MAX - l2_length ? UINT32_MAX : length + l2_length;
    frame->timestamp = (uint64_t)descriptor->timestamp;
    frame->ifindex = descriptor->ifindex;
    frame->outbound = (descriptor->flags & FD_FLAG_OUTBOUND) != 0;
    return check_time(writer, descriptor->timestamp);
}

/* The pcapng interface of a frame: one for each link and ifindex. Traffic
 * comes in runs, so the last one found is tried first. FD_CAPTURE_INTERFACES
 * if the table is full. */
static uint32_t interface_of(struct fd_capture_writer *writer, const struct frame *frame,
                             uint32_t last)
{
    uint32_t i = last;

    if (i < writer->interfaces_used && writer->outputs[i].link == frame->link &&
        writer->outputs[i].ifindex == frame->ifindex)
        return i;
    for (i = 0; i < writer->interfaces_used; i++)
        if (writer->outputs[i].link == frame->link && writer->outputs[i].ifindex == frame->ifindex)
            return i;
    if (i < FD_CAPTURE_INTERFACES) {
        writer->outputs[i].link = frame->link;
        writer->outputs[i].ifindex = frame->ifindex;
        writer->interfaces_used++;
    }
    return i;
}

static uint32_t padded(uint32_t length)
{
    return (length + 3) & ~3u;
}

static uint32_t frame_size(const struct fd_capture_writer *writer, const struct frame *frame)
{
    if (writer->format == FD_CAPTURE_PCAP)
        return FD_PCAP_RECORD_SIZE + frame->captured;
    return ENHANCED_SIZE + padded(frame->captured) + (frame->outbound ? FLAGS_SIZE : 0);
}

static uint64_t header_size(const struct fd_capture_writer *writer)
{
    uint64_t size = 0;

    if (!writer->started)
        size = writer->format == FD_CAPTURE_PCAP ? FD_PCAP_HEADER_SIZE : SECTION_SIZE;
    return size + (uint64_t)(writer->interfaces_used - writer->interfaces_written) * INTERFACE_SIZE;
}

static uint64_t refuse(struct fd_capture_writer *writer, enum fd_capture_fault fault,
                       uint32_t index)
{
    writer->fault = fault;
    writer->fault_index = index;
    return 0;
}

uint64_t fd_capture_write_size(struct fd_capture_writer *writer,
                               const struct fd_descriptor *descriptors,
                               const struct fd_record *records, uint32_t count)
{
    uint64_t size = 0;
    uint32_t interface = 0;

    writer->fault = FD_CAPTURE_OK;
    writer->interfaces_used = writer->interfaces_written; /* forget what was only measured */
    for (uint32_t i = 0; i < count; i++) {
        struct frame frame;
        enum fd_capture_fault fault = frame_of(writer, &descriptors[i], &records[i], &frame);

        if (fault != FD_CAPTURE_OK)
            return refuse(writer, fault, i);
        if (writer->format == FD_CAPTURE_PCAPNG) {
            interface = interface_of(writer, &frame, interface);
            if (interface == FD_CAPTURE_INTERFACES)
                return refuse(writer, FD_CAPTURE_MANY_INTERFACES, i);
        }
        size += frame_size(writer, &frame);
    }
    return size + header_size(writer);
}

static uint8_t *put_pcap_header(const struct fd_capture_writer *writer, uint8_t *out)
{
    out = fd_store32_le(out, writer->nanosecond ? FD_PCAP_MAGIC_NANOSECONDS
                                                : FD_PCAP_MAGIC_MICROSECONDS);
    out = fd_store16_le(out, 2);
    out = fd_store16_le(out, 4);
    out = fd_store32_le(out, 0);
    out = fd_store32_le(out, 0);
    out = fd_store32_le(out, SNAPLEN);
    return fd_store32_le(out, link_types[writer->link]);
}

static uint8_t *put_section(uint8_t *out)
{
    out = fd_store32_le(out, FD_PCAPNG_SECTION);
    out = fd_store32_le(out, SECTION_SIZE);
    out = fd_store32_le(out, FD_PCAPNG_BYTE_ORDER_MAGIC);
    out = fd_store16_le(out, 1);
    out = fd_store16_le(out, 0);
    out = fd_store32_le(out, UINT32_MAX); /* section length: not given */
    out = fd_store32_le(out, UINT32_MAX);
    return fd_store32_le(out, SECTION_SIZE);
}

static uint8_t *put_interface(uint8_t *out, uint8_t link)
{
    out = fd_store32_le(out, FD_PCAPNG_INTERFACE);
    out = fd_store32_le(out, INTERFACE_SIZE);
    out = fd_store16_le(out, link_types[link]);
    out = fd_store16_le(out, 0);
    out = fd_store32_le(out, SNAPLEN);
    out = fd_store16_le(out, FD_PCAPNG_IF_TSRESOL);
    out = fd_store16_le(out, 1);
    out = fd_store32_le(out, 9);
    out = fd_store32_le(out, FD_PCAPNG_END_OF_OPTIONS);
    return fd_store32_le(out, INTERFACE_SIZE);
}

static uint8_t *put_record(const struct fd_capture_writer *writer, const struct frame *frame,
                           uint8_t *out)
{
    uint32_t fraction = (uint32_t)(frame->timestamp % NANOSECONDS);

    out = fd_store32_le(out, (uint32_t)(frame->timestamp / NANOSECONDS));
    out = fd_store32_le(out, writer->nanosecond ? fraction : fraction / 1000);
    out = fd_store32_le(out, frame->captured);
    out = fd_store32_le(out, frame->length);
    memcpy(out, frame->bytes, frame->captured);
    return out + frame->captured;
}

static uint8_t *put_enhanced(const struct frame *frame, uint32_t interface, uint32_t size,
                             uint8_t *out)
{
    uint32_t padding = padded(frame->captured) - frame->captured;

    out = fd_store32_le(out, FD_PCAPNG_ENHANCED_PACKET);
    out = fd_store32_le(out, size);
    out = fd_store32_le(out, interface);
    out = fd_store32_le(out, (uint32_t)(frame->timestamp >> 32));
    out = fd_store32_le(out, (uint32_t)frame->timestamp);
    out = fd_store32_le(out, frame->captured);
    out = fd_store32_le(out, frame->length);
    memcpy(out, frame->bytes, frame->captured);
    memset(out + frame->captured, 0, padding);
    out += frame->captured + padding;
    /* No flag for what is not outbound: a descriptor does not tell inbound
     * from unknown, and the option would. */
    if (frame->outbound) {
        out = fd_store16_le(out, FD_PCAPNG_PACKET_FLAGS);
        out = fd_store16_le(out, 4);
        out = fd_store32_le(out, FD_PCAPNG_FLAGS_OUTBOUND);
        out = fd_store32_le(out, FD_PCAPNG_END_OF_OPTIONS);
    }
    return fd_store32_le(out, size);
}

static uint8_t *put_headers(const struct fd_capture_writer *writer, uint8_t *out)
{
    if (!writer->started)
        out = writer->format == FD_CAPTURE_PCAP ? put_pcap_header(writer, out) : put_section(out);
    for (uint32_t i = writer->interfaces_written; i < writer->interfaces_used; i++)
        out = put_interface(out, writer->outputs[i].link);
    return out;
}

/* The rows may lie in memory that others write, and what was measured may not
 * be what is there now, so every row is checked again. */
uint64_t fd_capture_write(struct fd_capture_writer *writer, const struct fd_descriptor *descriptors,
                          const struct fd_record *records, uint32_t count, uint8_t *out,
                          uint64_t room)
{
    uint8_t *at = out;
    uint32_t interface = 0, interfaces = writer->interfaces_used;

    writer->fault = FD_CAPTURE_OK;
    if (room < header_size(writer))
        return refuse(writer, FD_CAPTURE_NO_ROOM, 0);
    at = put_headers(writer, at);
    for (uint32_t i = 0; i < count; i++) {
        struct frame frame;
        enum fd_capture_fault fault = frame_of(writer, &descriptors[i], &records[i], &frame);
        uint32_t size;

        if (fault != FD_CAPTURE_OK)
            return refuse(writer, fault, i);
        size = frame_size(writer, &frame);
        if (size > room - (uint64_t)(at - out))
            return refuse(writer, FD_CAPTURE_NO_ROOM, i);
        if (writer->format == FD_CAPTURE_PCAP) {
            at = put_record(writer, &frame, at);
            continue;
        }
        interface = interface_of(writer, &frame, interface);
        if (interface >= interfaces) { /* not among those just written */
            writer->interfaces_used = interfaces;
            return refuse(writer, FD_CAPTURE_NO_ROOM, i);
        }
        at = put_enhanced(&frame, interface, size, at);
    }
    writer->started = 1;
    writer->interfaces_written = interfaces;
    writer->packets += count;
    return (uint64_t)(at - out);
}
