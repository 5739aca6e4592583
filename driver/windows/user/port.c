/* SPDX-License-Identifier: MIT */
#include "port.h"

#include <stdlib.h>
#include <string.h>

#include <windows.h>

#define WIDE_(text) L##text
#define WIDE(text) WIDE_(text)

/* More queues than this only cost memory: each is locked, and as long as asked. */
#define RECEIVE_QUEUES_MOST 8u

/* Statuses that one FLUSH returns. */
#define FLUSH_MOST 4096u

struct fd_port {
    HANDLE device;
    HANDLE doorbell;
    uint32_t receive_count;
    struct fd_windows_version version;
    int64_t frequency; /* of the performance counter */
    SRWLOCK sending;
    struct fd_producer send; /* ours; the driver is its consumer */
    int can_send;
    union {
        struct fd_windows_flushed head;
        uint8_t room[sizeof(struct fd_windows_flushed) + FLUSH_MOST * sizeof(int32_t)];
    } flushed;
};

/* ---- speaking ------------------------------------------------------------------ */

static int ask(struct fd_port *port, const char *what, uint32_t code, void *input,
               uint32_t input_size, void *output, uint32_t output_size, struct fd_failure *failure)
{
    DWORD written = 0;

    if (!DeviceIoControl(port->device, code, input, input_size, output, output_size, &written,
                         NULL))
        return fd_refuse_code(failure, what, GetLastError());
    if (written > output_size)
        return fd_refuse(failure, FD_FAILURE_DRIVER, 0, "%s: the answer is too long", what);
    return 0;
}

static int order(struct fd_port *port, const char *what, uint32_t code, uint32_t argument,
                 struct fd_failure *failure)
{
    struct fd_windows_request request = {.size = sizeof(request), .argument = argument};

    return ask(port, what, code, &request, sizeof(request), NULL, 0, failure);
}

/* A head and what follows it, as one input. */
static int ask_with(struct fd_port *port, const char *what, uint32_t code, const void *head,
                    uint32_t head_size, const void *tail, uint32_t tail_size,
                    struct fd_failure *failure)
{
    uint8_t *input = malloc(head_size + tail_size);

    if (input == NULL)
        return fd_refuse_code(failure, what, ERROR_NOT_ENOUGH_MEMORY);
    memcpy(input, head, head_size);
    if (tail_size != 0)
        memcpy(input + head_size, tail, tail_size);
    int result = ask(port, what, code, input, head_size + tail_size, NULL, 0, failure);
    free(input);
    return result;
}

/* ---- opening ------------------------------------------------------------------- */

static int open_device(struct fd_port *port, struct fd_failure *failure)
{
    port->device = CreateFileW(L"\\\\.\\" WIDE(FD_WINDOWS_NAME), GENERIC_READ | GENERIC_WRITE, 0,
                               NULL, OPEN_EXISTING, 0, NULL);
    if (port->device == INVALID_HANDLE_VALUE)
        return fd_refuse_code(failure, "opening the driver's device", GetLastError());
    return 0;
}

static int check_version(struct fd_port *port, struct fd_failure *failure)
{
    struct fd_windows_request request = {.size = sizeof(request)};
    struct fd_windows_version *version = &port->version;

    if (ask(port, "the driver's version", FD_IOCTL_QUERY_VERSION, &request, sizeof(request),
            version, sizeof(*version), failure) != 0)
        return -1;
    if (version->size == sizeof(*version) && version->major == FD_WINDOWS_MAJOR &&
        version->ring_major == FD_ABI_MAJOR)
        return 0;
    return fd_refuse(failure, FD_FAILURE_DRIVER, 0,
                     "the driver that runs has interface %u.%u, and %u is needed; run "
                     "fastdivert uninstall, so that the right one is installed",
                     version->major, version->minor, FD_WINDOWS_MAJOR);
}

static int describe(struct fd_port *port, const struct fd_port_options *options,
                    struct fd_failure *failure)
{
    struct fd_windows_open open = {
        .size = sizeof(open) + options->program_size,
        .layer = options->layer,
        .flags = options->flags,
        .priority = options->priority,
        .queue_length = options->queue_length,
        .queue_time = options->queue_time,
        .queue_size = options->queue_size,
        .program_size = options->program_size,
    };

    return ask_with(port, "opening a handle", FD_IOCTL_OPEN, &open, sizeof(open), options->program,
                    options->program_size, failure);
}

static uint64_t power_of_two(uint64_t least)
{
    uint64_t value = 1;

    while (value < least)
        value *= 2;
    return value;
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
    return value < most ? value : most;
}

/* Twice what may wait, so that a full queue can fill up again while the user has
 * what was in it. */
static uint32_t allocate(struct fd_port *port, const struct fd_port_options *options,
                         struct fd_memory *memory)
{
    const int receives = (options->flags & (FD_WINDOWS_SEND_ONLY | FD_WINDOWS_DROP)) == 0;
    uint64_t count = at_most(port->version.processors, RECEIVE_QUEUES_MOST);
    uint64_t descriptors = at_most(power_of_two(2ull * options->queue_length), FD_DESCRIPTORS_MAX);
    uint64_t bytes = at_most(power_of_two(2ull * options->queue_size), FD_BYTES_MAX);

    if (count == 0)
        count = 1;
    /* Half of what the driver locks is ours to plan with: the rest is rounding and
     * the queue that sends. */
    while (count > 1 &&
           count * (bytes + FD_GUARD_SIZE + descriptors * sizeof(struct fd_descriptor)) >
               port->version.locked_max / 2)
        count /= 2;
    port->receive_count = receives ? (uint32_t)count : 0;
    port->can_send = (options->flags & FD_WINDOWS_RECV_ONLY) == 0;
    return fd_memory_create(memory, port->receive_count, (uint32_t)descriptors, bytes,
                            port->can_send);
}

static int attach_send(struct fd_port *port, const struct fd_memory *memory,
                       struct fd_failure *failure)
{
    struct fd_ring ring;

    if (!port->can_send)
        return 0;
    const struct fd_windows_queue *queue = &memory->queues[memory->queue_count - 1];
    enum fd_ring_fault fault =
        fd_ring_attach(&ring, (void *)(uintptr_t)queue->descriptors,
                       fd_ring_descriptor_region_size(queue->descriptor_count),
                       (void *)(uintptr_t)queue->bytes, fd_ring_byte_region_size(queue->byte_size));
    if (fault != FD_RING_OK)
        return fd_refuse(failure, FD_FAILURE_DRIVER, 0, "the driver laid out no queue to send by");
    fd_producer_attach(&port->send, &ring);
    /* Not the header's, which is the receive queues'. */
    port->send.queue_length = queue->descriptor_count;
    port->send.queue_size = queue->byte_size;
    return 0;
}

static int register_queues(struct fd_port *port, const struct fd_memory *memory,
                           struct fd_failure *failure)
{
    const uint32_t queues_size = memory->queue_count * (uint32_t)sizeof(memory->queues[0]);
    struct fd_windows_register request = {
        .size = sizeof(request) + queues_size,
        .receive_count = port->receive_count,
        .send_count = port->can_send ? 1 : 0,
        .doorbell = (uint64_t)(uintptr_t)port->doorbell,
    };

    if (ask_with(port, "registering the queues", FD_IOCTL_REGISTER, &request, sizeof(request),
                 memory->queues, queues_size, failure) != 0)
        return -1;
    return attach_send(port, memory, failure);
}

static int set_up(struct fd_port *port, const struct fd_port_options *options,
                  struct fd_memory *memory, struct fd_failure *failure)
{
    if (open_device(port, failure) != 0 || check_version(port, failure) != 0 ||
        describe(port, options, failure) != 0)
        return -1;
    port->doorbell = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (port->doorbell == NULL)
        return fd_refuse_code(failure, "an event", GetLastError());
    uint32_t code = allocate(port, options, memory);
    if (code != 0)
        return fd_refuse_code(failure, "memory for the queues", code);
    if (register_queues(port, memory, failure) != 0)
        return -1;
    return order(port, "starting to capture", FD_IOCTL_STARTUP, 0, failure);
}

struct fd_port *fd_port_open(const struct fd_port_options *options, struct fd_memory *memory,
                             struct fd_failure *failure)
{
    LARGE_INTEGER frequency;
    struct fd_port *port = calloc(1, sizeof(*port));

    *memory = (struct fd_memory){0};
    if (port == NULL) {
        (void)fd_refuse_code(failure, "opening a handle", ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    port->device = INVALID_HANDLE_VALUE;
    InitializeSRWLock(&port->sending);
    QueryPerformanceFrequency(&frequency);
    port->frequency = frequency.QuadPart;
    if (set_up(port, options, memory, failure) == 0)
        return port;
    fd_port_free(port);
    fd_memory_free(memory);
    return NULL;
}

/* ---- its end -------------------------------------------------------------------- */

int fd_port_stop(struct fd_port *port, struct fd_failure *failure)
{
    return order(port, "shutting down", FD_IOCTL_SHUTDOWN, FD_WINDOWS_SHUTDOWN_RECV, failure);
}

void fd_port_close(struct fd_port *port)
{
    if (port->device != INVALID_HANDLE_VALUE)
        CloseHandle(port->device);
    port->device = INVALID_HANDLE_VALUE;
}

void fd_port_free(struct fd_port *port)
{
    fd_port_close(port);
    if (port->doorbell != NULL)
        CloseHandle(port->doorbell);
    free(port);
}

/* ---- what it is and counts ------------------------------------------------------- */

uint32_t fd_port_receive_count(const struct fd_port *port)
{
    return port->receive_count;
}

void *fd_port_doorbell(const struct fd_port *port)
{
    return port->doorbell;
}

int64_t fd_port_now(const struct fd_port *port)
{
    LARGE_INTEGER counter;

    QueryPerformanceCounter(&counter);
    int64_t passed = counter.QuadPart - port->version.clock_counter;
    return port->version.clock_start + passed / port->frequency * 1000000000 +
           passed % port->frequency * 1000000000 / port->frequency;
}

int fd_port_set_program(struct fd_port *port, const struct fd_program *program,
                        uint32_t program_size, struct fd_failure *failure)
{
    struct fd_windows_set_filter request = {.size = sizeof(request) + program_size,
                                            .program_size = program_size};

    return ask_with(port, "changing the filter", FD_IOCTL_SET_FILTER, &request, sizeof(request),
                    program, program_size, failure);
}

static int set_param(struct fd_port *port, enum fd_windows_param param, uint64_t value,
                     struct fd_failure *failure)
{
    struct fd_windows_parameter request = {
        .size = sizeof(request), .parameter = (uint32_t)param, .value = value};

    return ask(port, "setting a queue parameter", FD_IOCTL_SET_PARAM, &request, sizeof(request),
               NULL, 0, failure);
}

int fd_port_set_policy(struct fd_port *port, uint32_t length, uint32_t time, uint64_t size,
                       struct fd_failure *failure)
{
    if (set_param(port, FD_WINDOWS_QUEUE_LENGTH, length, failure) != 0 ||
        set_param(port, FD_WINDOWS_QUEUE_TIME, time, failure) != 0)
        return -1;
    return set_param(port, FD_WINDOWS_QUEUE_SIZE, size, failure);
}

static void add(struct fd_producer_counters *to, const struct fd_producer_counters *from)
{
    to->seen += from->seen;
    to->matched += from->matched;
    to->queued += from->queued;
    to->malformed += from->malformed;
    to->bytes += from->bytes;
    to->doorbells += from->doorbells;
    for (uint32_t cause = 0; cause < FD_DROP_COUNT; cause++)
        to->dropped[cause] += from->dropped[cause];
}

int fd_port_read_stats(struct fd_port *port, struct fd_port_stats *stats,
                       struct fd_failure *failure)
{
    struct fd_windows_request request = {.size = sizeof(request)};
    struct {
        struct fd_windows_stats head;
        struct fd_producer_counters queues[FD_WINDOWS_QUEUES_MAX];
    } answer = {0};

    *stats = (struct fd_port_stats){0};
    if (ask(port, "the counters", FD_IOCTL_STATS, &request, sizeof(request), &answer,
            sizeof(answer), failure) != 0)
        return -1;
    stats->injection = answer.head.injection;
    for (uint32_t i = 0; i < answer.head.queue_count && i < FD_WINDOWS_QUEUES_MAX; i++)
        add(&stats->producer, &answer.queues[i]);
    return 0;
}

/* ---- sending ---------------------------------------------------------------------- */

/* Fills the send queue from row on; how many rows fitted. */
static uint32_t fill(struct fd_port *port, const struct fd_descriptor *descriptors,
                     const struct fd_record *records, uint32_t count)
{
    uint32_t row = 0;

    for (; row < count && row < FLUSH_MOST; row++) {
        const struct fd_record *record = &records[row];
        uint8_t *packet;
        struct fd_descriptor *slot = fd_producer_reserve(&port->send, 0, record->captured, &packet);
        if (slot == NULL)
            break;
        memcpy(packet, record->packet, record->captured);
        uint32_t offset = slot->offset, captured = slot->captured, sequence = slot->sequence;
        *slot = descriptors[row];
        slot->offset = offset;
        slot->captured = captured;
        slot->sequence = sequence;
        slot->l2_length = 0;
        slot->link = FD_LINK_NONE;
    }
    (void)fd_producer_publish(&port->send);
    return row;
}

/* Has the driver take what was filled in; how many it looked at, or -1. */
static int flush(struct fd_port *port, uint32_t filled, int untouched, int32_t *status,
                 int64_t *sent, struct fd_failure *failure)
{
    struct fd_windows_request request = {.size = sizeof(request),
                                         .argument = untouched ? FD_WINDOWS_UNTOUCHED : 0};
    struct fd_windows_flushed *flushed = &port->flushed.head;

    if (ask(port, "sending", FD_IOCTL_FLUSH, &request, sizeof(request), &port->flushed,
            sizeof(port->flushed), failure) != 0)
        return -1;
    if (flushed->fault != 0 || flushed->consumed > filled || flushed->consumed > FLUSH_MOST)
        return fd_refuse(failure, FD_FAILURE_DRIVER, 0,
                         "sending: the driver found the queue damaged (fault %u); close the handle "
                         "and open it again",
                         flushed->fault);
    memcpy(status, flushed + 1, flushed->consumed * sizeof(status[0]));
    *sent += flushed->injected;
    return (int)flushed->consumed;
}

int64_t fd_port_inject(struct fd_port *port, const struct fd_descriptor *descriptors,
                       const struct fd_record *records, uint32_t count, int untouched,
                       int32_t *status, struct fd_failure *failure)
{
    int64_t sent = 0;
    uint32_t row = 0;
    int result = 0;

    if (!port->can_send)
        return fd_refuse(failure, FD_FAILURE_ARGUMENT, 0, "this handle sends nothing");
    AcquireSRWLockExclusive(&port->sending);
    while (row < count && result >= 0) {
        uint32_t filled = fill(port, descriptors + row, records + row, count - row);
        if (filled == 0) {
            /* Alone in an empty queue it does not fit: no packet is so long. */
            status[row++] = (int32_t)0xC000000D; /* STATUS_INVALID_PARAMETER */
            continue;
        }
        result = flush(port, filled, untouched, status + row, &sent, failure);
        if (result == 0)
            result = fd_refuse(failure, FD_FAILURE_DRIVER, 0, "sending: the driver took nothing");
        row += result > 0 ? (uint32_t)result : 0;
    }
    ReleaseSRWLockExclusive(&port->sending);
    return result < 0 ? -1 : sent;
}
