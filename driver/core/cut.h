/* SPDX-License-Identifier: MIT */
/* A packet cut into fragments: RFC 791 3.2, RFC 8200 4.5. Nothing is copied but
 * the headers that each fragment repeats. */
#ifndef FD_CORE_CUT_H
#define FD_CORE_CUT_H

#include "packet.h"

#define FD_CUT_HEADER_MAX 256u /* longer ones are not cut */

struct fd_cut {
    const uint8_t *packet;
    uint32_t header_length; /* that every fragment has: of the packet's */
    uint32_t end;
    uint32_t at;           /* the data of the next fragment */
    uint32_t step;         /* its length, but for the last */
    uint32_t first_offset; /* IPv4: the packet is itself a fragment */
    uint32_t more;
    uint32_t identification;
    uint32_t next_at; /* IPv6: where the fragment header's number goes */
    int is_ipv6;
};

/* 1, or 0 if the packet cannot be cut: no IP packet, not all here, an IPv6
 * fragment, or headers that leave no room. Whether it may be is the caller's to
 * know. mtu is that of the IP packet. */
int fd_cut_begin(struct fd_cut *cut, const uint8_t *packet, uint32_t captured, uint32_t mtu,
                 uint32_t identification);

/* The next fragment: its headers are written to header, its data is *length
 * bytes of the packet from *data_at on. Returns the headers' length, 0 after
 * the last one. */
uint32_t fd_cut_next(struct fd_cut *cut, uint8_t header[FD_CUT_HEADER_MAX], uint32_t *data_at,
                     uint32_t *length);

#endif
