/* SPDX-License-Identifier: MIT */
#ifndef FD_WINDOWS_PARAMETERS_H
#define FD_WINDOWS_PARAMETERS_H

#include "call.h"

/* Whether a queue may have these. */
BOOLEAN fd_is_policy(ULONG64 length, ULONG64 time, ULONG64 size);

NTSTATUS fd_ioctl_get_parameter(struct fd_call *call);
NTSTATUS fd_ioctl_set_parameter(struct fd_call *call);
NTSTATUS fd_ioctl_stats(struct fd_call *call);

#endif
