/* SPDX-License-Identifier: MIT */
/* Recognizing a capture file, and the loop over a pcap file's records. */
#include "capture_reader.h"

#include <stddef.h>

#include "capture_row.h"

static enum fd_capture_fault open_pcap(struct fd_capture_reader *reader)
{
    struct fd_capture_interface *interface = &reader->interfaces[0];
    const uint8_t *header = reader->base;
    int big_endian = reader->big_endian;

    if (reader->size < FD_PCAP_HEADER_SIZE)
        return FD_CAPTURE_CUT_HEADER;
    if (fd_load16(header + 4, big_endian) != 2)
        return FD_CAPTURE_BAD_VERSION;
    reader->interface_count = 1;
    memset(interface, 0, sizeof(*interface));
    fd_capture_clock_set(&interface->clock, reader->nanosecond ? 9 : 6, 0);
    interface->snaplen = fd_load32(header + 16, big_endian);
    /* The bits above may give the length of the frame check sequence. */
    interface->link_type = fd_load32(header + 20, big_endian) & 0x03ffffffu;
    reader->position = FD_PCAP_HEADER_SIZE;
    return FD_CAPTURE_OK;
}

static enum fd_capture_fault recognize(struct fd_capture_reader *reader)
{
    uint32_t little, big;

    if (reader->size == 0)
        return FD_CAPTURE_EMPTY;
    if (reader->size < 4)
        return FD_CAPTURE_CUT_HEADER;
    little = fd_le32(reader->base);
    big = fd_be32(reader->base);
    if (little == FD_PCAPNG_SECTION) {
        reader->format = FD_CAPTURE_PCAPNG;
        return FD_CAPTURE_OK;
    }
    reader->big_endian = big == FD_PCAP_MAGIC_MICROSECONDS || big == FD_PCAP_MAGIC_NANOSECONDS;
    reader->nanosecond = little == FD_PCAP_MAGIC_NANOSECONDS || big == FD_PCAP_MAGIC_NANOSECONDS;
    if (!reader->big_endian && !reader->nanosecond && little != FD_PCAP_MAGIC_MICROSECONDS)
        return FD_CAPTURE_BAD_MAGIC;
    reader->format = FD_CAPTURE_PCAP;
    return open_pcap(reader);
}

void fd_capture_open(struct fd_capture_reader *reader, uint8_t *base, uint64_t size)
{
    uint64_t origin;

    memset(reader, 0, offsetof(struct fd_capture_reader, interfaces));
    reader->base = base;
    reader->size = size;
    reader->fault = recognize(reader);
    if (reader->fault == FD_CAPTURE_OK && reader->format == FD_CAPTURE_PCAPNG)
        (void)fd_capture_read(reader, 0, NULL, NULL, NULL, &origin);
}

static inline void read_pcap(struct fd_capture_reader *reader, struct fd_capture_rows *rows,
                             const int big_endian)
{
    const struct fd_capture_interface *interface = &reader->interfaces[0];
    const uint32_t fraction_unit = reader->nanosecond ? 1 : 1000;
    uint64_t position = reader->position;
    struct fd_capture_frame frame = {.link_type = interface->link_type};

    rows->origin = position;
    while (rows->count < rows->most) {
        const uint8_t *header = reader->base + position;
        uint64_t left = reader->size - position;
        uint64_t end;

        if (fd_capture_spans(rows, position))
            break;
        if (left < FD_PCAP_RECORD_SIZE) {
            if (left > 0)
                fd_capture_fail(reader, FD_CAPTURE_CUT_HEADER, position);
            break;
        }
        frame.captured = fd_load32(header + 8, big_endian);
        frame.length = fd_load32(header + 12, big_endian);
        if (frame.captured > FD_GUARD_SIZE) {
            fd_capture_fail(reader, FD_CAPTURE_LONG_RECORD, position);
            break;
        }
        if (frame.captured > left - FD_PCAP_RECORD_SIZE) {
            fd_capture_fail(reader, FD_CAPTURE_CUT_RECORD, position);
            break;
        }
        end = position + FD_PCAP_RECORD_SIZE + frame.captured;
        fd_capture_prefetch(reader->base + end, end - position);
        frame.bytes = reader->base + position + FD_PCAP_RECORD_SIZE;
        /* At most (2^32 - 1) * (10^9 + 1000): no overflow. */
        frame.timestamp = (int64_t)fd_load32(header, big_endian) * 1000000000 +
                          (int64_t)fd_load32(header + 4, big_endian) * fraction_unit;
        if (!fd_capture_row(reader, rows, &frame)) {
            fd_capture_fail(reader, FD_CAPTURE_LONG_RECORD, position);
            break;
        }
        position = end;
    }
    reader->position = position;
}

uint32_t fd_capture_read(struct fd_capture_reader *reader, uint32_t most,
                         struct fd_descriptor *descriptors, struct fd_record *records,
                         struct fd_parsed *parsed, uint64_t *origin)
{
    struct fd_capture_rows rows = {
        .descriptors = descriptors, .records = records, .parsed = parsed, .most = most};

    *origin = reader->position;
    if (reader->fault != FD_CAPTURE_OK)
        return 0;
    if (reader->format == FD_CAPTURE_PCAPNG)
        fd_pcapng_read(reader, &rows);
    else if (reader->big_endian)
        read_pcap(reader, &rows, 1);
    else
        read_pcap(reader, &rows, 0);
    *origin = rows.origin;
    return rows.count;
}

const char *fd_capture_fault_text(enum fd_capture_fault fault)
{
    switch (fault) {
    case FD_CAPTURE_OK:
        return "no fault";
    case FD_CAPTURE_EMPTY:
        return "the file is empty";
    case FD_CAPTURE_BAD_MAGIC:
        return "this is neither a pcap nor a pcapng file";
    case FD_CAPTURE_BAD_VERSION:
        return "this version of the capture format is not known";
    case FD_CAPTURE_CUT_HEADER:
        return "the file ends within a header";
    case FD_CAPTURE_CUT_RECORD:
        return "the file ends within a packet or block";
    case FD_CAPTURE_LONG_RECORD:
        return "the packet's captured length is more than 524288 bytes";
    case FD_CAPTURE_BAD_BLOCK_LENGTH:
        return "the block's length is impossible, or its two lengths differ";
    case FD_CAPTURE_BAD_PACKET_LENGTH:
        return "the packet is longer than its block";
    case FD_CAPTURE_BAD_OPTION:
        return "an option is longer than its block, or has the wrong length";
    case FD_CAPTURE_BAD_INTERFACE:
        return "the packet is of an interface that the section does not describe";
    case FD_CAPTURE_MANY_INTERFACES:
        return "there are more than 1024 interfaces in one section";
    case FD_CAPTURE_OTHER_LINK:
        return "the file holds another link type; write pcapng, or IP packets only with link "
               "\"raw\"";
    case FD_CAPTURE_UNKNOWN_LINK:
        return "the frame's link type is not understood, so it cannot be written";
    case FD_CAPTURE_NOT_IP:
        return "without its link-layer header only an IP packet can be written; leave this frame "
               "out";
    case FD_CAPTURE_NO_L2:
        return "the packet does not have the link-layer header that it claims";
    case FD_CAPTURE_BAD_TIME:
        return "the format cannot hold this timestamp";
    case FD_CAPTURE_BAD_LAYER:
        return "only packets can be written, not events";
    case FD_CAPTURE_NO_ROOM:
        return "the buffer is too small";
    case FD_CAPTURE_FAULT_COUNT:
        break;
    }
    return "unknown fault";
}
