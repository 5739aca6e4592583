/* SPDX-License-Identifier: MIT */
/*
 * A filter of clsact outlives the process that attached it. So what is attached
 * there is a trampoline: it jumps through a table of programs, and the kernel
 * empties that table when the last process that holds it has gone, however it
 * went. From then on the trampoline says "next", and packets pass.
 */
#ifndef FD_LINUX_TRAMPOLINE_H
#define FD_LINUX_TRAMPOLINE_H

#include <stdint.h>

#include "error.h"

struct fd_trampolines {
    int table;       /* by enum fd_direction */
    int programs[2]; /* the trampolines, by enum fd_direction */
    uint32_t ids[2]; /* the kernel's numbers of those, never used twice */
};

int fd_trampolines_open(struct fd_trampolines *trampolines, int priority, struct fd_error *error);
void fd_trampolines_close(struct fd_trampolines *trampolines);

/* Where they jump to from now on. */
int fd_trampolines_aim(struct fd_trampolines *trampolines, const int programs[2],
                       struct fd_error *error);

#endif
