/* SPDX-License-Identifier: MIT */
/* The in-process producer of the replay driver: what a kernel driver does with
 * each packet, done for a batch. */
#ifndef FD_ENGINE_PRODUCE_H
#define FD_ENGINE_PRODUCE_H

#include "core/program.h"
#include "rows.h"

enum fd_produce_outcome {
    FD_PRODUCE_UNMATCHED = 0, /* goes on as if no handle were there */
    FD_PRODUCE_QUEUED = 1,
    FD_PRODUCE_DROPPED = 2, /* matched, and lost for a counted cause */
};

struct fd_produce_options {
    int wait;           /* stop at the first packet that finds the queue full */
    int count_only;     /* Flag.DROP: matched packets are dropped and not queued */
    uint32_t set_flags; /* FD_FLAG_SNIFFED for Flag.SNIFF */
};

/* Judges rows [begin, count) by the program and queues copies of those that
 * match. outcome[i] says what became of row i. Returns the first row that was
 * not looked at (less than count only with wait). Publishes. */
uint32_t fd_produce(struct fd_producer *producer, const struct fd_program *program,
                    const struct fd_rows *rows, uint32_t begin,
                    const struct fd_produce_options *options, uint8_t *outcome);

#endif
