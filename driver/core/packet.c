/* SPDX-License-Identifier: MIT */
/*
 * One pass over the headers. The packet's bytes are read once and the result
 * is written once, because both may lie in cold cache lines. "end" is where
 * the packet stops: at its IP length or at captured, whichever comes first;
 * nothing at or behind it is read after the IP header.
 */
#include "packet.h"

#include "bytes.h"
#include "protocol.h"

static unsigned fill_malformed(struct fd_parsed *parsed)
{
    *parsed = (struct fd_parsed){0};
    return 0;
}

/* What the IP headers said. */
struct walk {
    uint32_t length;
    uint32_t end;
    uint32_t l4_offset;
    uint32_t fragment_offset;
    uint32_t headers;
    uint32_t state;
    uint32_t protocol;
};

/* 0 if there is none, else as much of it as is here. */
static inline uint32_t tcp_header_length(const uint8_t *tcp, uint32_t left)
{
    if (left < FD_TCP_LENGTH)
        return 0;
    uint32_t length = (uint32_t)(tcp[FD_TCP_DATA_OFFSET] >> 4) * 4;
    if (length < FD_TCP_LENGTH)
        return 0;
    return length < left ? length : left;
}

/* The result in four stores, composed in registers: narrow stores into it cost
 * more than all the rest, and a struct that gcc builds on the stack from narrow
 * stores and copies by wide loads waits for them, 20 ns. */
static inline void store(struct fd_parsed *parsed, const struct walk *walk, uint32_t payload_offset,
                         uint32_t payload_length, uint32_t headers, uint32_t tcp_flags,
                         uint32_t ports)
{
    const uint64_t words[4] = {
        walk->length | (uint64_t)walk->l4_offset << 32,
        payload_offset | (uint64_t)payload_length << 32,
        walk->fragment_offset | headers << 16 | walk->state << 24 | (uint64_t)walk->protocol << 32 |
            (uint64_t)tcp_flags << 40 | (uint64_t)(ports >> 16) << 48,
        ports & 0xffff,
    };
    fd_copy(&parsed->length, &words[0], 8);
    fd_copy(&parsed->payload_offset, &words[1], 8);
    fd_copy(&parsed->fragment_offset, &words[2], 8);
    fd_copy(&parsed->destination_port, &words[3], 8);
}

/* Adds the transport header. */
static inline unsigned fill(const uint8_t *packet, struct walk walk, struct fd_parsed *parsed)
{
    const uint8_t *l4 = packet + walk.l4_offset;
    uint32_t left = walk.end - walk.l4_offset;
    uint32_t header_length = 0;
    uint32_t headers = walk.headers;
    uint32_t ports = 0;
    uint32_t tcp_flags = 0;

    if (walk.fragment_offset == 0) {
        if (walk.protocol == FD_PROTOCOL_TCP) {
            header_length = tcp_header_length(l4, left);
            if (header_length != 0) {
                headers |= FD_HAS(FD_HEADER_TCP);
                ports = fd_be32(l4);
                tcp_flags = l4[FD_TCP_FLAGS];
            }
        } else if (walk.protocol == FD_PROTOCOL_UDP) {
            if (left >= FD_UDP_LENGTH) {
                header_length = FD_UDP_LENGTH;
                headers |= FD_HAS(FD_HEADER_UDP);
                ports = fd_be32(l4);
            }
        } else if (left >= FD_ICMP_LENGTH) {
            if (walk.protocol == FD_PROTOCOL_ICMP && headers == FD_HAS(FD_HEADER_IP)) {
                header_length = FD_ICMP_LENGTH;
                headers |= FD_HAS(FD_HEADER_ICMP);
            } else if (walk.protocol == FD_PROTOCOL_ICMPV6 && headers == FD_HAS(FD_HEADER_IPV6)) {
                header_length = FD_ICMP_LENGTH;
                headers |= FD_HAS(FD_HEADER_ICMPV6);
            }
        }
    }
    store(parsed, &walk, walk.l4_offset + header_length, left - header_length, headers, tcp_flags,
          ports);
    return headers;
}

static inline uint32_t length_state(uint32_t length, uint32_t captured)
{
    return (length > captured ? FD_PARSED_TRUNCATED : 0) |
           (length < captured ? FD_PARSED_EXTENDED : 0);
}

static inline uint32_t fragment_state(int fragment, int more_fragments)
{
    return (fragment ? FD_PARSED_FRAGMENT : 0) | (more_fragments ? FD_PARSED_MORE_FRAGMENTS : 0);
}

static inline unsigned parse_ipv4(const uint8_t *packet, uint32_t captured,
                                  struct fd_parsed *parsed)
{
    uint32_t header_length = (uint32_t)(packet[0] & 0x0f) * 4;
    uint32_t length = fd_be16(packet + 2);
    uint32_t fragment = fd_be16(packet + 6);
    uint32_t end = length < captured ? length : captured;

    if (header_length < FD_IPV4_LENGTH || header_length > end)
        return fill_malformed(parsed);
    if (FD_LIKELY((fragment & 0x3fff) == 0 && length == captured)) {
        /* Nearly every packet: most of what follows is constant. */
        struct walk plain = {
            .length = length,
            .end = length,
            .l4_offset = header_length,
            .headers = FD_HAS(FD_HEADER_IP),
            .protocol = packet[9],
        };
        return fill(packet, plain, parsed);
    }

    struct walk walk = {
        .length = length,
        .end = end,
        .l4_offset = header_length,
        .fragment_offset = fragment & 0x1fff,
        .headers = FD_HAS(FD_HEADER_IP),
        .state = length_state(length, captured) |
                 fragment_state((fragment & 0x3fff) != 0, (fragment & 0x2000) != 0),
        .protocol = packet[9],
    };
    return fill(packet, walk, parsed);
}

static inline unsigned parse_ipv6(const uint8_t *packet, uint32_t captured,
                                  struct fd_parsed *parsed)
{
    if (captured < FD_IPV6_LENGTH)
        return fill_malformed(parsed);

    uint32_t length = (uint32_t)fd_be16(packet + 4) + FD_IPV6_LENGTH;
    uint32_t end = length < captured ? length : captured;
    uint32_t at = FD_IPV6_LENGTH;
    uint8_t protocol = packet[6];
    uint32_t fragment = 0; /* the fragment header's offset and flags */
    int is_fragment = 0;

    /* The walk ends at a fragment with an offset (what follows is not a
     * header), at a second fragment header, and where less than two bytes are
     * left, which no extension header could be read from. Every turn takes at
     * least eight bytes, so it ends. */
    while ((fragment & 0xfff8) == 0 && end - at >= 2) {
        const uint8_t *header = packet + at;
        uint32_t header_length;

        switch (protocol) {
        case FD_PROTOCOL_HOP_BY_HOP:
        case FD_PROTOCOL_ROUTING:
        case FD_PROTOCOL_DESTINATION:
        case FD_PROTOCOL_MOBILITY:
            header_length = ((uint32_t)header[1] + 1) * 8;
            break;
        case FD_PROTOCOL_AH:
            header_length = ((uint32_t)header[1] + 2) * 4;
            break;
        case FD_PROTOCOL_FRAGMENT:
            header_length = is_fragment ? UINT32_MAX : FD_IPV6_FRAGMENT_LENGTH;
            break;
        default:
            header_length = UINT32_MAX;
            break;
        }
        if (header_length > end - at)
            break;
        if (protocol == FD_PROTOCOL_FRAGMENT) {
            is_fragment = 1;
            fragment = fd_be16(header + 2);
        }
        protocol = header[0];
        at += header_length;
    }

    struct walk walk = {
        .length = length,
        .end = end,
        .l4_offset = at,
        .fragment_offset = fragment >> 3,
        .headers = FD_HAS(FD_HEADER_IPV6),
        .state = length_state(length, captured) | fragment_state(is_fragment, (fragment & 1) != 0),
        .protocol = protocol,
    };
    return fill(packet, walk, parsed);
}

static inline unsigned parse(const uint8_t *packet, uint32_t captured, struct fd_parsed *parsed)
{
    /* WinDivert asks 20 bytes of either version before it looks at one. */
    if (captured < FD_IPV4_LENGTH)
        return fill_malformed(parsed);
    unsigned version = packet[0] >> 4;
    if (FD_LIKELY(version == 4))
        return parse_ipv4(packet, captured, parsed);
    if (version == 6)
        return parse_ipv6(packet, captured, parsed);
    return fill_malformed(parsed);
}

static inline uint32_t offset16(uint32_t offset)
{
    return offset < 0xffff ? offset : 0xffff;
}

static inline void describe(const struct fd_parsed *parsed, uint32_t captured,
                            struct fd_descriptor *descriptor)
{
    const uint32_t ours = FD_FLAG_IPV6 | FD_FLAG_FRAGMENT | FD_FLAG_TRUNCATED | FD_FLAG_MALFORMED;
    const unsigned transports = FD_HAS(FD_HEADER_ICMP) | FD_HAS(FD_HEADER_ICMPV6) |
                                FD_HAS(FD_HEADER_TCP) | FD_HAS(FD_HEADER_UDP);
    unsigned headers = parsed->headers;
    unsigned state = parsed->state;
    uint32_t l4_offset = headers & transports ? offset16(parsed->l4_offset) : 0;
    /* Wide stores again; see store(). */
    const uint64_t places = l4_offset | offset16(parsed->payload_offset) << 16 |
                            (uint64_t)parsed->source_port << 32 |
                            (uint64_t)parsed->destination_port << 48;
    const uint16_t protocols = (uint16_t)(parsed->protocol | parsed->tcp_flags << 8);

    descriptor->flags = (descriptor->flags & ~ours) |
                        (headers & FD_HAS(FD_HEADER_IPV6) ? FD_FLAG_IPV6 : 0) |
                        (state & FD_PARSED_FRAGMENT ? FD_FLAG_FRAGMENT : 0) |
                        (state & FD_PARSED_TRUNCATED ? FD_FLAG_TRUNCATED : 0) |
                        (headers == 0 ? FD_FLAG_MALFORMED : 0);
    descriptor->length = headers != 0 ? parsed->length : captured;
    fd_copy(&descriptor->l4_offset, &places, 8);
    fd_copy(&descriptor->protocol, &protocols, 2);
}

unsigned fd_parse(const uint8_t *packet, uint32_t captured, struct fd_parsed *parsed)
{
    return parse(packet, captured, parsed);
}

void fd_describe(const struct fd_parsed *parsed, uint32_t captured,
                 struct fd_descriptor *descriptor)
{
    describe(parsed, captured, descriptor);
}

unsigned fd_parse_and_describe(const uint8_t *packet, uint32_t captured, struct fd_parsed *parsed,
                               struct fd_descriptor *descriptor)
{
    unsigned headers = parse(packet, captured, parsed);
    describe(parsed, captured, descriptor);
    return headers;
}
