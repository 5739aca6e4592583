/* SPDX-License-Identifier: MIT */
/*
 * A batch as the kernels see it: three parallel arrays.
 *
 * descriptors may lie in memory that the other side or the user can write, so
 * kernels take only values from it, never a place or a length; records and
 * parsed are private, checked copies.
 */
#ifndef FD_ENGINE_ROWS_H
#define FD_ENGINE_ROWS_H

#include "core/packet.h"
#include "core/ring.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "fastdivert's kernels are written for little-endian hosts"
#endif

/* Kernels work in blocks of this many rows, so that a block's headers and
 * columns stay in the first-level cache. */
#define FD_BLOCK 256u

struct fd_rows {
    struct fd_descriptor *descriptors;
    struct fd_record *records;
    struct fd_parsed *parsed;
    uint32_t count;
    uint32_t layer; /* enum fd_layer, of every row */
};

static inline int fd_is_network(uint32_t layer)
{
    return layer <= FD_LAYER_NETWORK_FORWARD;
}

/* Parses rows [begin, end); event rows have no headers. */
void fd_rows_parse(const struct fd_rows *rows, uint32_t begin, uint32_t end);

/* Writes what was parsed into the descriptors (see fd_describe). */
void fd_rows_describe(const struct fd_rows *rows);

/* Both, for packets: faster than one after the other. */
void fd_rows_parse_and_describe(const struct fd_rows *rows);

/* out[k] = rows[index[k]] for all three arrays. The caller has checked index. */
void fd_rows_gather(const struct fd_rows *rows, const uint32_t *index, const struct fd_rows *out);

/* Bytes that fd_rows_copy needs for the packets, each at a 64-byte boundary. */
uint64_t fd_rows_bytes(const struct fd_rows *rows);

/* Copies descriptors, L2 bytes and packets into out, whose packets go into
 * bytes; out's descriptors get offsets relative to bytes. */
void fd_rows_copy(const struct fd_rows *rows, const struct fd_rows *out, uint8_t *bytes);

#endif
