/* SPDX-License-Identifier: MIT */
/*
 * What this kernel has of that which came late, found by loading a program
 * that uses it: neither a version nor a list of symbols says what the verifier
 * takes (distributions carry features back, and builds leave some out).
 */
#ifndef FD_LINUX_KERNEL_FEATURES_H
#define FD_LINUX_KERNEL_FEATURES_H

#include <stdint.h>

#include "error.h"

struct fd_btf;

struct fd_features {
    uint8_t tcx;   /* programs link to an interface by themselves (6.6) */
    uint8_t casts; /* bpf_cast_to_kern_ctx: a packet's metadata can be read (6.2) */
    uint8_t reads; /* bpf_probe_read_kernel: not under lockdown for confidentiality */
    uint8_t loops; /* bpf_iter_num: loops of any length (6.4) */
};

/* 0, or -1 if programs cannot be loaded at all. btf may be NULL: no casts. */
int fd_features_find(struct fd_features *features, const struct fd_btf *btf,
                     struct fd_error *error);

/* "full": tcx; "clsact": all else that we load on. */
const char *fd_features_tier(const struct fd_features *features);

#endif
