/* SPDX-License-Identifier: MIT */
/* One field of every row, in and out, by the field table. */
#ifndef FD_ENGINE_COLUMN_H
#define FD_ENGINE_COLUMN_H

#include "core/program.h"
#include "rows.h"

/* At most FD_BLOCK parsed rows. Which headers a row has is asked of every
 * column, so it is gathered once, side by side. */
struct fd_block {
    const struct fd_rows *rows;
    uint32_t begin;
    uint32_t count;
    uint8_t headers[FD_BLOCK]; /* 0 behind count */
};

void fd_block_open(struct fd_block *block, const struct fd_rows *rows, uint32_t begin);

/* The low 32 bits of the field into values (0 where it is missing) and 0xff or
 * 0 into present; behind count 0. For fields of at most 32 bits, and the low
 * word of IPv4 addresses. */
void fd_column_block(const struct fd_block *block, unsigned field, int32_t index,
                     uint32_t *restrict values, uint8_t *restrict present);

/* Bytes of one element of fd_column_load's output. */
unsigned fd_column_width(unsigned field);

/* The whole column, native endian, element k at out + k * stride; 128-bit
 * values are 16 bytes in network order; timestamps and priorities are signed.
 * Missing: zero. Rows must be parsed. */
void fd_column_load(const struct fd_rows *rows, unsigned field, int32_t index, uint8_t *out,
                    uint64_t stride);

/* Where rows have the field: 1 or 0. */
void fd_column_present(const struct fd_rows *rows, unsigned field, int32_t index, uint8_t *out);

/* 1 if a user may write the field. */
int fd_column_writable(unsigned field, unsigned layer);

/* Writes values[k] (fd_column_width bytes each, native endian; 128-bit: network
 * order) where selected[k] (NULL: everywhere) and the row has the field. The
 * caller has checked that the values fit. IPv4 and transport checksums that
 * cover the field are adjusted by RFC 1624. Rows whose layout this may change
 * must be parsed again: returns 1 then. */
int fd_column_store(const struct fd_rows *rows, unsigned field, int32_t index,
                    const uint8_t *values, const uint8_t *selected);

#endif
