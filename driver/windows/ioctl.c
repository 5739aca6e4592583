/* SPDX-License-Identifier: MIT */
#include "ioctl.h"

#include "clock.h"
#include "flush.h"
#include "parameters.h"

/* ---- one by one ------------------------------------------------------------------- */

static NTSTATUS query_version(struct fd_call *call)
{
    struct fd_windows_version version = {
        .size = sizeof(version),
        .major = FD_WINDOWS_MAJOR,
        .minor = FD_WINDOWS_MINOR,
        .ring_major = FD_ABI_MAJOR,
        .ring_minor = FD_ABI_MINOR,
        .state = (ULONG)call->handle->state,
        .processors = KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS),
        .queues_max = FD_WINDOWS_QUEUES_MAX,
        .locked_max = FD_WINDOWS_LOCKED_MAX,
    };
    LONG64 counter;

    version.clock_start = fd_clock_origin(&counter);
    version.clock_counter = counter;
    NTSTATUS status = fd_call_take_plain_request(call);
    return NT_SUCCESS(status) ? fd_call_give(call, &version, sizeof(version)) : status;
}

static BOOLEAN are_flags(ULONG flags)
{
    const ULONG known = FD_WINDOWS_SNIFF | FD_WINDOWS_DROP | FD_WINDOWS_RECV_ONLY |
                        FD_WINDOWS_SEND_ONLY | FD_WINDOWS_FRAGMENTS | FD_WINDOWS_OVERFLOW_PASS;
    const ULONG copy_or_lose = FD_WINDOWS_SNIFF | FD_WINDOWS_DROP;
    const ULONG one_way = FD_WINDOWS_RECV_ONLY | FD_WINDOWS_SEND_ONLY;

    return (flags & ~known) == 0 && (flags & copy_or_lose) != copy_or_lose &&
           (flags & one_way) != one_way;
}

static NTSTATUS open(struct fd_call *call)
{
    struct fd_windows_open request;
    const struct fd_program *program;

    NTSTATUS status = fd_call_take_head(call, &request, sizeof(request));
    if (!NT_SUCCESS(status))
        return status;
    if (call->handle->state != FD_WINDOWS_CREATED)
        return STATUS_INVALID_DEVICE_STATE;
    if (request.layer >= FD_LAYER_COUNT || !are_flags(request.flags) || request.reserved != 0 ||
        request.priority < -FD_WINDOWS_PRIORITY_MAX || request.priority > FD_WINDOWS_PRIORITY_MAX ||
        !fd_is_policy(request.queue_length, request.queue_time, request.queue_size))
        return STATUS_INVALID_PARAMETER;
    if (request.layer > FD_LAYER_NETWORK_FORWARD)
        return STATUS_NOT_SUPPORTED;
    status = fd_call_program(call, sizeof(request), request.program_size, &program);
    if (!NT_SUCCESS(status))
        return status;
    if (program->layer != request.layer)
        return STATUS_INVALID_IMAGE_FORMAT;
    return fd_handle_open(call->handle, &request, program);
}

static NTSTATUS check_queues(const struct fd_windows_queue *places, ULONG count)
{
    ULONG64 locked = 0;

    for (ULONG number = 0; number < count; number++) {
        const struct fd_windows_queue *place = &places[number];
        if (place->reserved != 0 || place->descriptor_count < FD_DESCRIPTORS_MIN ||
            place->descriptor_count > FD_DESCRIPTORS_MAX ||
            (place->descriptor_count & (place->descriptor_count - 1)) != 0 ||
            place->byte_size < FD_BYTES_MIN || place->byte_size > FD_BYTES_MAX ||
            (place->byte_size & (place->byte_size - 1)) != 0)
            return STATUS_INVALID_PARAMETER;
        locked += fd_ring_descriptor_region_size(place->descriptor_count) +
                  fd_ring_byte_region_size(place->byte_size);
    }
    return locked <= FD_WINDOWS_LOCKED_MAX ? STATUS_SUCCESS : STATUS_QUOTA_EXCEEDED;
}

static BOOLEAN are_counts(const struct fd_handle *handle, const struct fd_windows_register *request)
{
    BOOLEAN receives = !fd_handle_has(handle, FD_WINDOWS_SEND_ONLY | FD_WINDOWS_DROP);
    ULONG sends = fd_handle_has(handle, FD_WINDOWS_RECV_ONLY) ? 0 : 1;

    return request->send_count <= sends && request->receive_count <= FD_WINDOWS_QUEUES_MAX &&
           (request->receive_count != 0) == receives;
}

static NTSTATUS register_queues(struct fd_call *call)
{
    struct fd_windows_register request;

    NTSTATUS status = fd_call_take_head(call, &request, sizeof(request));
    if (!NT_SUCCESS(status))
        return status;
    if (call->handle->state != FD_WINDOWS_OPENED)
        return STATUS_INVALID_DEVICE_STATE;
    if (request.reserved != 0 || !are_counts(call->handle, &request))
        return STATUS_INVALID_PARAMETER;
    ULONG count = request.receive_count + request.send_count;
    if (call->input != sizeof(request) + count * sizeof(struct fd_windows_queue))
        return STATUS_INFO_LENGTH_MISMATCH;
    const struct fd_windows_queue *places =
        (const struct fd_windows_queue *)(call->buffer + sizeof(request));
    status = check_queues(places, count);
    return NT_SUCCESS(status) ? fd_handle_register(call->handle, &request, places) : status;
}

static NTSTATUS start(struct fd_call *call)
{
    NTSTATUS status = fd_call_take_plain_request(call);

    if (!NT_SUCCESS(status))
        return status;
    if (call->handle->state != FD_WINDOWS_REGISTERED)
        return STATUS_INVALID_DEVICE_STATE;
    return fd_handle_start(call->handle);
}

static NTSTATUS flush(struct fd_call *call)
{
    struct fd_windows_request request;
    struct fd_windows_flushed flushed;
    struct fd_handle *handle = call->handle;

    NTSTATUS status = fd_call_take_request(call, &request);
    if (!NT_SUCCESS(status))
        return status;
    if (handle->state != FD_WINDOWS_STARTED)
        return STATUS_INVALID_DEVICE_STATE;
    if (fd_handle_has(handle, FD_WINDOWS_RECV_ONLY))
        return STATUS_ACCESS_DENIED;
    if (handle->send.descriptors.address == NULL)
        return STATUS_INVALID_DEVICE_STATE;
    if ((handle->shutdown & FD_WINDOWS_SHUTDOWN_SEND) != 0)
        return STATUS_PIPE_DISCONNECTED;
    if (call->output < sizeof(flushed) + sizeof(LONG))
        return STATUS_BUFFER_TOO_SMALL;
    ULONG room = (call->output - sizeof(flushed)) / sizeof(LONG);
    ULONG most = request.argument & ~FD_WINDOWS_UNTOUCHED;
    fd_flush(handle, most != 0 && most < room ? most : room,
             (request.argument & FD_WINDOWS_UNTOUCHED) != 0, &flushed,
             (LONG *)(call->buffer + sizeof(flushed)));
    status = fd_call_give(call, &flushed, sizeof(flushed));
    call->written = flushed.size;
    return status;
}

static NTSTATUS set_filter(struct fd_call *call)
{
    struct fd_windows_set_filter request;
    const struct fd_program *program;

    NTSTATUS status = fd_call_take_head(call, &request, sizeof(request));
    if (!NT_SUCCESS(status))
        return status;
    if (!fd_call_is_between(call->handle, FD_WINDOWS_OPENED, FD_WINDOWS_STARTED))
        return STATUS_INVALID_DEVICE_STATE;
    status = fd_call_program(call, sizeof(request), request.program_size, &program);
    if (!NT_SUCCESS(status))
        return status;
    if (program->layer != call->handle->layer)
        return STATUS_INVALID_IMAGE_FORMAT;
    return fd_handle_set_program(call->handle, program);
}

static NTSTATUS shut_down(struct fd_call *call)
{
    struct fd_windows_request request;

    NTSTATUS status = fd_call_take_request(call, &request);
    if (!NT_SUCCESS(status))
        return status;
    if (!fd_call_is_between(call->handle, FD_WINDOWS_OPENED, FD_WINDOWS_STARTED))
        return STATUS_INVALID_DEVICE_STATE;
    if (request.argument < FD_WINDOWS_SHUTDOWN_RECV || request.argument > FD_WINDOWS_SHUTDOWN_BOTH)
        return STATUS_INVALID_PARAMETER;
    fd_handle_shutdown(call->handle, request.argument);
    return STATUS_SUCCESS;
}

/* ---- all of them --------------------------------------------------------------------- */

static NTSTATUS dispatch(struct fd_call *call, ULONG code)
{
    if (call->handle->state == FD_WINDOWS_CLOSING)
        return STATUS_INVALID_DEVICE_STATE;
    switch (code) {
    case FD_IOCTL_QUERY_VERSION:
        return query_version(call);
    case FD_IOCTL_OPEN:
        return open(call);
    case FD_IOCTL_REGISTER:
        return register_queues(call);
    case FD_IOCTL_STARTUP:
        return start(call);
    case FD_IOCTL_FLUSH:
        return flush(call);
    case FD_IOCTL_SET_FILTER:
        return set_filter(call);
    case FD_IOCTL_GET_PARAM:
        return fd_ioctl_get_parameter(call);
    case FD_IOCTL_SET_PARAM:
        return fd_ioctl_set_parameter(call);
    case FD_IOCTL_STATS:
        return fd_ioctl_stats(call);
    case FD_IOCTL_SHUTDOWN:
        return shut_down(call);
    default:
        return STATUS_INVALID_DEVICE_REQUEST;
    }
}

NTSTATUS fd_ioctl(struct fd_handle *handle, ULONG code, PVOID buffer, ULONG input, ULONG output,
                  ULONG_PTR *written)
{
    struct fd_call call = {.handle = handle, .buffer = buffer, .input = input, .output = output};

    fd_mutex_take(&handle->control);
    NTSTATUS status = dispatch(&call, code);
    fd_mutex_give(&handle->control);
    *written = NT_SUCCESS(status) ? call.written : 0;
    return status;
}
