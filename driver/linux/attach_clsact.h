/* SPDX-License-Identifier: MIT */
/*
 * Programs at clsact, for kernels without tcx: one filter of kind bpf for each
 * direction of an interface. Its preference is the handle's priority, so that
 * the kernel keeps the order; its name says that it is ours, of which handle,
 * and whether the queueing discipline around it is of our making.
 *
 * Nothing of this goes with the process. What a dead one left is found by name
 * and removed by the next handle in its namespace, or by a sweep.
 */
#ifndef FD_LINUX_ATTACH_CLSACT_H
#define FD_LINUX_ATTACH_CLSACT_H

#include "attach.h"

struct fd_clsact_filter {
    uint32_t owner;  /* the number of the handle in its namespace */
    uint32_t handle; /* of the filter: the program's id, which no other has */
    int program;
    int priority;
};

int fd_clsact_attach(int netlink, uint32_t ifindex, enum fd_direction direction,
                     const struct fd_clsact_filter *filter, struct fd_error *error);
void fd_clsact_detach(int netlink, uint32_t ifindex, enum fd_direction direction,
                      const struct fd_clsact_filter *filter);

/* Removes the filters of dead handles, those of this number among them, and the
 * queueing disciplines that only they used; or only counts them. Returns how
 * many filters went, or would. */
int fd_clsact_sweep(int netlink, uint32_t owner, int remove);

#endif
