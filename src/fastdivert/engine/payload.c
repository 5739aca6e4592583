/* SPDX-License-Identifier: MIT */
#include "payload.h"

#include <string.h>

#include "core/bytes.h"
#include "core/checksum.h"

#define IP_LENGTH_MAX 65535u
#define IPV6_HEADER 40u

uint32_t fd_payload_size(const struct fd_rows *rows, uint32_t row, uint32_t payload_length)
{
    const struct fd_parsed *parsed = &rows->parsed[row];
    if (parsed->headers == 0)
        return 0;
    uint64_t size = (uint64_t)parsed->payload_offset + payload_length;
    uint64_t most = IP_LENGTH_MAX + (parsed->headers & FD_HAS(FD_HEADER_IPV6) ? IPV6_HEADER : 0);
    return size <= most ? (uint32_t)size : 0;
}

void fd_payload_replace(const struct fd_rows *rows, uint32_t row, const uint8_t *payload,
                        uint32_t payload_length, uint8_t *to)
{
    struct fd_parsed *parsed = &rows->parsed[row];
    struct fd_record *record = &rows->records[row];
    struct fd_descriptor *descriptor = &rows->descriptors[row];
    uint32_t size = parsed->payload_offset + payload_length, written = 0;
    memcpy(to - record->l2_length, record->packet - record->l2_length,
           (size_t)record->l2_length + parsed->payload_offset);
    if (payload_length != 0)
        memcpy(to + parsed->payload_offset, payload, payload_length);
    if (parsed->headers & FD_HAS(FD_HEADER_IPV6))
        fd_put_be16(to + 4, size - IPV6_HEADER);
    else
        fd_put_be16(to + 2, size);
    /* In a first fragment the UDP length is that of the whole datagram. */
    if (parsed->headers & FD_HAS(FD_HEADER_UDP) && !(parsed->state & FD_PARSED_MORE_FRAGMENTS))
        fd_put_be16(to + parsed->l4_offset + 4, size - parsed->l4_offset);
    record->packet = to;
    record->captured = size;
    fd_parse(to, size, parsed);
    fd_checksum_update(to, parsed, 0, &written);
    descriptor->captured = size;
    descriptor->length = size;
    descriptor->gso_size = 0;
    descriptor->flags &=
        ~(uint32_t)(FD_FLAG_IP_CHECKSUM_VALID | FD_FLAG_TCP_CHECKSUM_VALID |
                    FD_FLAG_UDP_CHECKSUM_VALID | FD_FLAG_IP_CHECKSUM_PARTIAL |
                    FD_FLAG_TCP_CHECKSUM_PARTIAL | FD_FLAG_UDP_CHECKSUM_PARTIAL |
                    FD_FLAG_TRUNCATED | FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP | FD_FLAG_GSO_ECN);
    descriptor->flags |= written;
    fd_describe(parsed, size, descriptor);
}
