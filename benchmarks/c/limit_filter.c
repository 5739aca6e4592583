/* SPDX-License-Identifier: MIT */
/* The filters of filters.py as a C programmer would write them: straight from
 * the bytes, nothing kept. */
#include "packets.h"

static inline int one(const uint8_t *packet, uint32_t length)
{
    uint8_t protocol = 0;
    uint32_t at = transport_at(packet, length, &protocol);
    return protocol == TCP && at + 20 <= length && be16(packet + at + 2) == 443;
}

static inline int five(const uint8_t *packet, uint32_t length)
{
    uint8_t protocol = 0;
    uint32_t at = transport_at(packet, length, &protocol);
    return packet[0] >> 4 == 4 && protocol == TCP && at + 20 <= length && packet[at + 13] & 0x10 &&
           packet[8] >= 64 && be16(packet + at + 2) == 443;
}

static inline int is_tcp_service(uint16_t port)
{
    switch (port) {
    case 21:
    case 22:
    case 25:
    case 80:
    case 110:
    case 143:
    case 443:
    case 993:
    case 8080:
    case 8443:
        return 1;
    default:
        return 0;
    }
}

static inline int is_udp_service(uint16_t port)
{
    switch (port) {
    case 53:
    case 67:
    case 123:
    case 161:
    case 500:
        return 1;
    default:
        return 0;
    }
}

static inline int twenty(const uint8_t *packet, uint32_t length)
{
    uint8_t protocol = 0;
    uint32_t at = transport_at(packet, length, &protocol);
    if (at == 0)
        return 0;
    uint16_t port = be16(packet + at + 2);
    if (protocol == TCP && is_tcp_service(port))
        return 1;
    if (protocol == UDP && is_udp_service(port))
        return 1;
    if (packet[0] >> 4 != 4)
        return 0;
    return be32(packet + 16) == 0x0a00004du || be32(packet + 12) == 0xc000004eu || packet[8] == 1 ||
           be16(packet + 2) > 60000 || (protocol == ICMP && packet[at] == 0);
}

#define OVER_ALL(filter)                                                          \
    for (uint32_t i = 0; i < packets->count; i++)                                 \
        matches[i] = (uint8_t)filter(packet_at(packets, i), packets->lengths[i]); \
    break

void limit_filter(const struct packets *packets, uint32_t tests, uint8_t *matches)
{
    switch (tests) {
    case 1:
        OVER_ALL(one);
    case 5:
        OVER_ALL(five);
    default:
        OVER_ALL(twenty);
    }
}
