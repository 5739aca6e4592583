/* SPDX-License-Identifier: MIT */
#include "merge.h"

#include <stddef.h>

#include "core/atomic.h"

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
#include <immintrin.h>
#define pause_() _mm_pause()
#elif defined(__aarch64__)
#define pause_() __asm__ volatile("yield")
#else
#define pause_() (void)0
#endif

static int64_t timestamp_at(const struct fd_share *share, uint32_t number)
{
    const struct fd_ring *ring = &share->consumer->ring;
    uint32_t index = (share->consumer->taken + number) & (ring->descriptor_count - 1);

    return (int64_t)fd_load64((const uint64_t *)&ring->descriptors[index].timestamp);
}

/* One take ends where the descriptor region does. */
static uint32_t side_by_side(const struct fd_share *share)
{
    uint32_t count = share->consumer->ring.descriptor_count;

    return count - ((share->consumer->taken + share->expired) & (count - 1));
}

void fd_merge_look(struct fd_share *shares, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct fd_consumer *consumer = shares[i].consumer;
        shares[i].early =
            fd_load32_acquire(&consumer->ring.header->descriptor_head) - consumer->taken;
    }
}

/* Shares come with what they have waiting; returns how many records the first
 * look has found that may be delivered. */
static uint64_t skip_expired(struct fd_share *shares, uint32_t count, int64_t expire_before)
{
    uint64_t early = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct fd_share *share = &shares[i];
        share->count = share->expired = 0;
        while (share->expired < share->waiting &&
               timestamp_at(share, share->expired) < expire_before)
            share->expired++;
        if (share->early > share->waiting) /* the head was a lie */
            share->early = share->waiting;
        if (share->early > share->expired)
            early += share->early - share->expired;
    }
    return early;
}

/* The queue whose next record is the oldest, or NULL. */
static struct fd_share *oldest(struct fd_share *shares, uint32_t count)
{
    struct fd_share *first = NULL;
    int64_t least = INT64_MAX;

    for (uint32_t i = 0; i < count; i++) {
        struct fd_share *share = &shares[i];
        if (share->expired + share->count == share->waiting)
            continue;
        int64_t timestamp = timestamp_at(share, share->expired + share->count);
        if (first == NULL || timestamp < least) {
            first = share;
            least = timestamp;
        }
    }
    return first;
}

void fd_merge_plan(struct fd_share *shares, uint32_t count, uint32_t most, int64_t expire_before)
{
    uint64_t early = skip_expired(shares, count, expire_before);

    while (most-- != 0 && early != 0) {
        struct fd_share *first = oldest(shares, count);
        if (first == NULL || first->count == side_by_side(first))
            return;
        if (first->expired + first->count < first->early)
            early--;
        first->count++;
    }
}

void fd_merge(const struct fd_rows *const *parts, uint32_t *used, uint32_t count,
              const struct fd_rows *out)
{
    for (uint32_t row = 0; row < out->count; row++) {
        uint32_t first = count;
        int64_t least = INT64_MAX;
        for (uint32_t i = 0; i < count; i++) {
            if (used[i] == parts[i]->count)
                continue;
            int64_t timestamp = parts[i]->descriptors[used[i]].timestamp;
            if (first == count || timestamp < least) {
                first = i;
                least = timestamp;
            }
        }
        if (first == count)
            return; /* out->count is the sum of theirs */
        out->descriptors[row] = parts[first]->descriptors[used[first]];
        out->records[row] = parts[first]->records[used[first]];
        used[first]++;
    }
}

int fd_merge_spin(const struct fd_share *shares, uint32_t count, uint32_t turns)
{
    while (turns-- != 0) {
        for (uint32_t i = 0; i < count; i++) {
            const struct fd_consumer *consumer = shares[i].consumer;
            if (fd_load32_acquire(&consumer->ring.header->descriptor_head) != consumer->taken)
                return 1;
        }
        pause_();
    }
    return 0;
}
