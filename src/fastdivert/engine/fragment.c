/* SPDX-License-Identifier: MIT */
#include "fragment.h"

#include <string.h>

#include "core/bytes.h"
#include "core/protocol.h"

#define IP_LENGTH_MAX 65535u
enum { IPV4_ID = 4, IPV4_FRAGMENT = 6, IPV4_PROTOCOL = 9, IPV6_NEXT_HEADER = 6 };

/* RFC 791: data in units of 8 bytes, but for the last; and never so much that
 * the datagram's length could not be said. */
static enum fd_fragment_kind judge(const struct fd_fragment *fragment, uint32_t header_max)
{
    if (fragment->data_length == 0 && !fd_fragment_is_atomic(fragment))
        return FD_FRAGMENT_BAD;
    if (fragment->more && fragment->data_length % 8 != 0)
        return FD_FRAGMENT_BAD;
    if (fragment->offset + fragment->data_length > IP_LENGTH_MAX - header_max)
        return FD_FRAGMENT_BAD;
    return FD_FRAGMENT_GOOD;
}

static enum fd_fragment_kind read_ipv4(const uint8_t *ip, uint32_t captured,
                                       struct fd_fragment *fragment)
{
    uint32_t header_length = (uint32_t)(ip[0] & 0x0f) * 4;
    uint32_t length = fd_be16(ip + 2);
    uint32_t bits = fd_be16(ip + IPV4_FRAGMENT);

    if (header_length < FD_IPV4_LENGTH || header_length > length || (bits & 0x3fff) == 0)
        return FD_FRAGMENT_NONE;
    memcpy(fragment->key.source, ip + FD_IPV4_SOURCE, 4);
    memcpy(fragment->key.destination, ip + FD_IPV4_DESTINATION, 4);
    fragment->key.identification = fd_be16(ip + IPV4_ID);
    fragment->key.protocol = ip[IPV4_PROTOCOL];
    fragment->key.version = 4;
    if (length > captured)
        return FD_FRAGMENT_BAD;
    fragment->header_length = header_length;
    fragment->data_at = header_length;
    fragment->data_length = length - header_length;
    fragment->offset = (bits & 0x1fff) * 8;
    fragment->more = (bits & 0x2000) != 0;
    fragment->ecn = ip[1] & 3;
    return judge(fragment, header_length);
}

/* Multicast and link-local addresses may be the same on another link. */
static int is_of_link(const uint8_t address[16])
{
    return address[0] == 0xff || (address[0] == 0xfe && (address[1] & 0xc0) == 0x80);
}

/* Where the fragment header is, or 0. The walk is that of fd_parse. */
static uint32_t find_fragment_header(const uint8_t *ip, uint32_t end, uint32_t *next_at)
{
    uint32_t at = FD_IPV6_LENGTH;

    *next_at = IPV6_NEXT_HEADER;
    while (end - at >= FD_IPV6_FRAGMENT_LENGTH) {
        uint32_t header_length;
        switch (ip[*next_at]) {
        case FD_PROTOCOL_FRAGMENT:
            return at;
        case FD_PROTOCOL_HOP_BY_HOP:
        case FD_PROTOCOL_ROUTING:
        case FD_PROTOCOL_DESTINATION:
        case FD_PROTOCOL_MOBILITY:
            header_length = ((uint32_t)ip[at + 1] + 1) * 8;
            break;
        case FD_PROTOCOL_AH:
            header_length = ((uint32_t)ip[at + 1] + 2) * 4;
            break;
        default:
            return 0;
        }
        if (header_length > end - at)
            return 0;
        *next_at = at;
        at += header_length;
    }
    return 0;
}

static enum fd_fragment_kind read_ipv6(const uint8_t *ip, uint32_t captured, uint32_t ifindex,
                                       struct fd_fragment *fragment)
{
    if (captured < FD_IPV6_LENGTH)
        return FD_FRAGMENT_NONE;
    uint32_t length = FD_IPV6_LENGTH + (uint32_t)fd_be16(ip + 4);
    uint32_t end = length < captured ? length : captured;
    uint32_t at = find_fragment_header(ip, end, &fragment->next_at);
    if (at == 0)
        return FD_FRAGMENT_NONE;
    memcpy(fragment->key.source, ip + FD_IPV6_SOURCE, 16);
    memcpy(fragment->key.destination, ip + FD_IPV6_DESTINATION, 16);
    fragment->key.identification = fd_be32(ip + at + 4);
    fragment->key.version = 6;
    if (is_of_link(fragment->key.source) || is_of_link(fragment->key.destination))
        fragment->key.scope = ifindex;
    if (length > captured)
        return FD_FRAGMENT_BAD;
    uint32_t bits = fd_be16(ip + at + 2);
    fragment->header_length = at;
    fragment->data_at = at + FD_IPV6_FRAGMENT_LENGTH;
    fragment->data_length = length - fragment->data_at;
    fragment->offset = bits & 0xfff8;
    fragment->more = bits & 1;
    fragment->next_header = ip[at];
    fragment->ecn = ip[1] >> 4 & 3;
    return judge(fragment, at - FD_IPV6_LENGTH);
}

enum fd_fragment_kind fd_fragment_read(const uint8_t *packet, uint32_t captured, uint32_t ifindex,
                                       struct fd_fragment *fragment)
{
    memset(fragment, 0, sizeof(*fragment));
    if (captured < FD_IPV4_LENGTH)
        return FD_FRAGMENT_NONE;
    if (packet[0] >> 4 == 4)
        return read_ipv4(packet, captured, fragment);
    if (packet[0] >> 4 == 6)
        return read_ipv6(packet, captured, ifindex, fragment);
    return FD_FRAGMENT_NONE;
}
