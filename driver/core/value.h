/* SPDX-License-Identifier: MIT */
/*
 * The value of a field of one packet or event. Nearly every field of a filter
 * has at most 32 bits and no sign: those are "narrow", and are loaded here,
 * inline, without the 128-bit arithmetic that addresses, ids and timestamps
 * need (value.c).
 *
 * Where the meaning differs from WinDivert's executor on purpose:
 *   - ipv6.FlowLabel is the label; WinDivert's macro gives another number
 *   - ip and ipv6 at FLOW and SOCKET say the family of the addresses, as the
 *     manual has it; WinDivert tests for a packet header there, which an event
 *     never has, so that both are always false
 */
#ifndef FD_CORE_VALUE_H
#define FD_CORE_VALUE_H

#include "bytes.h"
#include "hash.h"
#include "program.h"
#include "protocol.h"

#define FD_SOCKET_AT(field) __builtin_offsetof(struct fd_data_socket, field)
#define FD_REFLECT_AT(field) __builtin_offsetof(struct fd_data_reflect, field)

static inline int fd_is_packet_layer(unsigned layer)
{
    return layer <= FD_LAYER_NETWORK_FORWARD;
}

static inline int fd_has(const struct fd_subject *subject, enum fd_header header)
{
    return subject->parsed->headers >> header & 1;
}

static inline int fd_has_flag(const struct fd_subject *subject, enum fd_descriptor_flag flag)
{
    return (subject->descriptor->flags & (uint32_t)flag) != 0;
}

static inline int fd_has_event_data(const struct fd_subject *subject)
{
    return subject->captured >= FD_EVENT_DATA_SIZE;
}

static inline uint32_t fd_load_be(const uint8_t *bytes, unsigned width)
{
    if (width == 1)
        return bytes[0];
    return width == 2 ? fd_be16(bytes) : fd_be32(bytes);
}

static inline int fd_is_narrow(unsigned field)
{
    return fd_field_table[field].bits <= 32 && field != FD_FIELD_PRIORITY;
}

static inline int fd_load_header(const struct fd_field *field, const struct fd_subject *subject,
                                 uint32_t *value)
{
    if (!(subject->parsed->headers >> field->header & 1))
        return 0;
    uint32_t base = field->header >= FD_HEADER_ICMP ? subject->parsed->l4_offset : 0;
    uint32_t word = fd_load_be(subject->bytes + base + field->offset, field->width);
    *value = word >> field->shift & (uint32_t)(((uint64_t)1 << field->bits) - 1);
    return 1;
}

/* width bytes at index of [begin, end); below zero it counts from the end. */
static inline int fd_load_indexed(const uint8_t *bytes, int64_t begin, int64_t end, int32_t index,
                                  unsigned width, uint32_t *value)
{
    int64_t at = index < 0 ? end + index : begin + index;

    if (at < begin || at > end - (int64_t)width)
        return 0;
    *value = fd_load_be(bytes + at, width);
    return 1;
}

static inline int fd_load_payload(const struct fd_field *field, int32_t index,
                                  const struct fd_subject *subject, uint32_t *value)
{
    const struct fd_parsed *parsed = subject->parsed;

    if (!(parsed->headers >> field->header & 1))
        return 0;
    int64_t begin = parsed->payload_offset;
    return fd_load_indexed(subject->bytes, begin, begin + parsed->payload_length, index,
                           field->width, value);
}

/* WinDivert's ports of a packet: ICMP has its type as the sender's port. */
static inline uint32_t fd_packet_port(const struct fd_subject *subject, int is_source)
{
    const struct fd_parsed *parsed = subject->parsed;

    if (fd_has(subject, FD_HEADER_ICMP) || fd_has(subject, FD_HEADER_ICMPV6))
        return is_source ? subject->bytes[parsed->l4_offset] : 0;
    return is_source ? parsed->source_port : parsed->destination_port;
}

static inline int fd_load_packet_meta(unsigned field, const struct fd_subject *subject,
                                      uint32_t *value)
{
    int outbound = fd_has_flag(subject, FD_FLAG_OUTBOUND);

    switch (field) {
    case FD_FIELD_IP:
        *value = (uint32_t)fd_has(subject, FD_HEADER_IP);
        return 1;
    case FD_FIELD_IPV6:
        *value = (uint32_t)fd_has(subject, FD_HEADER_IPV6);
        return 1;
    case FD_FIELD_ICMP:
        *value = (uint32_t)fd_has(subject, FD_HEADER_ICMP);
        return 1;
    case FD_FIELD_ICMPV6:
        *value = (uint32_t)fd_has(subject, FD_HEADER_ICMPV6);
        return 1;
    case FD_FIELD_TCP:
        *value = (uint32_t)fd_has(subject, FD_HEADER_TCP);
        return 1;
    case FD_FIELD_UDP:
        *value = (uint32_t)fd_has(subject, FD_HEADER_UDP);
        return 1;
    case FD_FIELD_TCP_PAYLOADLENGTH:
        *value = subject->parsed->payload_length;
        return fd_has(subject, FD_HEADER_TCP);
    case FD_FIELD_UDP_PAYLOADLENGTH:
        *value = subject->parsed->payload_length;
        return fd_has(subject, FD_HEADER_UDP);
    case FD_FIELD_IFIDX:
        *value = subject->descriptor->ifindex;
        return 1;
    case FD_FIELD_SUBIFIDX:
        *value = subject->descriptor->subifindex;
        return 1;
    case FD_FIELD_IMPOSTOR:
        *value = (uint32_t)fd_has_flag(subject, FD_FLAG_IMPOSTOR);
        return 1;
    case FD_FIELD_FRAGMENT:
        *value = (subject->parsed->state & FD_PARSED_FRAGMENT) != 0;
        return 1;
    case FD_FIELD_LENGTH:
        *value = subject->captured;
        return 1;
    case FD_FIELD_LOCALPORT:
        *value = fd_packet_port(subject, outbound);
        return 1;
    case FD_FIELD_REMOTEPORT:
        *value = fd_packet_port(subject, !outbound);
        return 1;
    case FD_FIELD_PROTOCOL:
        *value = subject->parsed->protocol;
        return 1;
    case FD_FIELD_RANDOM8:
    case FD_FIELD_RANDOM16:
    case FD_FIELD_RANDOM32: {
        uint64_t hash =
            fd_hash(subject->bytes, subject->parsed, (uint64_t)subject->descriptor->timestamp);
        if (field == FD_FIELD_RANDOM8)
            *value = (uint32_t)(hash >> 48) & 0xff;
        else if (field == FD_FIELD_RANDOM16)
            *value = (uint32_t)(hash >> 32) & 0xffff;
        else
            *value = (uint32_t)hash;
        return 1;
    }
    default:
        return 0;
    }
}

/* FLOW and SOCKET. */
static inline int fd_load_socket_meta(unsigned field, const struct fd_subject *subject,
                                      uint32_t *value)
{
    const uint8_t *data = subject->bytes;
    int ipv6 = fd_has_flag(subject, FD_FLAG_IPV6);

    if (field == FD_FIELD_IP || field == FD_FIELD_IPV6) {
        *value = (uint32_t)(ipv6 == (field == FD_FIELD_IPV6));
        return 1;
    }
    if (!fd_has_event_data(subject))
        return 0;
    uint8_t protocol = data[FD_SOCKET_AT(protocol)];
    switch (field) {
    case FD_FIELD_ICMP:
        *value = !ipv6 && protocol == FD_PROTOCOL_ICMP;
        return 1;
    case FD_FIELD_ICMPV6:
        *value = ipv6 && protocol == FD_PROTOCOL_ICMPV6;
        return 1;
    case FD_FIELD_TCP:
        *value = protocol == FD_PROTOCOL_TCP;
        return 1;
    case FD_FIELD_UDP:
        *value = protocol == FD_PROTOCOL_UDP;
        return 1;
    case FD_FIELD_PROCESSID:
        *value = fd_host32(data + FD_SOCKET_AT(process_id));
        return 1;
    case FD_FIELD_LOCALPORT:
        *value = fd_host16(data + FD_SOCKET_AT(local_port));
        return 1;
    case FD_FIELD_REMOTEPORT:
        *value = fd_host16(data + FD_SOCKET_AT(remote_port));
        return 1;
    case FD_FIELD_PROTOCOL:
        *value = protocol;
        return 1;
    default:
        return 0;
    }
}

static inline int fd_load_reflect_meta(unsigned field, const struct fd_subject *subject,
                                       uint32_t *value)
{
    if (!fd_has_event_data(subject))
        return 0;
    switch (field) {
    case FD_FIELD_PROCESSID:
        *value = fd_host32(subject->bytes + FD_REFLECT_AT(process_id));
        return 1;
    case FD_FIELD_LAYER:
        *value = fd_host32(subject->bytes + FD_REFLECT_AT(layer));
        return 1;
    default:
        return 0;
    }
}

static inline int fd_load_meta(unsigned field, unsigned layer, const struct fd_subject *subject,
                               uint32_t *value)
{
    switch (field) {
    case FD_FIELD_ZERO:
        *value = 0;
        return 1;
    case FD_FIELD_INBOUND:
        *value = (uint32_t)!fd_has_flag(subject, FD_FLAG_OUTBOUND);
        return 1;
    case FD_FIELD_OUTBOUND:
        *value = (uint32_t)fd_has_flag(subject, FD_FLAG_OUTBOUND);
        return 1;
    case FD_FIELD_LOOPBACK:
        *value = (uint32_t)fd_has_flag(subject, FD_FLAG_LOOPBACK);
        return 1;
    case FD_FIELD_EVENT:
        *value = subject->descriptor->event;
        return 1;
    default:
        if (fd_is_packet_layer(layer))
            return fd_load_packet_meta(field, subject, value);
        if (layer == FD_LAYER_REFLECT)
            return fd_load_reflect_meta(field, subject, value);
        return fd_load_socket_meta(field, subject, value);
    }
}

static inline int fd_load_narrow(unsigned id, int32_t index, unsigned layer,
                                 const struct fd_subject *subject, uint32_t *value)
{
    const struct fd_field *field = &fd_field_table[id];

    switch (field->source) {
    case FD_SOURCE_HEADER:
        return fd_load_header(field, subject, value);
    case FD_SOURCE_PACKET:
        return fd_load_indexed(subject->bytes, 0, subject->captured, index, field->width, value);
    case FD_SOURCE_PAYLOAD:
        return fd_load_payload(field, index, subject, value);
    default:
        return fd_load_meta(id, layer, subject, value);
    }
}

/* IPv4 addresses are ::ffff-mapped: this word lies above their 32 bits. */
static inline uint32_t fd_second_word(unsigned field)
{
    return fd_field_table[field].range == FD_RANGE_IPV4 ? 0xffff : 0;
}

/* 1 and the value if the subject has this field, which is not narrow. */
int fd_load_wide(unsigned field, unsigned layer, const struct fd_subject *subject,
                 struct fd_value *value);

#endif
