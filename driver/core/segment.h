/* SPDX-License-Identifier: MIT */
/*
 * A super-packet (GSO, LSO) as the packets that go over the wire: each has its
 * own length, IPv4 identification, sequence number and flags; FIN and PSH are on
 * the last one only, CWR on the first only.
 */
#ifndef FD_CORE_SEGMENT_H
#define FD_CORE_SEGMENT_H

#include "packet.h"

struct fd_super {
    const uint8_t *packet;
    const struct fd_parsed *parsed;
    uint32_t size;  /* payload of a segment, but for the last */
    uint32_t count; /* of the segments; 1 is a packet that stays as it is */
};

/* Looks at a packet that may be one: size is what a segment is to carry, 0 of a
 * packet that is none. Returns how many segments it becomes: 1 also for what
 * cannot be cut (no TCP or UDP header, not all here, a fragment, a segment that
 * would be longer than IP allows). */
uint32_t fd_super_begin(struct fd_super *super, const uint8_t *packet, uint32_t captured,
                        const struct fd_parsed *parsed, uint32_t size);

/* As fd_parse, for a super-packet whose length nobody has written into its IP
 * header, as a device that cuts needs none: all that is captured belongs to it.
 * The header gets the length, or the greatest that it can hold. */
unsigned fd_super_parse(uint8_t *packet, uint32_t captured, struct fd_parsed *parsed);

/* Bytes of all segments: the headers are in each of them, so that it can be much
 * more than the packet has. */
uint64_t fd_super_size(const struct fd_super *super);

/* Headers and payload of a segment of a packet that is cut; number is below
 * count. */
uint32_t fd_segment_length(const struct fd_super *super, uint32_t number);

/* Writes it; segment has room for so many bytes. Its checksums are the
 * super-packet's, and wrong. */
void fd_segment_write(const struct fd_super *super, uint32_t number, uint8_t *segment);

/* Writes it with its own checksums, and returns its length. */
uint32_t fd_segment_write_complete(const struct fd_super *super, uint32_t number, uint8_t *segment);

#endif
