/* SPDX-License-Identifier: MIT */
/*
 * Where a handle stands in the chain of an interface. The chain's order is the
 * order of priorities, higher first, in both directions; a program's name
 * carries its priority, so that handles of other processes find their place.
 * A link goes when its descriptor is closed, and so with the process.
 */
#ifndef FD_LINUX_ATTACH_H
#define FD_LINUX_ATTACH_H

#include <stdint.h>

#include "error.h"

enum fd_direction { FD_INGRESS = 0, FD_EGRESS = 1 };

#define FD_PROGRAM_NAME_SIZE 16

void fd_program_name(char name[FD_PROGRAM_NAME_SIZE], int priority, enum fd_direction direction);

/* A link, or -1: also if the interface has gone in the meantime (then
 * error->number is ENODEV). */
int fd_attach(int program, uint32_t ifindex, enum fd_direction direction, int priority,
              struct fd_error *error);

/* Puts another program in the link's place, atomically. */
int fd_attach_replace(int link, int program, struct fd_error *error);

#endif
