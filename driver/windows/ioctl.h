/* SPDX-License-Identifier: MIT */
/* The IOCTLs of interface.h: what a process says is checked here, byte by byte,
 * and nowhere else; what the rest of the driver gets is in range. */
#ifndef FD_WINDOWS_IOCTL_H
#define FD_WINDOWS_IOCTL_H

#include "handle.h"
#include "nt.h"

/* METHOD_BUFFERED: buffer has the input, and then the output. Sets *written. */
NTSTATUS fd_ioctl(struct fd_handle *handle, ULONG code, PVOID buffer, ULONG input, ULONG output,
                  ULONG_PTR *written);

#endif
