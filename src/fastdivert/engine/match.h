/* SPDX-License-Identifier: MIT */
/* A filter over a whole batch. */
#ifndef FD_ENGINE_MATCH_H
#define FD_ENGINE_MATCH_H

#include "core/program.h"
#include "rows.h"

/* matches[i] = 1 where the (verified) program matches row i, else 0. Rows
 * that are not packets never match. Parses the rows too if parse is set.
 * Returns 0, or -1 without memory. */
int fd_match(const struct fd_rows *rows, const struct fd_program *program, int parse,
             uint8_t *matches);

/* The same, one row at a time by the core interpreter: what a driver runs. */
void fd_match_interpreted(const struct fd_rows *rows, const struct fd_program *program, int parse,
                          uint8_t *matches);

#endif
