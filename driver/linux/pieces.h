/* SPDX-License-Identifier: MIT */
/*
 * A packet that is longer than its device's MTU: put together from fragments,
 * or edited. On its way in, the host's stack takes fragments as well; on its
 * way out, they are what the stack itself would have made of it, unless the
 * packet forbids it.
 */
#ifndef FD_LINUX_PIECES_H
#define FD_LINUX_PIECES_H

#include <sys/socket.h>

#include "way_back.h"

/* Sends the packet of the message, which is offload header, L2 header and
 * packet, in fragments. state: of every slot. 0, or an errno: EMSGSIZE if it must
 * not, or cannot, be cut. */
int fd_pieces_send(int socket, const struct msghdr *whole, const struct fd_descriptor *descriptor,
                   const struct fd_record *record, uint32_t state, struct fd_way_back *back);

#endif
