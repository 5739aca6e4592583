/* SPDX-License-Identifier: MIT */
/*
 * Who a mark belongs to. The magic in it is drawn from the boot's id and the
 * network namespace, the same for every process in it; the owner's number is
 * held by an abstract socket address, which is one namespace's, is taken
 * atomically, and is free again the moment its process is gone.
 */
#ifndef FD_LINUX_OWNER_H
#define FD_LINUX_OWNER_H

#include <stdint.h>

#include "error.h"

struct fd_owner {
    int socket;
    uint32_t number; /* from 1 */
    uint32_t mark;   /* magic and owner, slot 0 */
    uint64_t note;   /* the namespace's secret for skb->cb */
};

int fd_owner_take(struct fd_owner *owner, struct fd_error *error);
void fd_owner_free(struct fd_owner *owner);

/* Whether a handle of this number is open in the calling thread's namespace. */
int fd_owner_lives(uint32_t number);

/* One process at a time changes what handles of a namespace share. The lock
 * dies with its holder. Returns what fd_owner_unlock wants, or -1. */
int fd_owner_lock(struct fd_error *error);
void fd_owner_unlock(int lock);

#endif
