/* SPDX-License-Identifier: MIT */
/* What can be asked and set of an open handle: WinDivert's queue parameters, and
 * the counters. */
#include "parameters.h"

BOOLEAN fd_is_policy(ULONG64 length, ULONG64 time, ULONG64 size)
{
    return length >= FD_QUEUE_LENGTH_MIN && length <= FD_QUEUE_LENGTH_MAX &&
           time >= FD_QUEUE_TIME_MIN && time <= FD_QUEUE_TIME_MAX && size >= FD_QUEUE_SIZE_MIN &&
           size <= FD_QUEUE_SIZE_MAX;
}

static NTSTATUS take_parameter(const struct fd_call *call, struct fd_windows_parameter *request)
{
    NTSTATUS status = fd_call_take_fixed(call, request, sizeof(*request));

    if (NT_SUCCESS(status) &&
        !fd_call_is_between(call->handle, FD_WINDOWS_OPENED, FD_WINDOWS_STARTED))
        return STATUS_INVALID_DEVICE_STATE;
    return status;
}

NTSTATUS fd_ioctl_get_parameter(struct fd_call *call)
{
    struct fd_windows_parameter parameter;
    const struct fd_policy *policy = &call->handle->policy;

    NTSTATUS status = take_parameter(call, &parameter);
    if (!NT_SUCCESS(status))
        return status;
    if (parameter.value != 0)
        return STATUS_INVALID_PARAMETER;
    switch (parameter.parameter) {
    case FD_WINDOWS_QUEUE_LENGTH:
        parameter.value = policy->length;
        break;
    case FD_WINDOWS_QUEUE_TIME:
        parameter.value = policy->time;
        break;
    case FD_WINDOWS_QUEUE_SIZE:
        parameter.value = policy->size;
        break;
    case FD_WINDOWS_VERSION_MAJOR:
        parameter.value = FD_WINDOWS_MAJOR;
        break;
    case FD_WINDOWS_VERSION_MINOR:
        parameter.value = FD_WINDOWS_MINOR;
        break;
    default:
        return STATUS_INVALID_PARAMETER;
    }
    return fd_call_give(call, &parameter, sizeof(parameter));
}

NTSTATUS fd_ioctl_set_parameter(struct fd_call *call)
{
    struct fd_windows_parameter parameter;
    ULONG64 length = call->handle->policy.length;
    ULONG64 time = call->handle->policy.time;
    ULONG64 size = call->handle->policy.size;

    NTSTATUS status = take_parameter(call, &parameter);
    if (!NT_SUCCESS(status))
        return status;
    switch (parameter.parameter) {
    case FD_WINDOWS_QUEUE_LENGTH:
        length = parameter.value;
        break;
    case FD_WINDOWS_QUEUE_TIME:
        time = parameter.value;
        break;
    case FD_WINDOWS_QUEUE_SIZE:
        size = parameter.value;
        break;
    default:
        return STATUS_INVALID_PARAMETER;
    }
    if (!fd_is_policy(length, time, size))
        return STATUS_INVALID_PARAMETER;
    const struct fd_policy policy = {.length = (ULONG)length, .time = (ULONG)time, .size = size};
    fd_handle_set_policy(call->handle, &policy);
    return STATUS_SUCCESS;
}

static ULONG64 counted(volatile LONG64 *counter)
{
    return (ULONG64)InterlockedCompareExchange64(counter, 0, 0);
}

NTSTATUS fd_ioctl_stats(struct fd_call *call)
{
    struct fd_handle *handle = call->handle;
    struct fd_way_back *way_back = &handle->way_back;

    NTSTATUS status = fd_call_take_plain_request(call);
    if (!NT_SUCCESS(status))
        return status;
    if (!fd_call_is_between(handle, FD_WINDOWS_OPENED, FD_WINDOWS_STARTED))
        return STATUS_INVALID_DEVICE_STATE;
    ULONG count = handle->queue_count;
    struct fd_windows_stats result = {
        .size = (ULONG)(sizeof(result) + count * sizeof(struct fd_producer_counters)),
        .queue_count = count,
        .injection = {
            .injected = counted(&way_back->injected),
            .passed_over = counted(&way_back->passed_over),
            .refused = counted(&way_back->refused),
            .completed = counted(&way_back->completed),
            .failed = counted(&way_back->failed),
            .returned = counted(&way_back->returned),
            .returned_failed = counted(&way_back->returned_failed),
            .outstanding = counted(&way_back->outstanding),
            .outstanding_size = counted(&way_back->outstanding_size),
            .own = counted(&way_back->own),
            .segments = counted(&way_back->segments),
        }};
    if (call->output < result.size)
        return STATUS_BUFFER_TOO_SMALL;
    for (ULONG number = 0; number < count; number++) {
        struct fd_producer_counters counters;
        fd_queue_read_counters(&handle->queues[number], &counters);
        RtlCopyMemory(call->buffer + sizeof(result) + number * sizeof(counters), &counters,
                      sizeof(counters));
    }
    status = fd_call_give(call, &result, sizeof(result));
    call->written = result.size;
    return status;
}
