/* SPDX-License-Identifier: MIT */
/* Which interface the host would send a packet to: for packets of a user's own
 * making that name none. */
#ifndef FD_LINUX_ROUTE_H
#define FD_LINUX_ROUTE_H

#include <stdint.h>

/* A socket to ask by, of the calling thread's network namespace; -1: errno. */
int fd_route_open(void);

/* 0 and the index, or an errno: ENETUNREACH if no route leads there. mark: as
 * the packet will have it. One thread at a time. */
int fd_route_find(int socket, const uint8_t *packet, uint32_t captured, uint32_t mark,
                  uint32_t *ifindex);

#endif
