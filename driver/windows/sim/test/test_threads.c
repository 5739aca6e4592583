/* SPDX-License-Identifier: MIT */
/*
 * Everything at once, for ThreadSanitizer: processors that capture, a consumer,
 * a sender, an owner who changes filters and parameters, handles that come and
 * go, processes that die in the middle. Each packet is accounted for.
 */
#include "packets.h"
#include "world.h"

#include "check.h"

#include <sched.h>
#include <stdatomic.h>

#define PROCESSORS 3
#define ROUNDS 400

static struct user_handle handle;
static atomic_int stop;
static atomic_uint passed;
static atomic_uint given;

struct sender {
    ULONG processor;
    uint32_t rounds;
};

/* A processor: lists of one to four packets, on every way. */
static void *receive_packets(void *argument)
{
    const struct sender *sender = argument;
    struct packet packets[4];
    struct sim_bytes bytes[4];

    sim_set_processor(sender->processor);
    for (uint32_t round = 0; round < sender->rounds; round++) {
        struct sim_traffic how = {.way = round % 2 ? SIM_OUTBOUND : SIM_INBOUND,
                                  .ipv6 = round % 3 == 0,
                                  .irql = round % 5 == 0 ? PASSIVE_LEVEL : DISPATCH_LEVEL,
                                  .mdl_size = round % 7 == 0 ? 32 : 0};
        unsigned count = 1 + round % 4;
        for (unsigned i = 0; i < count; i++) {
            numbered(&packets[i], how.ipv6, 64 + (round * 31 + i * 97) % 900, round);
            bytes[i] = (struct sim_bytes){packets[i].bytes, packets[i].length};
        }
        atomic_fetch_add(&given, count);
        if (sim_packets(&how, bytes, count, 2))
            atomic_fetch_add(&passed, count);
    }
    return NULL;
}

struct consumption {
    uint32_t taken;
};

static void *consume(void *argument)
{
    struct consumption *consumption = argument;
    for (;;) {
        int last = atomic_load(&stop);
        uint32_t got = drain(&handle);
        consumption->taken += got;
        if (got == 0 && last)
            return NULL;
        if (got == 0)
            sched_yield();
    }
}

static void start_processors(pthread_t *threads, struct sender *senders, uint32_t rounds)
{
    for (ULONG i = 0; i < PROCESSORS; i++) {
        senders[i] = (struct sender){i, rounds};
        pthread_create(&threads[i], NULL, receive_packets, &senders[i]);
    }
}

static void join(pthread_t *threads)
{
    for (ULONG i = 0; i < PROCESSORS; i++)
        pthread_join(threads[i], NULL);
}

/* The same queue for all processors: places are reserved by several at once,
 * and published in order. */
static void processors_share_a_queue(uint32_t queues)
{
    pthread_t threads[PROCESSORS], consumer;
    struct sender senders[PROCESSORS];
    struct consumption consumption = {0};

    world_begin();
    handle_open(&handle, &(struct options){.receive_count = queues, .byte_size = 1 << 17});
    atomic_store(&stop, 0);
    atomic_store(&passed, 0);
    atomic_store(&given, 0);
    pthread_create(&consumer, NULL, consume, &consumption);
    start_processors(threads, senders, ROUNDS);
    join(threads);
    atomic_store(&stop, 1);
    pthread_join(consumer, NULL);

    struct totals totals = stats(&handle);
    check_conserved(&handle);
    CHECK_EQ(atomic_load(&passed), 0);
    CHECK_EQ(totals.queues.matched, atomic_load(&given));
    CHECK_EQ(consumption.taken, totals.queues.queued);
    CHECK_EQ(totals.queues.queued + dropped(&totals), atomic_load(&given));
    handle_close(&handle);
    world_end();
}

/* While packets come: filters swapped, parameters changed, counters read. */
static void the_owner_is_busy(void)
{
    pthread_t threads[PROCESSORS];
    struct sender senders[PROCESSORS];
    struct fd_program programs[2] = {
        everything(FD_LAYER_NETWORK),
        program_of(test_of(FD_FIELD_IPV6, FD_OPERATOR_EQ, 1), FD_LAYER_NETWORK)};
    uint32_t taken = 0;

    world_begin();
    handle_open(&handle, &(struct options){.receive_count = 2, .byte_size = 1 << 17});
    atomic_store(&given, 0);
    atomic_store(&passed, 0);
    start_processors(threads, senders, ROUNDS);
    for (int i = 0; i < 300; i++) {
        CHECK_EQ(set_filter(&handle, &programs[i % 2]), STATUS_SUCCESS);
        CHECK_EQ(set_param(&handle, FD_WINDOWS_QUEUE_LENGTH, 32 + (uint64_t)i), STATUS_SUCCESS);
        (void)stats(&handle);
        taken += drain(&handle);
    }
    join(threads);
    taken += drain(&handle);
    struct totals totals = stats(&handle);
    check_conserved(&handle);
    CHECK_EQ(totals.queues.seen, atomic_load(&given));
    CHECK_EQ(taken, totals.queues.queued);
    /* A list of which anything matched is gone from the host; what did not
     * match of it came back by injection. */
    CHECK_EQ(sim_arrival_count(), totals.queues.seen - totals.queues.matched);
    handle_close(&handle);
    world_end();
}

static void *send_packets(void *argument)
{
    uint32_t *good = argument;
    struct packet packet;
    struct flush result;

    sim_process_enter(world_process());
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < 5; i++) {
            numbered(&packet, i % 2, 100, round);
            put_record(&handle, packet.bytes, packet.length, i % 3 ? FD_FLAG_OUTBOUND : 0);
        }
        if (!NT_SUCCESS(flush(&handle, 0, &result)))
            break;
        *good += result.head.injected;
    }
    return NULL;
}

static void sending_and_receiving_at_once(enum sim_completion when)
{
    pthread_t threads[PROCESSORS], sender;
    struct sender senders[PROCESSORS];
    uint32_t good = 0;

    world_begin();
    sim_completion_set(when);
    handle_open(&handle, &(struct options){.receive_count = 2, .byte_size = 1 << 17});
    start_processors(threads, senders, ROUNDS / 2);
    pthread_create(&sender, NULL, send_packets, &good);
    for (int i = 0; i < 100; i++) {
        (void)stats(&handle);
        drain(&handle);
    }
    join(threads);
    pthread_join(sender, NULL);
    sim_completion_stop();
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.injection.injected, good);
    CHECK_EQ(totals.injection.completed, good);
    CHECK_EQ(totals.injection.outstanding, 0);
    check_conserved(&handle);
    handle_close(&handle);
    world_end();
}

/* Packets keep coming while handles are opened and closed, and flushed by
 * another thread until that is refused. */
static void handles_come_and_go(enum sim_completion when, int by_death)
{
    pthread_t threads[PROCESSORS];
    struct sender senders[PROCESSORS];

    world_begin();
    sim_completion_set(when);
    atomic_store(&given, 0);
    atomic_store(&passed, 0);
    start_processors(threads, senders, ROUNDS);
    uint64_t gone = 0;
    for (int i = 0; i < 25; i++) {
        PEPROCESS process = sim_process_create();
        PEPROCESS before = sim_process_enter(process);
        handle_open(&handle, &(struct options){.receive_count = 2, .byte_size = FD_BYTES_MIN});
        sched_yield();
        gone += drain(&handle);
        CHECK_EQ(request(&handle, FD_IOCTL_SHUTDOWN, FD_WINDOWS_SHUTDOWN_RECV), STATUS_SUCCESS);
        struct totals totals = stats(&handle);
        gone += drain(&handle) + dropped(&totals);
        if (!by_death)
            handle_close(&handle);
        sim_process_exit(process);
        sim_process_enter(before);
    }
    join(threads);
    sim_completion_stop();
    CHECK_EQ(sim_arrival_count() + gone, atomic_load(&given));
    world_end();
}

/* Without the order that shutdown brings: closing with the door open. */
static void closing_in_the_middle(int by_death)
{
    pthread_t threads[PROCESSORS];
    struct sender senders[PROCESSORS];

    world_begin();
    sim_completion_set(SIM_THREAD);
    atomic_store(&given, 0);
    start_processors(threads, senders, ROUNDS);
    for (int i = 0; i < 25; i++) {
        PEPROCESS process = sim_process_create();
        PEPROCESS before = sim_process_enter(process);
        handle_open(&handle, &(struct options){.receive_count = 3,
                                               .byte_size = 1 << 21,
                                               .descriptor_count = 8192,
                                               .queue_length = 8192});
        sched_yield();
        if (!by_death)
            handle_close(&handle);
        sim_process_exit(process);
        sim_process_enter(before);
    }
    join(threads);
    sim_completion_stop();
    /* The queues were large enough: all that nobody took is back on its way. */
    CHECK_EQ(sim_arrival_count(), atomic_load(&given));
    world_end();
}

static atomic_int flushers;
static HANDLE shared_file;

static void *flush_until_refused(void *argument)
{
    struct fd_windows_request input = {sizeof(input), 0};
    struct flush result;
    (void)argument;
    sim_process_enter(world_process());
    atomic_fetch_add(&flushers, 1);
    while (NT_SUCCESS(sim_ioctl(shared_file, FD_IOCTL_FLUSH, &input, sizeof(input), &result,
                                sizeof(result), NULL)))
        ;
    return NULL;
}

static void many_threads_flush_and_one_closes(void)
{
    pthread_t threads[PROCESSORS];
    for (int round = 0; round < 20; round++) {
        world_begin();
        handle_open(&handle, &(struct options){0});
        shared_file = handle.file;
        atomic_store(&flushers, 0);
        for (int i = 0; i < PROCESSORS; i++)
            pthread_create(&threads[i], NULL, flush_until_refused, NULL);
        while (atomic_load(&flushers) != PROCESSORS)
            sched_yield();
        if (round % 2)
            request(&handle, FD_IOCTL_SHUTDOWN, FD_WINDOWS_SHUTDOWN_SEND);
        sim_handle_close(handle.file);
        for (int i = 0; i < PROCESSORS; i++)
            pthread_join(threads[i], NULL);
        handle_free(&handle);
        world_end();
    }
}

int main(void)
{
    processors_share_a_queue(1);
    processors_share_a_queue(2);
    the_owner_is_busy();
    sending_and_receiving_at_once(SIM_INLINE);
    sending_and_receiving_at_once(SIM_THREAD);
    for (int by_death = 0; by_death < 2; by_death++) {
        handles_come_and_go(SIM_INLINE, by_death);
        handles_come_and_go(SIM_THREAD, by_death);
        closing_in_the_middle(by_death);
    }
    many_threads_flush_and_one_closes();
    return check_result();
}
