/* SPDX-License-Identifier: MIT */
/*
 * Where a handle stands in the chain of an interface. The chain's order is the
 * order of priorities, higher first, in both directions, whatever processes the
 * handles belong to. How programs get there depends on the kernel: links at
 * tcx, or filters at clsact.
 */
#ifndef FD_LINUX_ATTACH_H
#define FD_LINUX_ATTACH_H

#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "kernel_features.h"
#include "trampoline.h"

enum fd_direction { FD_INGRESS = 0, FD_EGRESS = 1 };

#define FD_PRIORITY_MAX 30000 /* WinDivert's priorities go from -30000 to 30000 */

/* A program's name carries its priority, so that handles of other processes
 * find their place. */
#define FD_PROGRAM_NAME_SIZE 16
#define FD_DIVERT_NAME "fdv"
#define FD_TRAMPOLINE_NAME "fdt"
void fd_program_name(char name[FD_PROGRAM_NAME_SIZE], const char *kind, int priority,
                     enum fd_direction direction);

/* How one handle's programs are attached. */
struct fd_attacher {
    int priority;
    int programs[2]; /* by enum fd_direction; -1: none */
    int netlink;     /* the rest is for clsact; -1: tcx */
    uint32_t owner;
    pid_t process; /* a forked copy of us leaves the filters alone */
    struct fd_trampolines trampolines;
};

/* Safe to close, whatever comes of opening it. */
void fd_attacher_init(struct fd_attacher *attacher);
int fd_attacher_open(struct fd_attacher *attacher, const struct fd_features *features,
                     uint32_t owner, int priority, struct fd_error *error);
/* Everything has been detached. */
void fd_attacher_close(struct fd_attacher *attacher);

/* The programs to attach, which are the attacher's from now on; they also take
 * the place of those that are attached already, but for links (fd_attach_replace). */
int fd_attacher_set_programs(struct fd_attacher *attacher, const int programs[2],
                             struct fd_error *error);

/* A place to give back, or -1: also if the interface has gone in the meantime
 * (then error->number is ENODEV). */
int fd_attach(struct fd_attacher *attacher, uint32_t ifindex, enum fd_direction direction,
              struct fd_error *error);
void fd_detach(struct fd_attacher *attacher, uint32_t ifindex, enum fd_direction direction,
               int place);

/* Puts another program there, atomically. */
int fd_attach_replace(struct fd_attacher *attacher, int place, int program, struct fd_error *error);

/* Removes what dead handles of this namespace left, or only looks; how many
 * filters, or -1. */
int fd_attach_sweep(int remove, struct fd_error *error);

#endif
