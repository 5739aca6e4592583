/* SPDX-License-Identifier: MIT */
#include "call.h"

NTSTATUS fd_call_take_fixed(const struct fd_call *call, PVOID to, ULONG size)
{
    ULONG said;

    if (call->input != size)
        return STATUS_INFO_LENGTH_MISMATCH;
    RtlCopyMemory(to, call->buffer, size);
    RtlCopyMemory(&said, to, sizeof(said));
    return said == size ? STATUS_SUCCESS : STATUS_INFO_LENGTH_MISMATCH;
}

NTSTATUS fd_call_take_head(const struct fd_call *call, PVOID to, ULONG size)
{
    ULONG said;

    if (call->input < size)
        return STATUS_INFO_LENGTH_MISMATCH;
    RtlCopyMemory(to, call->buffer, size);
    RtlCopyMemory(&said, to, sizeof(said));
    return said == call->input ? STATUS_SUCCESS : STATUS_INFO_LENGTH_MISMATCH;
}

NTSTATUS fd_call_take_request(const struct fd_call *call, struct fd_windows_request *request)
{
    return fd_call_take_fixed(call, request, sizeof(*request));
}

NTSTATUS fd_call_take_plain_request(const struct fd_call *call)
{
    struct fd_windows_request request;

    NTSTATUS status = fd_call_take_request(call, &request);
    if (NT_SUCCESS(status) && request.argument != 0)
        return STATUS_INVALID_PARAMETER;
    return status;
}

NTSTATUS fd_call_give(struct fd_call *call, const void *result, ULONG size)
{
    if (call->output < size)
        return STATUS_BUFFER_TOO_SMALL;
    RtlCopyMemory(call->buffer, result, size);
    call->written = size;
    return STATUS_SUCCESS;
}

/* A program at an offset of the input, to its very end. The system buffer is the
 * kernel's own: what is verified there does not change before it is copied. */
NTSTATUS fd_call_program(const struct fd_call *call, ULONG offset, ULONG size,
                         const struct fd_program **program)
{
    const ULONG head = FIELD_OFFSET(struct fd_program, test);
    uint32_t test;

    if (call->input - offset != size)
        return STATUS_INFO_LENGTH_MISMATCH;
    const struct fd_program *found = (const struct fd_program *)(call->buffer + offset);
    if (fd_program_verify(found, size, &test) != FD_PROGRAM_OK ||
        size != head + found->length * sizeof(found->test[0]))
        return STATUS_INVALID_IMAGE_FORMAT;
    *program = found;
    return STATUS_SUCCESS;
}
