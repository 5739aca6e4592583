/* SPDX-License-Identifier: MIT */
/* The way back into the stack: what may go, and as what. */
#ifndef FD_WINDOWS_INJECT_H
#define FD_WINDOWS_INJECT_H

#include "injection.h"

/* Copies a packet, checks it and gives it to the stack; way.flags is set to its
 * family. Of one that is untouched nobody has had the bytes: it goes on as what
 * it was. */
NTSTATUS fd_inject(struct fd_handle *handle, const UCHAR *packet, ULONG length, struct fd_way *way,
                   BOOLEAN untouched);

/* A packet of the host that no filter of this handle's wanted, but that came in
 * a list with one that it did; the buffer begins with the IP header. */
void fd_inject_unmatched(struct fd_handle *handle, PNET_BUFFER buffer, const struct fd_way *way);

/* What became of a packet of the host's that was put back unseen. */
void fd_inject_count_returned(struct fd_handle *handle, NTSTATUS status);

#endif
