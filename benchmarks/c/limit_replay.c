/* SPDX-License-Identifier: MIT */
/* The least that a packet's way can cost: judged, copied into a ring, edited
 * (TTL, with its checksum). */
#include "packets.h"

uint32_t limit_replay(const struct packets *packets, struct fd_descriptor *ring, uint8_t *bytes,
                      uint32_t room, uint8_t ttl)
{
    uint32_t sent = 0;
    for (uint32_t i = 0; i < packets->count; i++) {
        const uint8_t *packet = packet_at(packets, i);
        uint32_t length = packets->lengths[i];
        struct fd_descriptor *to = &ring[i % room];
        describe(packet, length, to);
        uint8_t *copy = bytes + (size_t)(i % room) * 2048;
        memcpy(copy, packet, length);
        if (!(to->flags & FD_FLAG_IPV6)) {
            uint32_t sum =
                (uint32_t)(uint16_t)~load16(copy + 10) + (uint8_t)~copy[8] + 0xff00u + ttl;
            copy[8] = ttl;
            sum = (sum >> 16) + (sum & 0xffff);
            store16(copy + 10, (uint16_t)~((sum >> 16) + sum));
        }
        sent += copy[0] != 0;
    }
    return sent;
}
