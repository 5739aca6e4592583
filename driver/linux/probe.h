/* SPDX-License-Identifier: MIT */
/* What this host can do, by trying: lists of features lie. Nothing is attached
 * and no packet is touched. */
#ifndef FD_LINUX_PROBE_H
#define FD_LINUX_PROBE_H

#include "error.h"
#include "kernel_features.h"

enum fd_check_id {
    FD_CHECK_BPF = 0,  /* bpf(2) is allowed */
    FD_CHECK_SOCKET,   /* packets can be sent */
    FD_CHECK_PROGRAMS, /* the verifier takes our programs */
    FD_CHECK_COUNT,
};

struct fd_check {
    const char *name;
    int good;
    struct fd_error error; /* if not good: cause and cure */
};

/* Returns 1 if all are good. */
int fd_probe(struct fd_check checks[FD_CHECK_COUNT]);

/* What the kernel has of that which programs can do without; 0 or -1. */
int fd_probe_features(struct fd_features *features, struct fd_error *error);

#endif
