/* SPDX-License-Identifier: MIT */
/*
 * pcapng (draft-ietf-opsawg-pcapng): blocks of type, length, body, length.
 * A section header sets the byte order and forgets the interfaces before it.
 * Blocks of other types than those below are passed over.
 */
#include "capture_row.h"

struct block {
    uint8_t *body;
    uint32_t length; /* of the body */
    uint32_t type;
};

static uint32_t padded(uint32_t length)
{
    return (length + 3) & ~3u;
}

/* The block at position, whole and with matching lengths, or a fault. A
 * section header's length is in the order that its own body gives. */
static enum fd_capture_fault read_block(struct fd_capture_reader *reader, struct block *block)
{
    const uint8_t *at = reader->base + reader->position;
    uint64_t left = reader->size - reader->position;
    uint32_t length;

    if (left < FD_PCAPNG_BLOCK_OVERHEAD)
        return FD_CAPTURE_CUT_HEADER;
    if (fd_le32(at) == FD_PCAPNG_SECTION) {
        if (fd_be32(at + 8) == FD_PCAPNG_BYTE_ORDER_MAGIC)
            reader->big_endian = 1;
        else if (fd_le32(at + 8) == FD_PCAPNG_BYTE_ORDER_MAGIC)
            reader->big_endian = 0;
        else
            return FD_CAPTURE_BAD_MAGIC;
    }
    block->type = fd_load32(at, reader->big_endian);
    length = fd_load32(at + 4, reader->big_endian);
    if (length < FD_PCAPNG_BLOCK_OVERHEAD || length % 4 != 0)
        return FD_CAPTURE_BAD_BLOCK_LENGTH;
    if (length > left)
        return FD_CAPTURE_CUT_RECORD;
    if (fd_load32(at + length - 4, reader->big_endian) != length)
        return FD_CAPTURE_BAD_BLOCK_LENGTH;
    block->body = reader->base + reader->position + 8;
    block->length = length - FD_PCAPNG_BLOCK_OVERHEAD;
    fd_capture_prefetch(at + length, length);
    return FD_CAPTURE_OK;
}

struct option {
    const uint8_t *value;
    uint32_t code;
    uint32_t length;
};

/* Takes the next option from a list: 1, 0 at its end, -1 if it is longer than
 * the list. A list may end without its end mark. */
static int next_option(const uint8_t **at, uint32_t *left, int big_endian, struct option *option)
{
    if (*left < 4)
        return *left == 0 ? 0 : -1;
    option->code = fd_load16(*at, big_endian);
    option->length = fd_load16(*at + 2, big_endian);
    if (option->code == FD_PCAPNG_END_OF_OPTIONS)
        return option->length == 0 ? 0 : -1;
    if (padded(option->length) > *left - 4)
        return -1;
    option->value = *at + 4;
    *at += 4 + padded(option->length);
    *left -= 4 + padded(option->length);
    return 1;
}

static enum fd_capture_fault read_section(struct fd_capture_reader *reader,
                                          const struct block *block)
{
    if (block->length < 16)
        return FD_CAPTURE_BAD_BLOCK_LENGTH;
    if (fd_load16(block->body + 4, reader->big_endian) != 1)
        return FD_CAPTURE_BAD_VERSION;
    reader->interface_count = 0;
    return FD_CAPTURE_OK;
}

static enum fd_capture_fault read_interface(struct fd_capture_reader *reader,
                                            const struct block *block)
{
    struct fd_capture_interface *interface;
    int big_endian = reader->big_endian;
    uint8_t resolution = 6;
    int64_t offset = 0;
    const uint8_t *at;
    uint32_t left;
    struct option option;
    int more;

    if (block->length < 8)
        return FD_CAPTURE_BAD_BLOCK_LENGTH;
    if (reader->interface_count == FD_CAPTURE_INTERFACES)
        return FD_CAPTURE_MANY_INTERFACES;
    interface = &reader->interfaces[reader->interface_count];
    at = block->body + 8;
    left = block->length - 8;
    interface->link_type = fd_load16(block->body, big_endian);
    interface->snaplen = fd_load32(block->body + 4, big_endian);
    interface->name_offset = 0;
    interface->name_length = 0;
    while ((more = next_option(&at, &left, big_endian, &option)) > 0) {
        if (option.code == FD_PCAPNG_IF_NAME) {
            interface->name_offset = (uint64_t)(option.value - reader->base);
            interface->name_length = option.length;
        } else if (option.code == FD_PCAPNG_IF_TSRESOL) {
            if (option.length != 1)
                return FD_CAPTURE_BAD_OPTION;
            resolution = option.value[0];
        } else if (option.code == FD_PCAPNG_IF_TSOFFSET) {
            if (option.length != 8)
                return FD_CAPTURE_BAD_OPTION;
            offset = (int64_t)fd_load64(option.value, big_endian);
        }
    }
    if (more < 0)
        return FD_CAPTURE_BAD_OPTION;
    fd_capture_clock_set(&interface->clock, resolution, offset);
    reader->interface_count++;
    return FD_CAPTURE_OK;
}

/* epb_flags and pack_flags are the same option. */
static enum fd_capture_fault read_packet_options(const uint8_t *at, uint32_t left, int big_endian,
                                                 struct fd_capture_frame *frame)
{
    struct option option;
    int more;

    while ((more = next_option(&at, &left, big_endian, &option)) > 0) {
        if (option.code != FD_PCAPNG_PACKET_FLAGS)
            continue;
        if (option.length != 4)
            return FD_CAPTURE_BAD_OPTION;
        if ((fd_load32(option.value, big_endian) & FD_PCAPNG_FLAGS_DIRECTION) ==
            FD_PCAPNG_FLAGS_OUTBOUND)
            frame->flags |= FD_FLAG_OUTBOUND;
    }
    return more < 0 ? FD_CAPTURE_BAD_OPTION : FD_CAPTURE_OK;
}

static enum fd_capture_fault read_simple_packet(const struct fd_capture_reader *reader,
                                                const struct block *block,
                                                struct fd_capture_frame *frame)
{
    uint32_t snaplen;

    if (block->length < 4)
        return FD_CAPTURE_BAD_BLOCK_LENGTH;
    if (reader->interface_count == 0)
        return FD_CAPTURE_BAD_INTERFACE;
    snaplen = reader->interfaces[0].snaplen;
    frame->length = fd_load32(block->body, reader->big_endian);
    frame->captured = snaplen != 0 && snaplen < frame->length ? snaplen : frame->length;
    frame->bytes = block->body + 4;
    if (frame->captured > FD_GUARD_SIZE)
        return FD_CAPTURE_LONG_RECORD;
    if (frame->captured > block->length - 4)
        return FD_CAPTURE_BAD_PACKET_LENGTH;
    return FD_CAPTURE_OK;
}

/* The enhanced block and the obsolete one differ in their first four bytes:
 * a 32-bit interface, or 16 bits of interface and 16 of a drop count. */
static enum fd_capture_fault read_timed_packet(const struct fd_capture_reader *reader,
                                               const struct block *block,
                                               struct fd_capture_frame *frame)
{
    const uint8_t *body = block->body;
    int big_endian = reader->big_endian;
    uint32_t end;

    if (block->length < 20)
        return FD_CAPTURE_BAD_BLOCK_LENGTH;
    frame->interface =
        block->type == FD_PCAPNG_PACKET ? fd_load16(body, big_endian) : fd_load32(body, big_endian);
    if (frame->interface >= reader->interface_count)
        return FD_CAPTURE_BAD_INTERFACE;
    frame->timestamp = fd_capture_nanoseconds(&reader->interfaces[frame->interface].clock,
                                              (uint64_t)fd_load32(body + 4, big_endian) << 32 |
                                                  fd_load32(body + 8, big_endian));
    frame->captured = fd_load32(body + 12, big_endian);
    frame->length = fd_load32(body + 16, big_endian);
    frame->bytes = block->body + 20;
    if (frame->captured > FD_GUARD_SIZE)
        return FD_CAPTURE_LONG_RECORD;
    end = 20 + padded(frame->captured);
    if (end > block->length)
        return FD_CAPTURE_BAD_PACKET_LENGTH;
    if (end == block->length)
        return FD_CAPTURE_OK;
    return read_packet_options(body + end, block->length - end, big_endian, frame);
}

static int is_packet(uint32_t type)
{
    return type == FD_PCAPNG_ENHANCED_PACKET || type == FD_PCAPNG_SIMPLE_PACKET ||
           type == FD_PCAPNG_PACKET;
}

static enum fd_capture_fault read_packet(struct fd_capture_reader *reader,
                                         const struct block *block, struct fd_capture_rows *rows)
{
    struct fd_capture_frame frame = {0};
    enum fd_capture_fault fault = block->type == FD_PCAPNG_SIMPLE_PACKET
                                      ? read_simple_packet(reader, block, &frame)
                                      : read_timed_packet(reader, block, &frame);

    if (fault != FD_CAPTURE_OK)
        return fault;
    frame.link_type = reader->interfaces[frame.interface].link_type;
    return fd_capture_row(reader, rows, &frame) ? FD_CAPTURE_OK : FD_CAPTURE_LONG_RECORD;
}

/* Reads blocks until the rows are full; a packet that has no room stays for
 * the next call, and what lies before it is done with. */
void fd_pcapng_read(struct fd_capture_reader *reader, struct fd_capture_rows *rows)
{
    enum fd_capture_fault fault = FD_CAPTURE_OK;
    struct block block;

    rows->origin = reader->position;
    while (reader->position < reader->size) {
        fault = read_block(reader, &block);
        if (fault != FD_CAPTURE_OK)
            break;
        if (is_packet(block.type)) {
            if (rows->count == rows->most)
                return;
            if (rows->count == 0)
                rows->origin = reader->position;
            if (fd_capture_spans(rows, reader->position))
                return;
            fault = read_packet(reader, &block, rows);
        } else if (block.type == FD_PCAPNG_SECTION) {
            if (rows->count > 0) /* its interfaces would be mistaken for these */
                return;
            fault = read_section(reader, &block);
        } else if (block.type == FD_PCAPNG_INTERFACE) {
            fault = read_interface(reader, &block);
        }
        if (fault != FD_CAPTURE_OK)
            break;
        reader->position += block.length + FD_PCAPNG_BLOCK_OVERHEAD;
    }
    if (fault != FD_CAPTURE_OK)
        fd_capture_fail(reader, fault, reader->position);
}
