/* SPDX-License-Identifier: MIT */
#include "checksums.h"

#include "core/checksum.h"
#include "core/hash.h"

#include <stddef.h>

/* The next packets' bytes are wanted soon; see rows.c. */
#define PREFETCH_ROWS 4u

#define CHECKSUMS_VALID                                                                            \
    ((uint32_t)(FD_FLAG_IP_CHECKSUM_VALID | FD_FLAG_TCP_CHECKSUM_VALID | FD_FLAG_UDP_CHECKSUM_VALID))
/* Each PARTIAL flag lies this many bits above its VALID flag. */
#define VALID_TO_PARTIAL 3

static void prefetch(const struct fd_rows *rows, uint32_t row)
{
    if (row + PREFETCH_ROWS < rows->count)
        __builtin_prefetch(rows->records[row + PREFETCH_ROWS].packet);
}

void fd_checksums_update(const struct fd_rows *rows, unsigned flags, uint8_t *done)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t written = 0;
        prefetch(rows, i);
        done[i] = (uint8_t)fd_checksum_update(rows->records[i].packet, &rows->parsed[i], flags, &written);
        written &= CHECKSUMS_VALID;
        /* What was computed in full is no longer partial. */
        rows->descriptors[i].flags &= ~(written << VALID_TO_PARTIAL);
        rows->descriptors[i].flags |= written;
    }
}

void fd_checksums_verify(const struct fd_rows *rows, uint8_t *result)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        prefetch(rows, i);
        result[i] = (uint8_t)fd_checksum_verify(rows->records[i].packet, &rows->parsed[i]);
    }
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
