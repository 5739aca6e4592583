/* SPDX-License-Identifier: MIT */
/* Which packets a program can have anything to do with, before there is one: so
 * that a driver need not stand where its filter could never match. */
#ifndef FD_CORE_REACH_H
#define FD_CORE_REACH_H

#include "program.h"

/* 0: the program matches no packet whose descriptor has these flags, of those
 * that are known (of enum fd_descriptor_flag: OUTBOUND, IPV6 and LOOPBACK are of
 * use). 1: it might. The program must have been verified, for a packet layer. */
int fd_program_may_match(const struct fd_program *program, uint32_t known, uint32_t flags);

#endif
