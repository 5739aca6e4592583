/* SPDX-License-Identifier: MIT */
#ifndef FD_ENGINE_CHECKSUMS_AVX2_H
#define FD_ENGINE_CHECKSUMS_AVX2_H

#include "rows.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define FD_HAVE_AVX2 1
void fd_rows_update_avx2(const struct fd_rows *rows, unsigned flags, uint8_t *done);
void fd_rows_verify_avx2(const struct fd_rows *rows, uint8_t *result);
#endif

#endif
