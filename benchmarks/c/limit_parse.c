/* SPDX-License-Identifier: MIT */
/* The least that parsing can cost: one pass over the headers of well-formed
 * packets, one descriptor written for each. */
#include "packets.h"

void limit_parse(const struct packets *packets, struct fd_descriptor *descriptors)
{
    for (uint32_t i = 0; i < packets->count; i++) {
        const uint8_t *packet = packet_at(packets, i);
        descriptors[i].offset = packets->offsets[i];
        describe(packet, packets->lengths[i], &descriptors[i]);
    }
}
