/* SPDX-License-Identifier: MIT */
/*
 * The loops over rows, for one instruction set: ROWS(name) gives the names.
 * The sums come from core/checksum.c, which the including file has compiled for
 * that instruction set.
 */

/* The next packets' bytes are wanted soon; see rows.c. */
#define PREFETCH_ROWS 4u

#define CHECKSUMS_VALID                                                  \
    ((uint32_t)(FD_FLAG_IP_CHECKSUM_VALID | FD_FLAG_TCP_CHECKSUM_VALID | \
                FD_FLAG_UDP_CHECKSUM_VALID))
/* Each PARTIAL flag lies this many bits above its VALID flag. */
#define VALID_TO_PARTIAL 3

void ROWS(update)(const struct fd_rows *rows, unsigned flags, uint8_t *done)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct fd_record *record = &rows->records[i];
        uint32_t written = 0;
        if (i + PREFETCH_ROWS < rows->count)
            __builtin_prefetch(record[PREFETCH_ROWS].packet);
        done[i] = (uint8_t)fd_checksum_update(record->packet, &rows->parsed[i], flags, &written);
        written &= CHECKSUMS_VALID;
        /* What was computed in full is no longer partial. */
        rows->descriptors[i].flags &= ~(written << VALID_TO_PARTIAL);
        rows->descriptors[i].flags |= written;
    }
}

void ROWS(verify)(const struct fd_rows *rows, uint8_t *result)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct fd_record *record = &rows->records[i];
        if (i + PREFETCH_ROWS < rows->count)
            __builtin_prefetch(record[PREFETCH_ROWS].packet);
        result[i] = (uint8_t)fd_checksum_verify(record->packet, &rows->parsed[i]);
    }
}
