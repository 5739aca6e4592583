/* SPDX-License-Identifier: MIT */
/* The running kernel's own description of its types and functions. */
#ifndef FD_LINUX_KERNEL_TYPES_H
#define FD_LINUX_KERNEL_TYPES_H

#include <stdint.h>

#include "error.h"

struct fd_btf;

/* Where a member of a struct lies: bits from its start, and how many. */
struct fd_btf_member {
    uint32_t bit;
    uint32_t bits;
    uint32_t size; /* bytes of the type that it is declared with */
};

/* NULL on failure. Reads /sys/kernel/btf/vmlinux, 5 to 15 ms. */
struct fd_btf *fd_btf_open(struct fd_error *error);
void fd_btf_close(struct fd_btf *btf);

/* The id of a function, or 0. */
uint32_t fd_btf_function(const struct fd_btf *btf, const char *name);

/* 1 if the struct has the member, also inside of anonymous ones. */
int fd_btf_member(const struct fd_btf *btf, const char *type, const char *name,
                  struct fd_btf_member *member);

#endif
