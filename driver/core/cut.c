/* SPDX-License-Identifier: MIT */
#include "cut.h"

#include "bytes.h"
#include "checksum.h"
#include "protocol.h"

enum { IPV4_ID = 4, IPV4_FRAGMENT = 6, IPV6_NEXT_HEADER = 6 };
enum { IPV4_MORE = 0x2000, IPV4_OFFSET = 0x1fff, IPV4_DONT = 0x4000 };
enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_COPIED = 0x80 };

static void copy(uint8_t *to, const uint8_t *from, uint32_t length)
{
    while (length-- != 0)
        *to++ = *from++;
}

/* How far what every fragment must repeat goes: up to the last header that
 * routers look at. */
static uint32_t unfragmentable(const uint8_t *ip, uint32_t end, uint32_t *next_at)
{
    uint32_t at = FD_IPV6_LENGTH;
    uint32_t number_at = IPV6_NEXT_HEADER;
    uint32_t kept = at;

    *next_at = number_at;
    while (end - at >= 8) {
        uint8_t protocol = ip[number_at];
        uint32_t length = ((uint32_t)ip[at + 1] + 1) * 8;
        if (protocol == FD_PROTOCOL_FRAGMENT)
            return 0;
        if ((protocol != FD_PROTOCOL_HOP_BY_HOP && protocol != FD_PROTOCOL_ROUTING &&
             protocol != FD_PROTOCOL_DESTINATION) ||
            length > end - at)
            break;
        number_at = at;
        at += length;
        if (protocol != FD_PROTOCOL_DESTINATION) {
            kept = at;
            *next_at = number_at;
        }
    }
    return kept;
}

int fd_cut_begin(struct fd_cut *cut, const uint8_t *packet, uint32_t captured, uint32_t mtu,
                 uint32_t identification)
{
    struct fd_parsed parsed;
    uint32_t overhead;

    if (fd_parse(packet, captured, &parsed) == 0 || parsed.length > captured)
        return 0;
    *cut = (struct fd_cut){.packet = packet,
                           .end = parsed.length,
                           .identification = identification,
                           .is_ipv6 = (parsed.headers & FD_HAS(FD_HEADER_IPV6)) != 0};
    if (cut->is_ipv6) {
        cut->header_length = unfragmentable(packet, cut->end, &cut->next_at);
        overhead = cut->header_length + FD_IPV6_FRAGMENT_LENGTH;
    } else {
        uint32_t bits = fd_be16(packet + IPV4_FRAGMENT);
        cut->header_length = overhead = (uint32_t)(packet[0] & 0x0f) * 4;
        cut->first_offset = bits & IPV4_OFFSET;
        cut->more = (bits & IPV4_MORE) != 0;
        if (cut->first_offset != 0 || cut->more)
            cut->identification = fd_be16(packet + IPV4_ID);
    }
    cut->at = cut->header_length;
    if (cut->header_length == 0 || overhead > FD_CUT_HEADER_MAX || mtu < overhead + 8)
        return 0;
    cut->step = (mtu - overhead) / 8 * 8;
    return 1;
}

/* Options that only the first fragment has become padding in the others. */
static void clear_options(uint8_t *header, uint32_t length)
{
    uint32_t at = FD_IPV4_LENGTH;

    while (at < length && header[at] != OPTION_END) {
        uint32_t size = header[at] == OPTION_NOP || at + 1 == length ? 1 : header[at + 1];
        if (size == 0 || size > length - at || (size < 2 && header[at] != OPTION_NOP))
            return; /* broken: as it is */
        if ((header[at] & OPTION_COPIED) == 0)
            for (uint32_t i = 0; i < size; i++)
                header[at + i] = OPTION_NOP;
        at += size;
    }
}

static uint32_t write_ipv4(const struct fd_cut *cut, uint8_t *header, uint32_t length, int more)
{
    uint32_t offset = cut->first_offset + (cut->at - cut->header_length) / 8;

    copy(header, cut->packet, cut->header_length);
    if (cut->at != cut->header_length)
        clear_options(header, cut->header_length);
    fd_put_be16(header + 2, cut->header_length + length);
    fd_put_be16(header + IPV4_ID, cut->identification);
    fd_put_be16(header + IPV4_FRAGMENT,
                (fd_be16(header + IPV4_FRAGMENT) & IPV4_DONT) | (more ? IPV4_MORE : 0u) | offset);
    fd_put_be16(header + FD_IPV4_CHECKSUM, 0);
    uint16_t checksum = (uint16_t)~fd_fold(fd_sum(header, cut->header_length));
    fd_copy(header + FD_IPV4_CHECKSUM, &checksum, sizeof(checksum));
    return cut->header_length;
}

static uint32_t write_ipv6(const struct fd_cut *cut, uint8_t *header, uint32_t length, int more)
{
    uint8_t *fragment = header + cut->header_length;
    uint32_t all = cut->header_length + FD_IPV6_FRAGMENT_LENGTH;

    copy(header, cut->packet, cut->header_length);
    fragment[0] = header[cut->next_at];
    header[cut->next_at] = FD_PROTOCOL_FRAGMENT;
    fd_put_be16(header + 4, all - FD_IPV6_LENGTH + length);
    fragment[1] = 0;
    fd_put_be16(fragment + 2, (cut->at - cut->header_length) | (more ? 1u : 0u));
    fd_put_be16(fragment + 4, cut->identification >> 16);
    fd_put_be16(fragment + 6, cut->identification & 0xffff);
    return all;
}

uint32_t fd_cut_next(struct fd_cut *cut, uint8_t header[FD_CUT_HEADER_MAX], uint32_t *data_at,
                     uint32_t *length)
{
    uint32_t left = cut->end - cut->at;

    if (left == 0)
        return 0;
    *data_at = cut->at;
    *length = left < cut->step ? left : cut->step;
    int more = *length < left || cut->more;
    uint32_t written = cut->is_ipv6 ? write_ipv6(cut, header, *length, more)
                                    : write_ipv4(cut, header, *length, more);
    cut->at += *length;
    return written;
}
