/* SPDX-License-Identifier: MIT */
/*
 * Sums run over words as they lie in memory: the one's complement sum does not
 * care for byte order as long as all its parts agree (RFC 1071, 2 B). The
 * checksum field is never zeroed first, but left out of the sum: a store into
 * bytes that are about to be read in wider words stalls the load.
 */
#include "checksum.h"

#include "bytes.h"
#include "protocol.h"

static inline uint64_t halves(uint64_t sum)
{
    return (sum >> 32) + (uint32_t)sum;
}

/* Whole runs of 32 bytes. Each of four 64-bit sums takes 32-bit words: none can
 * overflow before 2^32 of them, so there is no carry to follow, and compilers
 * turn the loop into vector instructions. */
static uint64_t sum_runs(const uint8_t *bytes, uint32_t length)
{
    uint64_t sum[4] = {0};

    for (; length != 0; bytes += 32, length -= 32) {
        for (unsigned lane = 0; lane < 4; lane++) {
            uint64_t words = fd_host64(bytes + 8 * lane);
            sum[lane] += (uint32_t)words;
            sum[lane] += words >> 32;
        }
    }
    return sum[0] + sum[1] + sum[2] + sum[3];
}

uint64_t fd_sum(const uint8_t *bytes, uint32_t length)
{
    uint64_t sum = 0;

    if (length >= 64) { /* below that, setting up vectors costs more than it saves */
        uint32_t runs = length & ~31u;
        sum = sum_runs(bytes, runs);
        bytes += runs;
        length -= runs;
    }
    for (; length >= 8; bytes += 8, length -= 8)
        sum += halves(fd_host64(bytes));
    if (length & 4) {
        sum += fd_host32(bytes);
        bytes += 4;
    }
    if (length & 2) {
        sum += fd_host16(bytes);
        bytes += 2;
    }
    if (length & 1)
        sum += FD_BIG_ENDIAN ? (uint32_t)bytes[0] << 8 : bytes[0];
    return sum;
}

uint16_t fd_fold(uint64_t sum)
{
    sum = halves(sum);                  /* below 2^33 */
    sum = (sum >> 16) + (sum & 0xffff); /* below 2^18 */
    sum = (sum >> 16) + (sum & 0xffff); /* at most 0x10002 */
    return (uint16_t)((sum >> 16) + sum);
}

uint64_t fd_pseudo_sum(const uint8_t *packet, const struct fd_parsed *parsed, uint8_t protocol,
                       uint32_t l4_length)
{
    uint64_t sum = (uint64_t)fd_network16(protocol) + fd_network16((uint16_t)(l4_length >> 16)) +
                   fd_network16((uint16_t)l4_length);

    if (parsed->headers & FD_HAS(FD_HEADER_IPV6))
        return sum + fd_sum(packet + FD_IPV6_SOURCE, 32);
    return sum + halves(fd_host64(packet + FD_IPV4_SOURCE));
}

uint16_t fd_checksum_adjust(uint16_t checksum, uint16_t old_word, uint16_t new_word)
{
    return (uint16_t)~fd_fold((uint64_t)(uint16_t)~checksum + (uint16_t)~old_word + new_word);
}

/* The sum of bytes but for the checksum field at this (even) offset. The sum
 * is a plain one of 32-bit words (the rest of a length counts as one more), so
 * what the field put into it can be taken out exactly; adding the complement
 * instead would lose the difference between the two zeros. */
static inline uint64_t sum_without(const uint8_t *bytes, uint32_t length, uint32_t field)
{
    uint64_t own = fd_host16(bytes + field);
    /* A field in a whole 32-bit word counts by its place there. */
    int high_half = FD_BIG_ENDIAN ? field % 4 == 0 : field % 4 == 2;

    if (high_half && (field | 3) < (length & ~3u))
        own <<= 16;
    return fd_sum(bytes, length) - own;
}

static inline void put16(uint8_t *bytes, uint16_t value)
{
    fd_copy(bytes, &value, sizeof(value));
}

/* The header's length is the parsed one: somebody may be writing to the packet. */
static inline uint64_t ipv4_sum(const uint8_t *packet, const struct fd_parsed *parsed)
{
    if (FD_LIKELY(parsed->l4_offset == FD_IPV4_LENGTH)) /* no options */
        return halves(fd_host64(packet)) + halves(fd_host64(packet + 8)) + fd_host32(packet + 16);
    return fd_sum(packet, parsed->l4_offset);
}

static inline uint16_t ipv4_checksum(const uint8_t *packet, const struct fd_parsed *parsed)
{
    uint64_t own = (uint64_t)fd_host16(packet + FD_IPV4_CHECKSUM) << (FD_BIG_ENDIAN ? 0 : 16);
    return (uint16_t)~fd_fold(ipv4_sum(packet, parsed) - own);
}

/* A transport checksum: where it lies and over what it runs. */
struct transport {
    uint32_t offset; /* of the transport header */
    uint32_t length; /* header and payload */
    uint32_t field;  /* offset of the checksum in the header */
    uint32_t valid;  /* enum fd_descriptor_flag that says that it is right */
    unsigned skip;   /* enum fd_checksum_flag that leaves it alone */
    uint8_t protocol;
    uint8_t has_pseudo_header;
    uint8_t is_whole; /* everything that the checksum covers is here */
};

/* 0 if the packet has no transport header with a checksum. */
static inline int find_transport(const uint8_t *packet, const struct fd_parsed *parsed,
                                 struct transport *transport)
{
    unsigned headers = parsed->headers;
    struct transport found = {
        .offset = parsed->l4_offset,
        .length = parsed->payload_offset - parsed->l4_offset + parsed->payload_length,
        .has_pseudo_header = 1,
        .is_whole = (parsed->state & (FD_PARSED_TRUNCATED | FD_PARSED_MORE_FRAGMENTS)) == 0,
    };

    if (headers & FD_HAS(FD_HEADER_TCP)) {
        found.field = FD_TCP_CHECKSUM;
        found.valid = FD_FLAG_TCP_CHECKSUM_VALID;
        found.skip = FD_CHECKSUM_NO_TCP;
        found.protocol = FD_PROTOCOL_TCP;
        /* A data offset that points behind the packet: part of the header is
         * missing. */
        if ((uint32_t)(packet[found.offset + FD_TCP_DATA_OFFSET] >> 4) * 4 > found.length)
            found.is_whole = 0;
    } else if (headers & FD_HAS(FD_HEADER_UDP)) {
        found.field = FD_UDP_CHECKSUM;
        found.valid = FD_FLAG_UDP_CHECKSUM_VALID;
        found.skip = FD_CHECKSUM_NO_UDP;
        found.protocol = FD_PROTOCOL_UDP;
    } else if (headers & FD_HAS(FD_HEADER_ICMP)) {
        found.field = FD_ICMP_CHECKSUM;
        found.skip = FD_CHECKSUM_NO_ICMP;
        found.protocol = FD_PROTOCOL_ICMP;
        found.has_pseudo_header = 0;
    } else if (headers & FD_HAS(FD_HEADER_ICMPV6)) {
        found.field = FD_ICMP_CHECKSUM;
        found.skip = FD_CHECKSUM_NO_ICMPV6;
        found.protocol = FD_PROTOCOL_ICMPV6;
    } else {
        return 0;
    }
    *transport = found;
    return 1;
}

static inline uint64_t transport_pseudo_sum(const uint8_t *packet, const struct fd_parsed *parsed,
                                            const struct transport *transport)
{
    if (!transport->has_pseudo_header)
        return 0;
    return fd_pseudo_sum(packet, parsed, transport->protocol, transport->length);
}

int fd_checksum_update(uint8_t *packet, const struct fd_parsed *parsed, unsigned flags,
                       uint32_t *written)
{
    struct transport transport;

    *written = 0;
    if (parsed->headers == 0)
        return 0;
    if (parsed->headers & FD_HAS(FD_HEADER_IP) && !(flags & FD_CHECKSUM_NO_IP)) {
        put16(packet + FD_IPV4_CHECKSUM, ipv4_checksum(packet, parsed));
        *written |= FD_FLAG_IP_CHECKSUM_VALID;
    }
    if (!find_transport(packet, parsed, &transport) || flags & transport.skip)
        return 1;
    if (!transport.is_whole)
        return 0;

    uint64_t sum = transport_pseudo_sum(packet, parsed, &transport) +
                   sum_without(packet + transport.offset, transport.length, transport.field);
    uint16_t checksum = (uint16_t)~fd_fold(sum);
    if (checksum == 0 && transport.protocol == FD_PROTOCOL_UDP)
        checksum = 0xffff; /* zero says "no checksum" (RFC 768) */
    put16(packet + transport.offset + transport.field, checksum);
    *written |= transport.valid;
    return 1;
}

unsigned fd_checksum_verify(const uint8_t *packet, const struct fd_parsed *parsed)
{
    struct transport transport;
    unsigned result = 0;

    if (parsed->headers & FD_HAS(FD_HEADER_IP)) {
        result |= FD_CHECKSUM_IP_PRESENT;
        if (fd_fold(ipv4_sum(packet, parsed)) == 0xffff)
            result |= FD_CHECKSUM_IP_RIGHT;
    }
    if (!find_transport(packet, parsed, &transport) || !transport.is_whole)
        return result;

    const uint8_t *l4 = packet + transport.offset;
    uint16_t checksum = fd_host16(l4 + transport.field);
    uint64_t pseudo = transport_pseudo_sum(packet, parsed, &transport);

    result |= FD_CHECKSUM_L4_PRESENT;
    if (checksum == 0 && transport.protocol == FD_PROTOCOL_UDP) {
        if (parsed->headers & FD_HAS(FD_HEADER_IP))
            result |= FD_CHECKSUM_L4_RIGHT;
        return result; /* over IPv6 it must be there (RFC 8200, 8.1) */
    }
    if (fd_fold(pseudo + fd_sum(l4, transport.length)) == 0xffff)
        result |= FD_CHECKSUM_L4_RIGHT;
    if (transport.has_pseudo_header && checksum == fd_fold(pseudo))
        result |= FD_CHECKSUM_L4_PARTIAL;
    return result;
}

int fd_decrement_ttl(uint8_t *packet, const struct fd_parsed *parsed)
{
    if (parsed->headers & FD_HAS(FD_HEADER_IP)) {
        if (packet[FD_IPV4_TTL] <= 1)
            return 0;
        uint16_t before = fd_host16(packet + FD_IPV4_TTL);
        packet[FD_IPV4_TTL]--;
        uint16_t after = fd_host16(packet + FD_IPV4_TTL);
        uint16_t checksum = fd_host16(packet + FD_IPV4_CHECKSUM);
        put16(packet + FD_IPV4_CHECKSUM, fd_checksum_adjust(checksum, before, after));
        return 1;
    }
    if (parsed->headers & FD_HAS(FD_HEADER_IPV6)) {
        if (packet[FD_IPV6_HOP_LIMIT] <= 1)
            return 0;
        packet[FD_IPV6_HOP_LIMIT]--;
        return 1;
    }
    return 0;
}
