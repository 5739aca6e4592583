/* SPDX-License-Identifier: MIT */
#include "segment.h"

#include "bytes.h"
#include "checksum.h"
#include "protocol.h"

enum {
    IPV4_LENGTH_FIELD = 2,
    IPV4_ID = 4,
    IPV6_LENGTH_FIELD = 4,
    TCP_SEQUENCE = 4,
    UDP_LENGTH = 4
};
enum { TCP_FIN_PSH = 0x09, TCP_CWR = 0x80 };
#define LENGTH_MAX 0xffffu

static uint32_t at_most(uint32_t value, uint32_t most)
{
    return value < most ? value : most;
}

/* Behind these headers, so that an IP header can still say the length. */
static uint32_t payload_most(const struct fd_parsed *parsed)
{
    uint32_t most = LENGTH_MAX + (parsed->headers & FD_HAS(FD_HEADER_IPV6) ? FD_IPV6_LENGTH : 0);

    return most - at_most(parsed->payload_offset, most);
}

uint32_t fd_super_begin(struct fd_super *super, const uint8_t *packet, uint32_t captured,
                        const struct fd_parsed *parsed, uint32_t size)
{
    const unsigned transports = FD_HAS(FD_HEADER_TCP) | FD_HAS(FD_HEADER_UDP);

    *super = (struct fd_super){packet, parsed, size, 1};
    if (size != 0 && (parsed->headers & transports) != 0 && parsed->length <= captured &&
        (parsed->state & FD_PARSED_FRAGMENT) == 0 && parsed->payload_length > size &&
        size <= payload_most(parsed))
        super->count = (parsed->payload_length + size - 1) / size;
    return super->count;
}

unsigned fd_super_parse(uint8_t *packet, uint32_t captured, struct fd_parsed *parsed)
{
    if (captured >= FD_IPV4_LENGTH && packet[0] >> 4 == 4)
        fd_put_be16(packet + IPV4_LENGTH_FIELD, at_most(captured, LENGTH_MAX));
    else if (captured >= FD_IPV6_LENGTH && packet[0] >> 4 == 6)
        fd_put_be16(packet + IPV6_LENGTH_FIELD, at_most(captured - FD_IPV6_LENGTH, LENGTH_MAX));
    if (fd_parse(packet, captured, parsed) == 0)
        return 0;
    parsed->length = captured;
    parsed->payload_length = captured - parsed->payload_offset;
    parsed->state &= (uint8_t)~FD_PARSED_EXTENDED;
    return parsed->headers;
}

static uint32_t payload_of(const struct fd_super *super, uint32_t number)
{
    return at_most(super->parsed->payload_length - number * super->size, super->size);
}

uint32_t fd_segment_length(const struct fd_super *super, uint32_t number)
{
    return super->parsed->payload_offset + payload_of(super, number);
}

/* What differs in each IP header. */
static void write_ip(const struct fd_super *super, uint32_t number, uint8_t *segment,
                     uint32_t length)
{
    if (super->parsed->headers & FD_HAS(FD_HEADER_IPV6)) {
        fd_put_be16(segment + IPV6_LENGTH_FIELD, length - FD_IPV6_LENGTH);
        return;
    }
    fd_put_be16(segment + IPV4_LENGTH_FIELD, length);
    fd_put_be16(segment + IPV4_ID, (fd_be16(segment + IPV4_ID) + number) & 0xffff);
}

static void write_transport(const struct fd_super *super, uint32_t number, uint8_t *l4,
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

uint64_t fd_super_size(const struct fd_super *super)
{
    return (uint64_t)super->count * super->parsed->payload_offset + super->parsed->payload_length;
}

void fd_segment_write(const struct fd_super *super, uint32_t number, uint8_t *segment)
{
    uint32_t headers = super->parsed->payload_offset;
    uint32_t l4_offset = super->parsed->l4_offset;
    uint32_t payload = payload_of(super, number);

    fd_copy(segment, super->packet, headers);
    fd_copy(segment + headers, super->packet + headers + number * super->size, payload);
    write_ip(super, number, segment, headers + payload);
    write_transport(super, number, segment + l4_offset, headers + payload - l4_offset);
}

uint32_t fd_segment_write_complete(const struct fd_super *super, uint32_t number, uint8_t *segment)
{
    uint32_t length = fd_segment_length(super, number);
    struct fd_parsed parsed;
    uint32_t written;

    fd_segment_write(super, number, segment);
    (void)fd_parse(segment, length, &parsed);
    (void)fd_checksum_update(segment, &parsed, 0, &written);
    return length;
}
