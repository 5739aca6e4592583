/* SPDX-License-Identifier: MIT */
#include "capture_time.h"

#define NANOSECONDS 1000000000u

static const uint64_t power_of_ten[20] = {
    1ull,
    10ull,
    100ull,
    1000ull,
    10000ull,
    100000ull,
    1000000ull,
    10000000ull,
    100000000ull,
    1000000000ull,
    10000000000ull,
    100000000000ull,
    1000000000000ull,
    10000000000000ull,
    100000000000000ull,
    1000000000000000ull,
    10000000000000000ull,
    100000000000000000ull,
    1000000000000000000ull,
    10000000000000000000ull,
};

/* fraction * 10^9 / 2^shift, for shift up to 127: the product has 94 bits. */
static uint64_t binary_nanoseconds(uint64_t fraction, unsigned shift)
{
    uint64_t low = (fraction & 0xffffffffu) * NANOSECONDS;
    uint64_t middle = (fraction >> 32) * NANOSECONDS + (low >> 32);

    low = (low & 0xffffffffu) | middle << 32;
    middle >>= 32; /* now the upper half of the product */
    if (shift >= 64)
        return middle >> (shift - 64);
    return shift == 0 ? low : low >> shift | middle << (64 - shift);
}

static void split_binary(uint64_t ticks, unsigned n, uint64_t *seconds, uint64_t *nanoseconds)
{
    *seconds = n < 64 ? ticks >> n : 0;
    *nanoseconds = binary_nanoseconds(n < 64 ? ticks & ((1ull << n) - 1) : ticks, n);
}

static void split_decimal(uint64_t ticks, unsigned n, uint64_t *seconds, uint64_t *nanoseconds)
{
    uint64_t fraction = ticks;

    *seconds = 0;
    if (n <= 19) {
        *seconds = ticks / power_of_ten[n];
        fraction = ticks % power_of_ten[n];
    }
    if (n <= 9)
        *nanoseconds = fraction * power_of_ten[9 - n];
    else
        *nanoseconds = n - 9 <= 19 ? fraction / power_of_ten[n - 9] : 0;
}

int64_t fd_capture_clock_convert(const struct fd_capture_clock *clock, uint64_t ticks)
{
    const int64_t most = INT64_MAX / NANOSECONDS, least = INT64_MIN / NANOSECONDS;
    uint64_t seconds, nanoseconds;
    int64_t total;

    if (clock->resolution & 0x80)
        split_binary(ticks, clock->resolution & 0x7fu, &seconds, &nanoseconds);
    else
        split_decimal(ticks, clock->resolution, &seconds, &nanoseconds);

    /* seconds + offset, kept within int64 */
    if (clock->offset >= 0) {
        if (seconds > (uint64_t)(INT64_MAX - clock->offset))
            return INT64_MAX;
        total = (int64_t)seconds + clock->offset;
    } else {
        uint64_t back = 0 - (uint64_t)clock->offset;

        if (seconds >= back) {
            if (seconds - back > (uint64_t)INT64_MAX)
                return INT64_MAX;
            total = (int64_t)(seconds - back);
        } else {
            total = (int64_t)seconds + clock->offset;
        }
    }
    if (total > most || (total == most && nanoseconds > (uint64_t)(INT64_MAX % NANOSECONDS)))
        return INT64_MAX;
    if (total < least)
        return INT64_MIN;
    return total * (int64_t)NANOSECONDS + (int64_t)nanoseconds;
}

void fd_capture_clock_set(struct fd_capture_clock *clock, uint8_t resolution, int64_t offset)
{
    clock->resolution = resolution;
    clock->offset = offset;
    clock->multiplier = 0;
    clock->limit = 0;
    if (resolution <= 9 && offset == 0) {
        clock->multiplier = power_of_ten[9 - resolution];
        clock->limit = (uint64_t)INT64_MAX / clock->multiplier + 1;
    }
}
