/* SPDX-License-Identifier: MIT */
/*
 * How a classify function comes to its handle. A filter of the filter engine
 * carries a key and no pointer: one that is classified late, after its handle
 * has gone, finds a closed slot. Slots are static and never go away.
 *
 * A slot counts who is inside, by epoch. A new filter program goes into the
 * epoch that is not current; then the epochs are swapped, and whoever swapped
 * waits until the old one is empty. So a packet is judged by one program from
 * beginning to end, and takes no lock for it.
 *
 * This is a rundown reference with two counts (Wine has no ExAcquireRundown-
 * Protection either).
 */
#ifndef FD_WINDOWS_SLOT_H
#define FD_WINDOWS_SLOT_H

#include "nt.h"

struct fd_handle;

/* Once, before any other. */
void fd_slots_initialise(void);

/* A key, or 0: all slots are taken. */
ULONG64 fd_slot_open(struct fd_handle *handle);

/* NULL: the handle of this key is closed. Otherwise it stays what it is until
 * fd_slot_leave with the same epoch, at any IRQL up to DISPATCH_LEVEL. */
struct fd_handle *fd_slot_enter(ULONG64 key, ULONG *epoch);
void fd_slot_leave(ULONG64 key, ULONG epoch);

/* The epoch into which to write; only the holder of the handle's control mutex
 * may ask, swap or close, at PASSIVE_LEVEL. */
ULONG fd_slot_idle_epoch(ULONG64 key);

/* Makes the idle epoch the current one; returns when nobody is in the other. */
void fd_slot_swap(ULONG64 key);

/* Returns when nobody is inside, and nobody comes in any more. */
void fd_slot_close(ULONG64 key);

#endif
