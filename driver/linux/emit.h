/* SPDX-License-Identifier: MIT */
/*
 * The third back end of the filter language: a verified program as eBPF.
 *
 * The code is a function of (struct __sk_buff *, struct fd_live_packet *) that
 * returns 1 or 0, and means what fd_program_run (driver/core) means.
 */
#ifndef FD_LINUX_EMIT_H
#define FD_LINUX_EMIT_H

#include <stdint.h>

#include "../core/program.h"
#include "error.h"

struct bpf_insn;

struct fd_filter_code {
    struct bpf_insn *instructions;
    uint32_t count;
    uint32_t prefix; /* how many bytes of a packet are worth loading first */
    uint32_t hashes; /* it asks for random8, 16 or 32 */
    uint32_t times;  /* it asks for the timestamp, as those do */
};

/* The program must have been verified, and be of a packet layer. */
int fd_emit(const struct fd_program *program, struct fd_filter_code *code, struct fd_error *error);
void fd_filter_code_free(struct fd_filter_code *code);

#endif
