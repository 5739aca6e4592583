/* SPDX-License-Identifier: MIT */
/*
 * A process that rewrites its rings while the driver works in them: every index,
 * every descriptor, every byte, on another thread. Whatever it writes, the
 * driver stays inside its views (red zones), other handles do not notice, and
 * what is counted adds up.
 */
#include "packets.h"
#include "world.h"

#include "check.h"

#include <sched.h>
#include <stdatomic.h>

static atomic_int stop;

#define QUEUES 3 /* two to receive, one to send */

struct victim {
    uint64_t random;
    struct user_queue views[QUEUES]; /* the hostile thread's own */
};

/* A value that might get past a check: near what is there, or at an edge. */
static uint64_t plausible(uint64_t now, uint64_t *random)
{
    static const uint64_t edges[] = {0,          1,           63,         64,
                                     0xffff,     0x10000,     0x7fffffff, 0x80000000,
                                     0xffffffff, 0x100000000, UINT64_MAX, 0xffffffffffffffc0};
    switch (random_below(random, 5)) {
    case 0:
        return now + random_below(random, 4) - 2;
    case 1:
        return now + (random_below(random, 64) - 32) * 64ull;
    case 2:
        return edges[random_below(random, 12)];
    case 3:
        return random_next(random);
    default:
        return now ^ 1ull << random_below(random, 64);
    }
}

static void scribble_header(struct user_queue *queue, uint64_t *random)
{
    uint64_t *words = (uint64_t *)queue->descriptors;
    /* Heads, tails, sleeping, policy, counters: lines 0 to 8. */
    uint32_t at = random_below(random, 9 * 8);
    __atomic_store_n(&words[at], plausible(__atomic_load_n(&words[at], __ATOMIC_RELAXED), random),
                     __ATOMIC_RELAXED);
}

static void scribble_descriptor(struct user_queue *queue, uint64_t *random)
{
    uint64_t *words = (uint64_t *)((uint8_t *)queue->descriptors + sizeof(struct fd_ring_header));
    uint32_t at = random_below(random, queue->descriptor_count * 8);
    __atomic_store_n(&words[at], plausible(__atomic_load_n(&words[at], __ATOMIC_RELAXED), random),
                     __ATOMIC_RELAXED);
}

static void scribble_bytes(struct user_queue *queue, uint64_t *random)
{
    uint64_t *words = queue->bytes;
    uint32_t at = random_below(random, (uint32_t)(queue->byte_size / 8));
    __atomic_store_n(&words[at], random_next(random), __ATOMIC_RELAXED);
}

static void *scribble(void *argument)
{
    struct victim *victim = argument;

    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        struct user_queue *queue = &victim->views[random_below(&victim->random, QUEUES)];
        switch (random_below(&victim->random, 4)) {
        case 0:
            scribble_header(queue, &victim->random);
            break;
        case 1:
            scribble_bytes(queue, &victim->random);
            break;
        default:
            scribble_descriptor(queue, &victim->random);
            break;
        }
        if (random_below(&victim->random, 16) == 0)
            sched_yield();
    }
    return NULL;
}

static void map_views(struct victim *victim, struct user_handle *handle)
{
    for (unsigned i = 0; i < QUEUES; i++) {
        const struct user_queue *queue = i < 2 ? &handle->receive[i] : &handle->send;
        victim->views[i] = *queue;
        victim->views[i].descriptors = sim_user_alias(queue->descriptors);
        victim->views[i].bytes = sim_user_alias(queue->bytes);
    }
}

static void unmap_views(struct victim *victim)
{
    for (unsigned i = 0; i < QUEUES; i++) {
        const struct user_queue *view = &victim->views[i];
        sim_user_unalias(view->descriptors, fd_ring_descriptor_region_size(view->descriptor_count));
        sim_user_unalias(view->bytes, fd_ring_byte_region_size(view->byte_size));
    }
}

/* Honest records for the driver to begin with, while the scribbler is at them. */
static void send_some(struct user_handle *handle, uint64_t *random)
{
    struct fd_windows_request input = {sizeof(input), 0};
    struct packet packet;
    struct flush result;
    ULONG_PTR got;

    for (uint32_t i = 0; i < 8; i++) {
        numbered(&packet, (int)random_below(random, 2), 60 + random_below(random, 1400), i);
        if (put_record(handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND) == NULL)
            break;
    }
    fd_producer_publish(&handle->send.producer);
    NTSTATUS status = sim_ioctl(handle->file, FD_IOCTL_FLUSH, &input, sizeof(input), &result,
                                sizeof(result), &got);
    CHECK_EQ(status, STATUS_SUCCESS);
    CHECK(result.head.consumed <= 256);
    for (uint32_t i = 0; i < result.head.consumed; i++)
        CHECK(result.status[i] != STATUS_PENDING);
}

static void one_victim(uint64_t seed, int by_death)
{
    static struct user_handle handle, witness;
    struct victim victim = {.random = seed * 2 + 1};
    uint64_t random = seed * 7 + 3;
    struct packet packet;
    pthread_t thread;

    world_begin();
    PEPROCESS honest = world_process();
    PEPROCESS process = sim_process_create();
    handle_open(&witness, &(struct options){.priority = -5, .flags = FD_WINDOWS_SNIFF});
    sim_process_enter(process);
    handle_open(&handle, &(struct options){.receive_count = 2,
                                           .byte_size = FD_BYTES_MIN,
                                           .descriptor_count = FD_DESCRIPTORS_MIN});
    map_views(&victim, &handle);
    atomic_store(&stop, 0);
    pthread_create(&thread, NULL, scribble, &victim);
    for (uint32_t i = 0; i < 120; i++) {
        sim_set_processor(i);
        struct sim_traffic how = {.way = i % 2 ? SIM_INBOUND : SIM_OUTBOUND, .ipv6 = i % 3 == 0};
        numbered(&packet, how.ipv6, 60 + random_below(&random, 1400), i);
        CHECK(!sim_packet(&how, packet.bytes, packet.length)); /* diverted or dropped: never seen */
        if (i % 8 == 0)
            send_some(&handle, &random);
    }
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.queues.seen, 120);
    CHECK_EQ(totals.queues.matched, totals.queues.queued + dropped(&totals));
    CHECK_EQ(totals.injection.injected, totals.injection.completed + totals.injection.failed);
    if (!by_death)
        sim_handle_close(handle.file); /* with the scribbler still at it */
    else
        sim_process_handles_close(process);
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
    unmap_views(&victim);
    sim_process_exit(process);
    sim_process_enter(honest);
    check_conserved(&witness);
    drain(&witness);
    handle_close(&witness);
    world_end();
}

int main(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        one_victim(seed, (int)(seed & 1));
    return check_result();
}
