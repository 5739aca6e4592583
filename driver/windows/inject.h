/* SPDX-License-Identifier: MIT */
/* The way back into the stack. */
#ifndef FD_WINDOWS_INJECT_H
#define FD_WINDOWS_INJECT_H

#include "handle.h"
#include "nt.h"

/* With the driver: injection handles and the pool of NET_BUFFER_LISTs. */
NTSTATUS fd_injection_start(PDRIVER_OBJECT driver);
void fd_injection_stop(void); /* waits for every packet that is in the stack */

/* What is known of a packet but its bytes. */
struct fd_way {
    ULONG flags; /* enum fd_descriptor_flag: direction, forwarded, checksum states */
    ULONG ifindex;
    ULONG subifindex;
    ULONG compartment;
};

/* FLUSH, under the control mutex; count is how many statuses there is room for. */
void fd_inject_flush(struct fd_handle *handle, ULONG count, BOOLEAN untouched,
                     struct fd_windows_flushed *flushed, LONG *statuses);

/* A packet of the host that no filter of this handle's wanted, but that came in
 * a list with one that it did; the buffer begins with the IP header. */
void fd_inject_unmatched(struct fd_handle *handle, PNET_BUFFER buffer, const struct fd_way *way);

/* What stands in a receive queue and nobody has taken, when a handle closes. */
void fd_inject_undelivered(struct fd_handle *handle, struct fd_queue *queue);

/* Who sent this packet, from the point's side. */
enum fd_origin {
    FD_ORIGIN_HOST,     /* also: put back by us unseen */
    FD_ORIGIN_IMPOSTOR, /* a program */
    FD_ORIGIN_PASSED,   /* has been at this handle, or is of one behind it: leave it alone */
};
enum fd_origin fd_inject_origin(const struct fd_handle *handle, const NET_BUFFER_LIST *list,
                                ULONG flags);

#endif
