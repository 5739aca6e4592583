/* SPDX-License-Identifier: MIT */
/*
 * Rows with super-packets (GSO) become rows with the packets that go over the
 * wire (core/segment.h). A checksum that was partial is partial in each; others
 * are computed.
 */
#ifndef FD_ENGINE_SEGMENT_H
#define FD_ENGINE_SEGMENT_H

#include "rows.h"

/* How many packets a row becomes: 1 for what is no super-packet, or none that
 * could be cut (no TCP or UDP header, not all here, a fragment). */
uint32_t fd_segment_count(const struct fd_rows *rows, uint32_t row);

/* Rows that all of rows become, and the bytes that those which are cut need. */
uint64_t fd_segments_measure(const struct fd_rows *rows, uint64_t *bytes);

/* Fills out, which has room for that many rows. What is not cut shares its
 * bytes; the others are written to bytes, each at a 64-byte boundary. */
void fd_segments_write(const struct fd_rows *rows, const struct fd_rows *out, uint8_t *bytes);

#endif
