/* SPDX-License-Identifier: MIT */
/* A pcapng interface's clock: ticks of 10^-n or 2^-n seconds since the epoch
 * plus an offset, as nanoseconds. Exact (rounded down) for every resolution
 * that if_tsresol can say; what int64 cannot hold becomes its nearest end. */
#ifndef FD_ENGINE_CAPTURE_TIME_H
#define FD_ENGINE_CAPTURE_TIME_H

#include <stdint.h>

struct fd_capture_clock {
    uint64_t multiplier; /* of ticks of 1 ns or longer, without an offset ... */
    uint64_t limit;      /* ... below this many ticks; 0: always take the long way */
    int64_t offset;      /* if_tsoffset, seconds */
    uint8_t resolution;  /* if_tsresol: n, with bit 7 for powers of two */
};

void fd_capture_clock_set(struct fd_capture_clock *clock, uint8_t resolution, int64_t offset);

/* Any clock, any number of ticks. */
int64_t fd_capture_clock_convert(const struct fd_capture_clock *clock, uint64_t ticks);

static inline int64_t fd_capture_nanoseconds(const struct fd_capture_clock *clock, uint64_t ticks)
{
    if (ticks < clock->limit)
        return (int64_t)(ticks * clock->multiplier);
    return fd_capture_clock_convert(clock, ticks);
}

#endif
