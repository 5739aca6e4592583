/* SPDX-License-Identifier: MIT */
/* Out of a ring and into the stack. */
#ifndef FD_WINDOWS_FLUSH_H
#define FD_WINDOWS_FLUSH_H

#include "handle.h"

/* FLUSH, under the control mutex; count is how many statuses there is room for. */
void fd_flush(struct fd_handle *handle, ULONG count, BOOLEAN untouched,
              struct fd_windows_flushed *flushed, LONG *statuses);

/* What stands in a receive queue and nobody has taken, when a handle closes. */
void fd_flush_undelivered(struct fd_handle *handle, struct fd_queue *queue);

#endif
