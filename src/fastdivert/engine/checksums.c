/* SPDX-License-Identifier: MIT */
#include "checksums.h"

#include "checksums_avx2.h"
#include "core/checksum.h"
#include "core/hash.h"

#include <stddef.h>

#define ROWS(name) name##_rows
static void update_rows(const struct fd_rows *rows, unsigned flags, uint8_t *done);
static void verify_rows(const struct fd_rows *rows, uint8_t *result);
#include "checksums_rows.h"

void fd_checksums_update(const struct fd_rows *rows, unsigned flags, uint8_t *done)
{
#ifdef FD_HAVE_AVX2
    if (__builtin_cpu_supports("avx2")) {
        fd_rows_update_avx2(rows, flags, done);
        return;
    }
#endif
    update_rows(rows, flags, done);
}

void fd_checksums_verify(const struct fd_rows *rows, uint8_t *result)
{
#ifdef FD_HAVE_AVX2
    if (__builtin_cpu_supports("avx2")) {
        fd_rows_verify_avx2(rows, result);
        return;
    }
#endif
    verify_rows(rows, result);
}

static void prefetch(const struct fd_rows *rows, uint32_t row)
{
    if (row + PREFETCH_ROWS < rows->count)
        __builtin_prefetch(rows->records[row + PREFETCH_ROWS].packet);
}

void fd_hashes(const struct fd_rows *rows, uint64_t seed, uint64_t *hashes)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct fd_parsed *parsed = &rows->parsed[i];
        int whole = parsed->headers != 0 && !(parsed->state & FD_PARSED_TRUNCATED);
        prefetch(rows, i);
        hashes[i] = whole ? fd_hash(rows->records[i].packet, parsed, seed) : 0;
    }
}

void fd_decrement_ttls(const struct fd_rows *rows, const uint8_t *selected, uint8_t *done)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        prefetch(rows, i);
        done[i] = (selected == NULL || selected[i])
                      ? (uint8_t)fd_decrement_ttl(rows->records[i].packet, &rows->parsed[i])
                      : 0;
    }
}
