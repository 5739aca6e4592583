/* SPDX-License-Identifier: MIT */
/* The wall clock, read once; from then on the performance counter carries it,
 * which nobody sets back while packets wait. */
#include "clock.h"

#define NS 1000000000ll
#define FILETIME_NS 100ll                /* a tick of the system time */
#define EPOCH_TICKS 116444736000000000ll /* from 1601 to 1970, in those */

static LONG64 frequency;
static LONG64 start_counter;
static LONG64 start_ns;

void fd_clock_start(void)
{
    LARGE_INTEGER time, rate;

    KeQuerySystemTimePrecise(&time);
    start_counter = KeQueryPerformanceCounter(&rate).QuadPart;
    frequency = rate.QuadPart > 0 ? rate.QuadPart : 1;
    start_ns = (time.QuadPart - EPOCH_TICKS) * FILETIME_NS;
}

LONG64 fd_clock_now(void)
{
    LONG64 passed = KeQueryPerformanceCounter(NULL).QuadPart - start_counter;

    /* In two parts, because ticks times NS would overflow after minutes. */
    return start_ns + passed / frequency * NS + passed % frequency * NS / frequency;
}

LONG64 fd_clock_origin(LONG64 *counter)
{
    *counter = start_counter;
    return start_ns;
}
