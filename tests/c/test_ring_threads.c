/* SPDX-License-Identifier: MIT */
/* Two threads on one queue: every record comes once, in order and whole, and
 * no wake-up is lost. */
#include "check.h"
#include "queue.h"
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#define RECORDS 60000u
#define MOST 64u

struct pair {
    struct queue queue;
    sem_t doorbell;
    sem_t room;          /* rung by the consumer after every release */
    uint32_t batch;      /* records a publication */
    uint32_t lost_bells; /* waits that only their time limit ended */
};

/* What record number i holds. */
static uint32_t length_of(uint32_t i)
{
    return i * 2654435761u >> 22; /* 0 to 1023 */
}

/* 0 if nobody rang for five seconds. */
static int wait_for(sem_t *bell)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    return sem_timedwait(bell, &until) == 0;
}

static void publish(struct pair *pair)
{
    if (fd_producer_publish(&pair->queue.producer))
        sem_post(&pair->doorbell);
}

static void *produce(void *argument)
{
    struct pair *pair = argument;
    struct queue *queue = &pair->queue;
    for (uint32_t i = 0; i < RECORDS; i++) {
        while (fd_producer_refusal(&queue->producer, i % 65, length_of(i)) != FD_DROP_COUNT) {
            publish(pair);
            if (queue->producer.fault != FD_RING_OK || !wait_for(&pair->room))
                return NULL;
        }
        put(queue, i % 65, length_of(i), (uint8_t)i)->timestamp = i;
        if (i % pair->batch == 0)
            publish(pair);
    }
    publish(pair);
    return NULL;
}

static uint32_t check_records(struct pair *pair, const struct fd_record *records, uint32_t count,
                              uint32_t first, uint32_t next)
{
    for (uint32_t i = 0; i < count; i++, next++) {
        const struct fd_record *record = &records[i];
        CHECK_EQ(pair->queue.ring.descriptors[first + i].sequence, next);
        CHECK_EQ(record->captured, length_of(next));
        CHECK_EQ(record->l2_length, next % 65);
        uint32_t wrong = 0;
        for (uint32_t byte = 0; byte < record->captured; byte++)
            wrong += record->packet[byte] != (uint8_t)next;
        for (uint32_t byte = 1; byte <= record->l2_length; byte++)
            wrong += record->packet[-(int32_t)byte] != (uint8_t)(next ^ 0xff);
        CHECK_EQ(wrong, 0);
    }
    return next;
}

static void run(uint32_t descriptor_count, uint64_t byte_size, uint32_t batch)
{
    static struct pair pair;
    struct fd_record records[MOST];
    pthread_t thread;
    uint32_t next = 0;
    memset(&pair, 0, sizeof(pair));
    pair.batch = batch;
    open_queue(&pair.queue, descriptor_count, byte_size);
    sem_init(&pair.doorbell, 0, 0);
    sem_init(&pair.room, 0, 0);
    if (pthread_create(&thread, NULL, produce, &pair) != 0)
        abort();

    while (next < RECORDS && pair.queue.consumer.fault == FD_RING_OK) {
        uint32_t first;
        uint32_t count = fd_consumer_take(&pair.queue.consumer, MOST, INT64_MIN, records, &first);
        if (count != 0) {
            next = check_records(&pair, records, count, first, next);
            release_all(&pair.queue);
            sem_post(&pair.room);
        } else if (fd_consumer_sleep(&pair.queue.consumer)) {
            if (!wait_for(&pair.doorbell)) {
                pair.lost_bells++;
                break;
            }
            fd_consumer_wake(&pair.queue.consumer);
        }
    }
    pthread_join(thread, NULL);
    CHECK_EQ(next, RECORDS);
    CHECK_EQ(pair.lost_bells, 0);
    CHECK_EQ(pair.queue.consumer.fault, FD_RING_OK);
    CHECK_EQ(pair.queue.producer.fault, FD_RING_OK);
    CHECK_EQ(pair.queue.ring.header->producer.queued, RECORDS);
    CHECK_EQ(pair.queue.ring.header->consumer.delivered, RECORDS);
    printf("%u descriptors, %llu bytes, %u a batch: %llu doorbells\n", descriptor_count,
           (unsigned long long)byte_size, batch,
           (unsigned long long)pair.queue.producer.counters.doorbells);
    close_queue(&pair.queue);
    sem_destroy(&pair.doorbell);
    sem_destroy(&pair.room);
}

int main(void)
{
    run(32, 65536, 1);
    run(32, 65536, 16);
    run(4096, 1u << 22, 64);
    return check_result();
}
