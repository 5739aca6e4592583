/* SPDX-License-Identifier: MIT */
/* What this host can do, by trying: lists of features lie. Nothing is attached
 * and no packet is touched. */
#ifndef FD_LINUX_PROBE_H
#define FD_LINUX_PROBE_H

#include "error.h"

enum fd_check_id {
    FD_CHECK_BPF = 0,  /* bpf(2) is allowed */
    FD_CHECK_BTF,      /* the kernel describes its types */
    FD_CHECK_KFUNCS,   /* and has the functions that we call */
    FD_CHECK_TCX,      /* programs can be linked to interfaces */
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

#endif
