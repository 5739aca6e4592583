/* SPDX-License-Identifier: MIT */
#include "ioctl.h"

#include "clock.h"
#include "inject.h"

/* The request of one IOCTL, and where its result goes. Input and output share
 * one buffer of the kernel's, so what is needed of the input is copied before
 * the first byte of output. */
struct call {
    struct fd_handle *handle;
    UCHAR *buffer;
    ULONG input;
    ULONG output;
    ULONG_PTR written;
};

/* ---- what every input has in common ------------------------------------------- */

/* An input of this fixed size, which says so itself. */
static NTSTATUS take_fixed(const struct call *call, PVOID to, ULONG size)
{
    ULONG said;

    if (call->input != size)
        return STATUS_INFO_LENGTH_MISMATCH;
    RtlCopyMemory(to, call->buffer, size);
    RtlCopyMemory(&said, to, sizeof(said));
    return said == size ? STATUS_SUCCESS : STATUS_INFO_LENGTH_MISMATCH;
}

/* The same for the head of an input that goes on. */
static NTSTATUS take_head(const struct call *call, PVOID to, ULONG size)
{
    ULONG said;

    if (call->input < size)
        return STATUS_INFO_LENGTH_MISMATCH;
    RtlCopyMemory(to, call->buffer, size);
    RtlCopyMemory(&said, to, sizeof(said));
    return said == call->input ? STATUS_SUCCESS : STATUS_INFO_LENGTH_MISMATCH;
}

static NTSTATUS take_request(const struct call *call, struct fd_windows_request *request)
{
    return take_fixed(call, request, sizeof(*request));
}

static NTSTATUS take_plain_request(const struct call *call)
{
    struct fd_windows_request request;

    NTSTATUS status = take_request(call, &request);
    if (NT_SUCCESS(status) && request.argument != 0)
        return STATUS_INVALID_PARAMETER;
    return status;
}

static NTSTATUS give(struct call *call, const void *result, ULONG size)
{
    if (call->output < size)
        return STATUS_BUFFER_TOO_SMALL;
    RtlCopyMemory(call->buffer, result, size);
    call->written = size;
    return STATUS_SUCCESS;
}

/* A program at an offset of the input, to its very end. The system buffer is the
 * kernel's own: what is verified there does not change before it is copied. */
static NTSTATUS find_program(const struct call *call, ULONG offset, ULONG size,
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

static BOOLEAN is_between(const struct fd_handle *handle, enum fd_windows_state first,
                          enum fd_windows_state last)
{
    return handle->state >= first && handle->state <= last;
}

/* ---- one by one ------------------------------------------------------------------- */

static NTSTATUS query_version(struct call *call)
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
    NTSTATUS status = take_plain_request(call);
    return NT_SUCCESS(status) ? give(call, &version, sizeof(version)) : status;
}

static BOOLEAN is_policy(ULONG64 length, ULONG64 time, ULONG64 size)
{
    return length >= FD_QUEUE_LENGTH_MIN && length <= FD_QUEUE_LENGTH_MAX &&
           time >= FD_QUEUE_TIME_MIN && time <= FD_QUEUE_TIME_MAX && size >= FD_QUEUE_SIZE_MIN &&
           size <= FD_QUEUE_SIZE_MAX;
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

static NTSTATUS open(struct call *call)
{
    struct fd_windows_open request;
    const struct fd_program *program;

    NTSTATUS status = take_head(call, &request, sizeof(request));
    if (!NT_SUCCESS(status))
        return status;
    if (call->handle->state != FD_WINDOWS_CREATED)
        return STATUS_INVALID_DEVICE_STATE;
    if (request.layer >= FD_LAYER_COUNT || !are_flags(request.flags) || request.reserved != 0 ||
        request.priority < -FD_WINDOWS_PRIORITY_MAX || request.priority > FD_WINDOWS_PRIORITY_MAX ||
        !is_policy(request.queue_length, request.queue_time, request.queue_size))
        return STATUS_INVALID_PARAMETER;
    if (request.layer > FD_LAYER_NETWORK_FORWARD)
        return STATUS_NOT_SUPPORTED;
    status = find_program(call, sizeof(request), request.program_size, &program);
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

static NTSTATUS register_queues(struct call *call)
{
    struct fd_windows_register request;

    NTSTATUS status = take_head(call, &request, sizeof(request));
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

static NTSTATUS start(struct call *call)
{
    NTSTATUS status = take_plain_request(call);

    if (!NT_SUCCESS(status))
        return status;
    if (call->handle->state != FD_WINDOWS_REGISTERED)
        return STATUS_INVALID_DEVICE_STATE;
    return fd_handle_start(call->handle);
}

static NTSTATUS flush(struct call *call)
{
    struct fd_windows_request request;
    struct fd_windows_flushed flushed;
    struct fd_handle *handle = call->handle;

    NTSTATUS status = take_request(call, &request);
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
    fd_inject_flush(handle, most != 0 && most < room ? most : room,
                    (request.argument & FD_WINDOWS_UNTOUCHED) != 0, &flushed,
                    (LONG *)(call->buffer + sizeof(flushed)));
    status = give(call, &flushed, sizeof(flushed));
    call->written = flushed.size;
    return status;
}

static NTSTATUS set_filter(struct call *call)
{
    struct fd_windows_set_filter request;
    const struct fd_program *program;

    NTSTATUS status = take_head(call, &request, sizeof(request));
    if (!NT_SUCCESS(status))
        return status;
    if (!is_between(call->handle, FD_WINDOWS_OPENED, FD_WINDOWS_STARTED))
        return STATUS_INVALID_DEVICE_STATE;
    status = find_program(call, sizeof(request), request.program_size, &program);
    if (!NT_SUCCESS(status))
        return status;
    if (program->layer != call->handle->layer)
        return STATUS_INVALID_IMAGE_FORMAT;
    return fd_handle_set_program(call->handle, program);
}

static NTSTATUS take_parameter(const struct call *call, struct fd_windows_parameter *request)
{
    NTSTATUS status = take_fixed(call, request, sizeof(*request));

    if (NT_SUCCESS(status) && !is_between(call->handle, FD_WINDOWS_OPENED, FD_WINDOWS_STARTED))
        return STATUS_INVALID_DEVICE_STATE;
    return status;
}

static NTSTATUS get_param(struct call *call)
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
    return give(call, &parameter, sizeof(parameter));
}

static NTSTATUS set_param(struct call *call)
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
    if (!is_policy(length, time, size))
        return STATUS_INVALID_PARAMETER;
    const struct fd_policy policy = {.length = (ULONG)length, .time = (ULONG)time, .size = size};
    fd_handle_set_policy(call->handle, &policy);
    return STATUS_SUCCESS;
}

static ULONG64 counted(volatile LONG64 *counter)
{
    return (ULONG64)InterlockedCompareExchange64(counter, 0, 0);
}

static NTSTATUS stats(struct call *call)
{
    struct fd_handle *handle = call->handle;
    struct fd_way_back *way_back = &handle->way_back;

    NTSTATUS status = take_plain_request(call);
    if (!NT_SUCCESS(status))
        return status;
    if (!is_between(handle, FD_WINDOWS_OPENED, FD_WINDOWS_STARTED))
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
        }};
    if (call->output < result.size)
        return STATUS_BUFFER_TOO_SMALL;
    for (ULONG number = 0; number < count; number++) {
        struct fd_producer_counters counters;
        fd_queue_read_counters(&handle->queues[number], &counters);
        RtlCopyMemory(call->buffer + sizeof(result) + number * sizeof(counters), &counters,
                      sizeof(counters));
    }
    status = give(call, &result, sizeof(result));
    call->written = result.size;
    return status;
}

static NTSTATUS shut_down(struct call *call)
{
    struct fd_windows_request request;

    NTSTATUS status = take_request(call, &request);
    if (!NT_SUCCESS(status))
        return status;
    if (!is_between(call->handle, FD_WINDOWS_OPENED, FD_WINDOWS_STARTED))
        return STATUS_INVALID_DEVICE_STATE;
    if (request.argument < FD_WINDOWS_SHUTDOWN_RECV || request.argument > FD_WINDOWS_SHUTDOWN_BOTH)
        return STATUS_INVALID_PARAMETER;
    fd_handle_shutdown(call->handle, request.argument);
    return STATUS_SUCCESS;
}

/* ---- all of them --------------------------------------------------------------------- */

static NTSTATUS dispatch(struct call *call, ULONG code)
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
        return get_param(call);
    case FD_IOCTL_SET_PARAM:
        return set_param(call);
    case FD_IOCTL_STATS:
        return stats(call);
    case FD_IOCTL_SHUTDOWN:
        return shut_down(call);
    default:
        return STATUS_INVALID_DEVICE_REQUEST;
    }
}

NTSTATUS fd_ioctl(struct fd_handle *handle, ULONG code, PVOID buffer, ULONG input, ULONG output,
                  ULONG_PTR *written)
{
    struct call call = {.handle = handle, .buffer = buffer, .input = input, .output = output};

    fd_mutex_take(&handle->control);
    NTSTATUS status = dispatch(&call, code);
    fd_mutex_give(&handle->control);
    *written = NT_SUCCESS(status) ? call.written : 0;
    return status;
}
