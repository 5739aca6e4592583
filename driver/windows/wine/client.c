/* SPDX-License-Identifier: MIT */
/*
 * client.exe DRIVER [die]: fastdivert.sys in Wine, from its installation to its
 * removal, through the same C as the extension uses. With die, the process ends
 * in the middle of everything, and leaves its handle to the kernel.
 */
#include <stdlib.h>
#include <string.h>

#include "../user/port.h"
#include "../user/service.h"
#include "check.h"
#include "client_host.h"
#include "core/atomic.h"
#include "programs.h"

#define LENGTH 1400u
#define PATIENCE 5000u

struct opened {
    struct fd_port *port;
    struct fd_memory memory;
    struct fd_consumer consumer[FD_WINDOWS_QUEUES_MAX];
    struct fd_record records[512];
    struct fd_descriptor descriptors[512];
    uint32_t count;
};

static struct fd_failure failure;

/* ---- a handle ------------------------------------------------------------------- */

static int attach(struct opened *handle)
{
    for (uint32_t i = 0; i < fd_port_receive_count(handle->port); i++) {
        const struct fd_windows_queue *queue = &handle->memory.queues[i];
        struct fd_ring ring;
        if (fd_ring_attach(&ring, (void *)(uintptr_t)queue->descriptors,
                           fd_ring_descriptor_region_size(queue->descriptor_count),
                           (void *)(uintptr_t)queue->bytes,
                           fd_ring_byte_region_size(queue->byte_size)) != FD_RING_OK)
            return -1;
        fd_consumer_attach(&handle->consumer[i], &ring);
    }
    return 0;
}

static int open_with(struct opened *handle, uint32_t flags, int32_t priority, unsigned field,
                     uint32_t constant)
{
    const struct fd_program program = {
        .length = 1, .layer = FD_LAYER_NETWORK, .test = {test_of(field, FD_OPERATOR_EQ, constant)}};
    const struct fd_port_options options = {
        .program = &program,
        .program_size = (uint32_t)size_of(1),
        .layer = FD_LAYER_NETWORK,
        .flags = flags,
        .priority = priority,
        .queue_length = 256,
        .queue_time = FD_QUEUE_TIME_DEFAULT,
        .queue_size = 1 << 20,
    };

    memset(handle, 0, sizeof(*handle));
    handle->port = fd_port_open(&options, &handle->memory, &failure);
    if (handle->port == NULL || attach(handle) != 0) {
        fprintf(stderr, "no handle: %s\n", failure.message);
        return -1;
    }
    return 0;
}

static int open_udp(struct opened *handle, uint32_t flags, int32_t priority)
{
    return open_with(handle, flags, priority, FD_FIELD_UDP, 1);
}

static void close_handle(struct opened *handle)
{
    fd_port_free(handle->port);
    fd_memory_free(&handle->memory);
}

/* Takes what waits in all queues; their descriptors are copied. */
static void take(struct opened *handle)
{
    handle->count = 0;
    for (uint32_t i = 0; i < fd_port_receive_count(handle->port); i++) {
        struct fd_consumer *consumer = &handle->consumer[i];
        uint32_t first, taken;
        while ((taken = fd_consumer_take(consumer, 512 - handle->count, INT64_MIN,
                                         &handle->records[handle->count], &first)) != 0) {
            memcpy(&handle->descriptors[handle->count], &consumer->ring.descriptors[first],
                   taken * sizeof(handle->descriptors[0]));
            handle->count += taken;
        }
    }
}

static void release(struct opened *handle)
{
    for (uint32_t i = 0; i < fd_port_receive_count(handle->port); i++)
        fd_consumer_release(&handle->consumer[i], handle->consumer[i].taken,
                            handle->consumer[i].byte_taken);
}

static int is_datagram(const struct fd_record *record, uint32_t length, uint32_t number)
{
    uint8_t expected[LENGTH];

    host_make_datagram(expected, length, number);
    return record->captured == length && memcmp(record->packet, expected, length) == 0;
}

static void offer(enum fd_wire_layer layer, uint32_t lists, uint32_t buffers, uint32_t split,
                  enum fd_wire_fate expected)
{
    host_request = (struct fd_wire_request){
        .ifindex = 7, .subifindex = 3, .lists = lists, .buffers = buffers, .split = split};
    CHECK_EQ(host_offer(layer, LENGTH, lists), expected);
}

/* ---- what is tried ---------------------------------------------------------------- */

static void check_outbound(struct opened *handle)
{
    for (uint32_t i = 0; i < fd_port_receive_count(handle->port); i++)
        CHECK_EQ(fd_consumer_sleep(&handle->consumer[i]), 1);
    offer(FD_WIRE_OUTBOUND_V4, 4, 2, 33, FD_WIRE_TAKEN);
    CHECK_EQ(WaitForSingleObject(fd_port_doorbell(handle->port), PATIENCE), WAIT_OBJECT_0);
    take(handle);
    CHECK_EQ(handle->count, 8);
    for (uint32_t i = 0; i < handle->count; i++) {
        CHECK(is_datagram(&handle->records[i], LENGTH, 4));
        CHECK_EQ(handle->descriptors[i].flags, FD_FLAG_OUTBOUND);
        CHECK_EQ(handle->descriptors[i].ifindex, 7);
        CHECK_EQ(handle->descriptors[i].subifindex, 3);
        int64_t age = fd_port_now(handle->port) - handle->descriptors[i].timestamp;
        CHECK(age >= 0 && age < 10000000000);
    }
}

/* Behind the header, as the stack has it there; loopback is seen outbound only. */
static void check_inbound(struct opened *handle)
{
    offer(FD_WIRE_INBOUND_V4, 2, 1, 20, FD_WIRE_TAKEN);
    take(handle);
    CHECK_EQ(handle->count, 2);
    for (uint32_t i = 0; i < handle->count; i++) {
        CHECK(is_datagram(&handle->records[i], LENGTH, 2));
        CHECK_EQ(handle->descriptors[i].flags, 0);
    }
    release(handle);

    host_request = (struct fd_wire_request){.conditions = 1};
    CHECK_EQ(host_offer(FD_WIRE_INBOUND_V4, LENGTH, 0), FD_WIRE_PASSED);
    CHECK(host_take(PATIENCE));
    CHECK_EQ(host_offer(FD_WIRE_FORWARD_V4, LENGTH, 0), FD_WIRE_PASSED);
    CHECK(host_take(PATIENCE));
}

/* All of the queue that sends, more than once around. */
static void check_sending(struct opened *handle)
{
    static uint8_t bytes[200][LENGTH];
    static struct fd_record records[200];
    static struct fd_descriptor descriptors[200];
    int32_t status[200];

    for (uint32_t i = 0; i < 200; i++) {
        host_make_datagram(bytes[i], 100 + i, i);
        records[i] = (struct fd_record){.packet = bytes[i], .captured = 100 + i};
        descriptors[i] = (struct fd_descriptor){.flags = i % 2 == 0 ? FD_FLAG_OUTBOUND : 0,
                                                .captured = 100 + i,
                                                .length = 100 + i,
                                                .ifindex = 9};
    }
    for (int turn = 0; turn < 3; turn++) {
        CHECK_EQ(fd_port_inject(handle->port, descriptors, records, 200, 0, status, &failure), 200);
        for (uint32_t i = 0; i < 200; i++) {
            CHECK(host_take(PATIENCE));
            CHECK_EQ(status[i], 0);
            CHECK_EQ(host_reply.injected, 1);
            CHECK_EQ(host_reply.layer, i % 2 == 0 ? FD_WIRE_OUTBOUND_V4 : FD_WIRE_INBOUND_V4);
            CHECK_EQ(host_reply.ifindex, i % 2 == 0 ? 0 : 9);
            CHECK(host_reply.length == 100 + i && memcmp(host_reply.data, bytes[i], 100 + i) == 0);
        }
    }
    /* One that is no packet, between two that are. */
    bytes[1][0] = 0;
    CHECK_EQ(fd_port_inject(handle->port, descriptors, records, 3, 0, status, &failure), 2);
    CHECK(status[0] == 0 && (uint32_t)status[1] == 0xC000000D && status[2] == 0);
    CHECK(host_take(PATIENCE) && host_take(PATIENCE));
}

/* A lower one sees what a higher one sends, and not the other way round. */
static void check_priorities(struct opened *high)
{
    static struct opened low;
    int32_t status[8];

    if (open_udp(&low, 0, -5) != 0) {
        CHECK(0);
        return;
    }
    offer(FD_WIRE_OUTBOUND_V4, 1, 1, 0, FD_WIRE_TAKEN);
    take(&low);
    CHECK_EQ(low.count, 0);
    take(high);
    CHECK_EQ(high->count, 1);
    for (uint32_t i = 0; i < fd_port_receive_count(low.port); i++)
        CHECK_EQ(fd_consumer_sleep(&low.consumer[i]), 1);
    CHECK_EQ(fd_port_inject(high->port, high->descriptors, high->records, 1, 0, status, &failure),
             1);
    release(high);
    CHECK_EQ(WaitForSingleObject(fd_port_doorbell(low.port), PATIENCE), WAIT_OBJECT_0);
    take(&low);
    CHECK_EQ(low.count, 1);
    CHECK_EQ(fd_port_inject(low.port, low.descriptors, low.records, 1, 0, status, &failure), 1);
    CHECK(host_take(PATIENCE) && host_reply.injected == 1);
    take(high);
    CHECK_EQ(high->count, 0);
    /* What it has not received goes back when it is closed. */
    release(&low);
    close_handle(&low);
}

static void check_filter_and_policy(struct opened *handle)
{
    struct fd_program program = {
        .length = 1, .layer = FD_LAYER_NETWORK, .test = {test_of(FD_FIELD_TCP, FD_OPERATOR_EQ, 1)}};

    CHECK_EQ(fd_port_set_program(handle->port, &program, (uint32_t)size_of(1), &failure), 0);
    offer(FD_WIRE_OUTBOUND_V4, 1, 1, 0, FD_WIRE_PASSED);
    CHECK(host_take(PATIENCE) && host_reply.injected == 0);
    program.test[0].success = 0; /* backwards: it would never end */
    CHECK_EQ(fd_port_set_program(handle->port, &program, (uint32_t)size_of(1), &failure), -1);
    CHECK_EQ(failure.kind, FD_FAILURE_FILTER);
    program.test[0] = test_of(FD_FIELD_UDP, FD_OPERATOR_EQ, 1);
    CHECK_EQ(fd_port_set_program(handle->port, &program, (uint32_t)size_of(1), &failure), 0);
    CHECK_EQ(fd_port_set_policy(handle->port, 64, 500, 1 << 17, &failure), 0);
    CHECK_EQ(fd_port_set_policy(handle->port, 1, 500, 1 << 17, &failure), -1);
    CHECK_EQ(failure.kind, FD_FAILURE_ARGUMENT);
}

static void check_stats(struct opened *handle)
{
    struct fd_port_stats stats;

    CHECK_EQ(fd_port_read_stats(handle->port, &stats, &failure), 0);
    CHECK_EQ(stats.producer.matched, 11);
    CHECK_EQ(stats.producer.queued, 11);
    CHECK(stats.producer.doorbells >= 1);
    CHECK_EQ(stats.injection.injected, 603);
    CHECK_EQ(stats.injection.refused, 1);
}

/* A queue fills, what finds no room is lost and counted; what is left when the
 * handle is closed goes back. */
static void check_overload(void)
{
    static struct opened handle;
    struct fd_port_stats stats;
    uint32_t returned = 0;

    if (open_udp(&handle, 0, 0) != 0) {
        CHECK(0);
        return;
    }
    CHECK_EQ(fd_port_set_policy(handle.port, 32, 500, 1 << 20, &failure), 0);
    offer(FD_WIRE_OUTBOUND_V4, 100, 1, 0, FD_WIRE_TAKEN);
    CHECK_EQ(fd_port_read_stats(handle.port, &stats, &failure), 0);
    CHECK_EQ(stats.producer.matched, 100);
    CHECK_EQ(stats.producer.queued, 32);
    CHECK_EQ(stats.producer.dropped[FD_DROP_QUEUE_LENGTH], 68);
    close_handle(&handle);
    while (host_take(200)) {
        CHECK_EQ(host_reply.injected, 1);
        returned++;
    }
    CHECK_EQ(returned, 32);
}

/* client_hostile.c */
void check_hostile_requests(void);
void check_hostile_rings(void);

void check_that(int condition, const char *text, int line);
void check_that(int condition, const char *text, int line)
{
    check_count++;
    if (condition)
        return;
    check_failures++;
    fprintf(stderr, "client_hostile.c:%d: not so: %s (error %lu)\n", line, text, GetLastError());
}

static void run(int dies)
{
    static struct opened handle;

    if (open_udp(&handle, 0, 5) != 0) {
        CHECK(0);
        return;
    }
    CHECK_EQ(host_state().filters, 4);
    check_outbound(&handle);
    release(&handle);
    if (dies) {
        offer(FD_WIRE_OUTBOUND_V4, 50, 1, 0, FD_WIRE_TAKEN);
        printf("%u checks, %u failed; dying\n", check_count, check_failures);
        (void)fflush(stdout);
        TerminateProcess(GetCurrentProcess(), check_failures != 0 ? 1 : 42);
    }
    check_inbound(&handle);
    check_sending(&handle);
    check_priorities(&handle);
    check_stats(&handle);
    check_filter_and_policy(&handle);
    CHECK_EQ(fd_port_stop(handle.port, &failure), 0);
    offer(FD_WIRE_OUTBOUND_V4, 1, 1, 0, FD_WIRE_PASSED);
    CHECK(host_take(PATIENCE));
    close_handle(&handle);
    check_overload();
    check_hostile_requests();
    check_hostile_rings();
}

/* Everything that handles had is gone, also of a process that died. */
static void check_nothing_left(void)
{
    struct fd_wire_state state = host_state();

    for (int tries = 0; tries < 100 && (state.regions != 0 || state.filters != 0); tries++) {
        Sleep(20);
        state = host_state();
    }
    CHECK_EQ(state.filters, 0);
    CHECK_EQ(state.sessions, 0);
    CHECK_EQ(state.regions, 0);
    CHECK_EQ(state.in_flight, 0);
    CHECK_EQ(state.lists, 0);
    CHECK_EQ(state.callouts, 6);
    CHECK_EQ(state.complaints, 0);
    if (state.complaints != 0)
        fprintf(stderr, "the stand-in complains: %s\n", state.complaint);
}

int main(int argc, char **argv)
{
    wchar_t path[MAX_PATH], installed[MAX_PATH];

    if (argc < 2 || MultiByteToWideChar(CP_ACP, 0, argv[1], -1, path, MAX_PATH) == 0)
        return 2;
    if (fd_service_start(path, &failure) != 0 || host_connect() != 0) {
        fprintf(stderr, "the driver does not start: %s\n", failure.message);
        return 1;
    }
    CHECK_EQ(fd_service_query(installed, MAX_PATH, &failure), FD_SERVICE_RUNNING);
    check_nothing_left();
    while (host_take(0)) /* what a handle that died has given back */
        continue;
    run(argc > 2 && strcmp(argv[2], "die") == 0);
    check_nothing_left();
    host_disconnect();
    CHECK_EQ(fd_service_remove(&failure), 0);
    CHECK_EQ(fd_service_query(installed, MAX_PATH, &failure), FD_SERVICE_ABSENT);
    return check_result();
}
