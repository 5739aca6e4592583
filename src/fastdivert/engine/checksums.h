/* SPDX-License-Identifier: MIT */
/* Checksums, hashes and TTLs of a whole batch. Rows must be parsed. */
#ifndef FD_ENGINE_CHECKSUMS_H
#define FD_ENGINE_CHECKSUMS_H

#include "rows.h"

/* done[i]: what fd_checksum_update returned. The descriptors' checksum flags
 * follow what was written. */
void fd_checksums_update(const struct fd_rows *rows, unsigned flags, uint8_t *done);

/* result[i]: a set of enum fd_checksum_result. */
void fd_checksums_verify(const struct fd_rows *rows, uint8_t *result);

/* WinDivertHelperHashPacket: 0 for what is no packet, or is truncated. */
void fd_hashes(const struct fd_rows *rows, uint64_t seed, uint64_t *hashes);

/* done[i]: what fd_decrement_ttl returned. */
void fd_decrement_ttls(const struct fd_rows *rows, const uint8_t *selected, uint8_t *done);

#endif
