/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "core/bytes.h"
#include "core/checksum.h"
#include "packets.h"

#include <stdio.h>
#include <stdlib.h>

#define MUST(condition)                                                                     \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            fprintf(stderr, "%s:%d: the test needs: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                        \
        }                                                                                   \
    } while (0)

static PEPROCESS process;

void world_begin(void)
{
    MUST(NT_SUCCESS(sim_driver_load(DriverEntry)));
    process = sim_process_create();
    sim_process_enter(process);
    sim_arrivals_clear();
}

PEPROCESS world_process(void)
{
    return process;
}

void world_process_dies(void)
{
    sim_process_exit(process);
    process = NULL;
    sim_process_enter(NULL);
}

void world_end(void)
{
    if (process != NULL)
        world_process_dies();
    sim_driver_unload();
    sim_completion_set(SIM_INLINE);
    sim_completion_status(STATUS_SUCCESS);
    sim_foreign_filter(0, 0);
    sim_set_processor(0);
    sim_set_time(-1);
    sim_arrivals_clear();
}

/* ---- programs ------------------------------------------------------------------ */

struct fd_program program_of(struct fd_filter_test test, uint32_t layer)
{
    struct fd_program program = {.length = 1, .layer = layer, .test = {test}};
    return program;
}

struct fd_program everything(uint32_t layer)
{
    return program_of(test_of(FD_FIELD_ZERO, FD_OPERATOR_EQ, 0), layer);
}

struct fd_program nothing(uint32_t layer)
{
    return program_of(test_of(FD_FIELD_ZERO, FD_OPERATOR_NE, 0), layer);
}

/* ---- handles ----------------------------------------------------------------------- */

NTSTATUS handle_create(struct user_handle *handle, const struct options *options)
{
    struct options chosen = *options;

    memset(handle, 0, sizeof(*handle));
    if (chosen.queue_length == 0)
        chosen.queue_length = FD_QUEUE_LENGTH_DEFAULT;
    if (chosen.queue_time == 0)
        chosen.queue_time = FD_QUEUE_TIME_DEFAULT;
    if (chosen.queue_size == 0)
        chosen.queue_size = FD_QUEUE_SIZE_DEFAULT;
    if (chosen.descriptor_count == 0)
        chosen.descriptor_count = 64;
    if (chosen.byte_size == 0)
        chosen.byte_size = 1u << 20;
    if (chosen.receive_count == 0)
        chosen.receive_count = !(chosen.flags & (FD_WINDOWS_SEND_ONLY | FD_WINDOWS_DROP));
    handle->options = chosen;
    handle->receive_count = chosen.receive_count;
    handle->send_count = !(chosen.flags & FD_WINDOWS_RECV_ONLY) && !chosen.no_send_queue;
    return sim_open(DEVICE_PATH, SIM_ADMINISTRATOR, &handle->file);
}

static uint32_t program_size(const struct fd_program *program)
{
    return (uint32_t)size_of(program->length);
}

NTSTATUS handle_configure(struct user_handle *handle)
{
    const struct options *options = &handle->options;
    struct fd_program all = everything(options->layer);
    const struct fd_program *program = options->program != NULL ? options->program : &all;
    uint32_t size = (uint32_t)sizeof(struct fd_windows_open) + program_size(program);
    uint8_t *input = malloc(size);
    struct fd_windows_open open = {
        .size = size,
        .layer = options->layer,
        .flags = options->flags,
        .priority = options->priority,
        .queue_length = options->queue_length,
        .queue_time = options->queue_time,
        .queue_size = options->queue_size,
        .program_size = program_size(program),
    };

    memcpy(input, &open, sizeof(open));
    memcpy(input + sizeof(open), program, program_size(program));
    NTSTATUS status = sim_ioctl(handle->file, FD_IOCTL_OPEN, input, size, NULL, 0, NULL);
    free(input);
    return status;
}

static void queue_allocate(struct user_queue *queue, uint32_t descriptor_count, uint64_t byte_size)
{
    queue->descriptor_count = descriptor_count;
    queue->byte_size = byte_size;
    queue->descriptors = sim_user_allocate(fd_ring_descriptor_region_size(descriptor_count));
    queue->bytes = sim_user_allocate(fd_ring_byte_region_size(byte_size));
}

static void queue_free(struct user_queue *queue)
{
    if (queue->descriptors != NULL)
        sim_user_free(queue->descriptors);
    if (queue->bytes != NULL)
        sim_user_free(queue->bytes);
    queue->descriptors = queue->bytes = NULL;
}

static struct user_queue *queue_at(struct user_handle *handle, uint32_t i)
{
    return i < handle->receive_count ? &handle->receive[i] : &handle->send;
}

void handle_allocate(struct user_handle *handle)
{
    for (uint32_t i = 0; i < handle->receive_count + handle->send_count; i++)
        queue_allocate(queue_at(handle, i), handle->options.descriptor_count,
                       handle->options.byte_size);
    handle->doorbell = sim_event_create(SynchronizationEvent, EVENT_MODIFY_STATE | SYNCHRONIZE);
}

NTSTATUS handle_register(struct user_handle *handle)
{
    struct {
        struct fd_windows_register head;
        struct fd_windows_queue queues[FD_WINDOWS_QUEUES_MAX + 1];
    } input;
    uint32_t count = handle->receive_count + handle->send_count;
    uint32_t size = (uint32_t)(sizeof(input.head) + count * sizeof(input.queues[0]));

    input.head = (struct fd_windows_register){
        .size = size,
        .receive_count = handle->receive_count,
        .send_count = handle->send_count,
        .doorbell = (uintptr_t)handle->doorbell,
    };
    for (uint32_t i = 0; i < count; i++) {
        const struct user_queue *queue = queue_at(handle, i);
        input.queues[i] = (struct fd_windows_queue){
            .descriptors = (uintptr_t)queue->descriptors,
            .bytes = (uintptr_t)queue->bytes,
            .byte_size = queue->byte_size,
            .descriptor_count = queue->descriptor_count,
        };
    }
    NTSTATUS status = sim_ioctl(handle->file, FD_IOCTL_REGISTER, &input, size, NULL, 0, NULL);
    if (!NT_SUCCESS(status))
        return status;
    for (uint32_t i = 0; i < count; i++) {
        struct user_queue *queue = queue_at(handle, i);
        MUST(fd_ring_attach(&queue->ring, queue->descriptors,
                            fd_ring_descriptor_region_size(queue->descriptor_count), queue->bytes,
                            fd_ring_byte_region_size(queue->byte_size)) == FD_RING_OK);
        if (i < handle->receive_count)
            fd_consumer_attach(&queue->consumer, &queue->ring);
        else
            fd_producer_attach(&queue->producer, &queue->ring);
    }
    return status;
}

NTSTATUS handle_startup(struct user_handle *handle)
{
    return request(handle, FD_IOCTL_STARTUP, 0);
}

NTSTATUS handle_try(struct user_handle *handle, const struct options *options)
{
    NTSTATUS status = handle_create(handle, options);
    if (!NT_SUCCESS(status))
        return status;
    status = handle_configure(handle);
    if (NT_SUCCESS(status)) {
        handle_allocate(handle);
        status = handle_register(handle);
    }
    if (NT_SUCCESS(status))
        status = handle_startup(handle);
    if (!NT_SUCCESS(status))
        handle_close(handle);
    return status;
}

void handle_open(struct user_handle *handle, const struct options *options)
{
    NTSTATUS status = handle_try(handle, options);
    if (!NT_SUCCESS(status))
        fprintf(stderr, "a handle could not be opened: 0x%08x\n", (unsigned)status);
    MUST(NT_SUCCESS(status));
}

void handle_free(struct user_handle *handle)
{
    for (uint32_t i = 0; i < handle->receive_count + handle->send_count; i++)
        queue_free(queue_at(handle, i));
    if (handle->doorbell != NULL)
        MUST(NT_SUCCESS(sim_handle_close(handle->doorbell)));
    handle->doorbell = NULL;
}

void handle_close(struct user_handle *handle)
{
    MUST(NT_SUCCESS(sim_handle_close(handle->file)));
    handle_free(handle);
}

NTSTATUS request(const struct user_handle *handle, uint32_t code, uint32_t argument)
{
    struct fd_windows_request input = {sizeof(input), argument};
    return sim_ioctl(handle->file, code, &input, sizeof(input), NULL, 0, NULL);
}

NTSTATUS set_filter(const struct user_handle *handle, const struct fd_program *program)
{
    uint32_t size = (uint32_t)sizeof(struct fd_windows_set_filter) + program_size(program);
    struct fd_windows_set_filter head = {size, program_size(program)};
    uint8_t *input = malloc(size);

    memcpy(input, &head, sizeof(head));
    memcpy(input + sizeof(head), program, program_size(program));
    NTSTATUS status = sim_ioctl(handle->file, FD_IOCTL_SET_FILTER, input, size, NULL, 0, NULL);
    free(input);
    return status;
}

NTSTATUS set_param(const struct user_handle *handle, uint32_t parameter, uint64_t value)
{
    struct fd_windows_parameter input = {sizeof(input), parameter, value};
    return sim_ioctl(handle->file, FD_IOCTL_SET_PARAM, &input, sizeof(input), NULL, 0, NULL);
}

NTSTATUS get_param(const struct user_handle *handle, uint32_t parameter, uint64_t *value)
{
    struct fd_windows_parameter both = {sizeof(both), parameter, 0};
    ULONG_PTR got;
    NTSTATUS status =
        sim_ioctl(handle->file, FD_IOCTL_GET_PARAM, &both, sizeof(both), &both, sizeof(both), &got);
    MUST(!NT_SUCCESS(status) || got == sizeof(both));
    *value = both.value;
    return status;
}

struct totals stats(const struct user_handle *handle)
{
    struct {
        struct fd_windows_stats head;
        struct fd_producer_counters queues[FD_WINDOWS_QUEUES_MAX];
    } output;
    struct fd_windows_request input = {sizeof(input), 0};
    struct totals totals = {0};
    ULONG_PTR got;

    MUST(NT_SUCCESS(sim_ioctl(handle->file, FD_IOCTL_STATS, &input, sizeof(input), &output,
                              sizeof(output), &got)));
    MUST(got == output.head.size &&
         got == sizeof(output.head) + output.head.queue_count * sizeof(output.queues[0]));
    totals.injection = output.head.injection;
    totals.queue_count = output.head.queue_count;
    for (uint32_t i = 0; i < totals.queue_count; i++) {
        const uint64_t *from = (const uint64_t *)&output.queues[i];
        uint64_t *to = (uint64_t *)&totals.queues;
        for (unsigned n = 0; n < sizeof(totals.queues) / sizeof(*to); n++)
            to[n] += from[n];
    }
    return totals;
}

uint64_t dropped(const struct totals *totals)
{
    uint64_t sum = 0;
    for (unsigned cause = 0; cause < FD_DROP_COUNT; cause++)
        sum += totals->queues.dropped[cause];
    return sum;
}

void check_conserved(const struct user_handle *handle)
{
    struct totals totals = stats(handle);
    uint64_t shown = 0;

    for (uint32_t i = 0; i < handle->receive_count; i++)
        shown += handle->receive[i].ring.header->producer.queued;
    if (totals.queues.matched != totals.queues.queued + dropped(&totals)) {
        fprintf(stderr, "matched %llu, queued %llu, dropped %llu\n",
                (unsigned long long)totals.queues.matched, (unsigned long long)totals.queues.queued,
                (unsigned long long)dropped(&totals));
        abort();
    }
    MUST(totals.queues.seen >= totals.queues.matched + totals.queues.malformed);
    MUST(shown == totals.queues.queued);
}

/* ---- packets ------------------------------------------------------------------------ */

uint32_t take(struct user_handle *handle, uint32_t queue, struct taken *taken, uint32_t most)
{
    struct fd_consumer *consumer = &handle->receive[queue].consumer;
    struct fd_record records[64];
    uint32_t count = 0;

    while (count < most) {
        uint32_t first, wanted = most - count < 64 ? most - count : 64;
        uint32_t got = fd_consumer_take(consumer, wanted, INT64_MIN, records, &first);
        MUST(consumer->fault == FD_RING_OK);
        if (got == 0)
            break;
        for (uint32_t i = 0; i < got; i++, count++) {
            taken[count].descriptor = consumer->ring.descriptors[first + i];
            taken[count].record = records[i];
        }
    }
    return count;
}

void give_back(struct user_handle *handle, uint32_t queue)
{
    struct fd_consumer *consumer = &handle->receive[queue].consumer;
    fd_consumer_release(consumer, consumer->taken, consumer->byte_taken);
}

uint32_t drain(struct user_handle *handle)
{
    struct taken taken[64];
    uint32_t count = 0, got;

    for (uint32_t queue = 0; queue < handle->receive_count; queue++)
        while ((got = take(handle, queue, taken, 64)) != 0) {
            count += got;
            give_back(handle, queue);
        }
    return count;
}

struct fd_descriptor *put_record(struct user_handle *handle, const uint8_t *bytes, uint32_t length,
                                 uint32_t flags)
{
    uint8_t *packet;
    struct fd_descriptor *descriptor =
        fd_producer_reserve(&handle->send.producer, 0, length, &packet);

    if (descriptor == NULL)
        return NULL;
    if (length != 0)
        memcpy(packet, bytes, length);
    descriptor->length = length;
    descriptor->flags = flags;
    descriptor->layer = (uint8_t)handle->options.layer;
    return descriptor;
}

NTSTATUS flush(struct user_handle *handle, uint32_t most, struct flush *result)
{
    struct fd_windows_request input = {sizeof(input), most};
    ULONG_PTR got;

    fd_producer_publish(&handle->send.producer);
    memset(result, 0, sizeof(*result));
    NTSTATUS status = sim_ioctl(handle->file, FD_IOCTL_FLUSH, &input, sizeof(input), result,
                                sizeof(*result), &got);
    if (NT_SUCCESS(status))
        MUST(got == result->head.size &&
             got == sizeof(result->head) + result->head.consumed * sizeof(result->status[0]));
    return status;
}

NTSTATUS send_one(struct user_handle *handle, const uint8_t *bytes, uint32_t length, uint32_t flags)
{
    struct flush result;

    MUST(put_record(handle, bytes, length, flags) != NULL);
    NTSTATUS status = flush(handle, 0, &result);
    if (!NT_SUCCESS(status))
        return status;
    MUST(result.head.consumed == 1);
    return result.status[0];
}

void numbered(struct packet *packet, int ipv6, uint32_t length, uint32_t number)
{
    if (ipv6)
        begin_ipv6(packet, FD_PROTOCOL_UDP);
    else
        begin_ipv4(packet, 5, FD_PROTOCOL_UDP);
    add_udp(packet);
    MUST(length >= packet->length && length <= sizeof(packet->bytes));
    add_payload(packet, length - packet->length);
    uint8_t *udp = packet->bytes + (ipv6 ? FD_IPV6_LENGTH : FD_IPV4_LENGTH);
    put_be16(udp, number >> 16);
    put_be16(udp + 2, number);
    put_be16(udp + 4, length - (ipv6 ? FD_IPV6_LENGTH : FD_IPV4_LENGTH));
    if (!ipv6)
        put_be16(packet->bytes + FD_IPV4_CHECKSUM,
                 fd_network16((uint16_t)~fd_fold(fd_sum(packet->bytes, FD_IPV4_LENGTH))));
}

uint32_t number_of(const uint8_t *bytes, int ipv6)
{
    const uint8_t *udp = bytes + (ipv6 ? FD_IPV6_LENGTH : FD_IPV4_LENGTH);
    return (uint32_t)udp[0] << 24 | (uint32_t)udp[1] << 16 | (uint32_t)udp[2] << 8 | udp[3];
}
