/* SPDX-License-Identifier: MIT */
/* A packet of ours in the stack, from the copy of its bytes to the call that
 * says that it is through. */
#ifndef FD_WINDOWS_INJECTION_H
#define FD_WINDOWS_INJECTION_H

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
    ULONG gso_size; /* not 0: may be a super-packet, to be cut into segments of so much payload */
};

/* A packet on its way: its bytes are a copy, which no process can reach. */
struct fd_injection {
    struct fd_injection *next; /* segment of the same packet, until they are in the stack */
    struct fd_handle *handle;
    PMDL mdl;
    NET_BUFFER_LIST *list;
    ULONG size;
    DECLSPEC_ALIGN(16) UCHAR bytes[];
};

/* Counted as outstanding until it is destroyed; NULL for want of memory. */
struct fd_injection *fd_injection_create(struct fd_handle *handle, ULONG size);
void fd_injection_destroy(struct fd_injection *injection);

/* All that its first length bytes need on their way, so that afterwards only
 * the stack can refuse it. */
NTSTATUS fd_injection_prepare(struct fd_injection *injection, ULONG length, ULONG flags);

/* Consumes what is prepared, whatever becomes of it. */
NTSTATUS fd_injection_give(struct fd_injection *injection, const struct fd_way *way,
                           HANDLE signed_by);

/* Whose it is, as fd_injection_origin reads it: the order of the handle, and
 * whether the packet is the host's own, which no program has made or changed. */
HANDLE fd_injection_signature(const struct fd_handle *handle, BOOLEAN hosts);

/* Who sent this packet, from the point's side. */
enum fd_origin {
    FD_ORIGIN_HOST,     /* also: put back by us unseen */
    FD_ORIGIN_IMPOSTOR, /* a program */
    FD_ORIGIN_PASSED,   /* has been at this handle, or is of one behind it: leave it alone */
};
enum fd_origin fd_injection_origin(const struct fd_handle *handle, const NET_BUFFER_LIST *list,
                                   ULONG flags);

#endif
