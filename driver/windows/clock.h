/* SPDX-License-Identifier: MIT */
/* The timestamps of descriptors: ns since the epoch, and monotonic. */
#ifndef FD_WINDOWS_CLOCK_H
#define FD_WINDOWS_CLOCK_H

#include "nt.h"

void fd_clock_start(void);
LONG64 fd_clock_now(void);

/* The time at fd_clock_start, and the performance counter then: with both, user
 * mode can tell the same time. */
LONG64 fd_clock_origin(LONG64 *counter);

#endif
