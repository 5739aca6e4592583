/* SPDX-License-Identifier: MIT */
/* Programs at tcx, linked: a link goes when its descriptor is closed, and so
 * with the process. */
#ifndef FD_LINUX_ATTACH_TCX_H
#define FD_LINUX_ATTACH_TCX_H

#include "attach.h"

/* A link, or -1. */
int fd_tcx_attach(int program, uint32_t ifindex, enum fd_direction direction, int priority,
                  struct fd_error *error);

/* Puts another program in the link's place, atomically. */
int fd_tcx_replace(int link, int program, struct fd_error *error);

#endif
