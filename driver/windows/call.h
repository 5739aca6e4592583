/* SPDX-License-Identifier: MIT */
/* What every IOCTL has in common: an input that says its size, an output. */
#ifndef FD_WINDOWS_CALL_H
#define FD_WINDOWS_CALL_H

#include "handle.h"

/* The request of one IOCTL, and where its result goes. Input and output share
 * one buffer of the kernel's, so what is needed of the input is copied before
 * the first byte of output. */
struct fd_call {
    struct fd_handle *handle;
    UCHAR *buffer;
    ULONG input;
    ULONG output;
    ULONG_PTR written;
};

/* An input of this fixed size, which says so itself. */
NTSTATUS fd_call_take_fixed(const struct fd_call *call, PVOID to, ULONG size);

/* The same for the head of an input that goes on. */
NTSTATUS fd_call_take_head(const struct fd_call *call, PVOID to, ULONG size);

NTSTATUS fd_call_take_request(const struct fd_call *call, struct fd_windows_request *request);
NTSTATUS fd_call_take_plain_request(const struct fd_call *call); /* without an argument */

/* A verified program at an offset of the input, to its very end. */
NTSTATUS fd_call_program(const struct fd_call *call, ULONG offset, ULONG size,
                         const struct fd_program **program);

NTSTATUS fd_call_give(struct fd_call *call, const void *result, ULONG size);

static inline BOOLEAN fd_call_is_between(const struct fd_handle *handle,
                                         enum fd_windows_state first, enum fd_windows_state last)
{
    return handle->state >= first && handle->state <= last;
}

#endif
