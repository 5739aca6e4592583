/* SPDX-License-Identifier: MIT */
/* A queue with both its ends, in two exact allocations: AddressSanitizer
 * guards the bytes before and behind each region. */
#ifndef FD_TEST_QUEUE_H
#define FD_TEST_QUEUE_H

#include "core/ring.h"
#include <stdlib.h>
#include <string.h>

struct queue {
    void *descriptor_region;
    void *byte_region;
    struct fd_ring ring;
    struct fd_producer producer;
    struct fd_consumer consumer;
};

static inline void *zeroed_region(uint64_t size)
{
    void *region = aligned_alloc(FD_RECORD_ALIGN, size);
    if (region == NULL)
        abort();
    memset(region, 0, size);
    return region;
}

static inline void open_queue(struct queue *queue, uint32_t descriptor_count, uint64_t byte_size)
{
    queue->descriptor_region = zeroed_region(fd_ring_descriptor_region_size(descriptor_count));
    queue->byte_region = zeroed_region(fd_ring_byte_region_size(byte_size));
    if (fd_ring_format(&queue->ring, queue->descriptor_region, queue->byte_region, descriptor_count,
                       byte_size, 0) != FD_RING_OK)
        abort();
    fd_producer_attach(&queue->producer, &queue->ring);
    fd_consumer_attach(&queue->consumer, &queue->ring);
}

static inline void close_queue(struct queue *queue)
{
    free(queue->descriptor_region);
    free(queue->byte_region);
}

/* Reserves a record and fills its packet with one byte value. */
static inline struct fd_descriptor *put(struct queue *queue, uint32_t l2_length, uint32_t captured,
                                        uint8_t fill)
{
    uint8_t *packet;
    struct fd_descriptor *descriptor =
        fd_producer_reserve(&queue->producer, l2_length, captured, &packet);
    if (descriptor != NULL) {
        memset(packet - l2_length, fill ^ 0xff, l2_length);
        memset(packet, fill, captured);
    }
    return descriptor;
}

static inline void publish_one(struct queue *queue, uint32_t l2_length, uint32_t captured)
{
    if (put(queue, l2_length, captured, 1) == NULL)
        abort();
    fd_producer_publish(&queue->producer);
}

/* Takes one record; 0 if there is none. */
static inline uint32_t take_one(struct queue *queue, struct fd_record *record)
{
    uint32_t first;
    return fd_consumer_take(&queue->consumer, 1, INT64_MIN, record, &first);
}

static inline void release_all(struct queue *queue)
{
    fd_consumer_release(&queue->consumer, queue->consumer.taken, queue->consumer.byte_taken);
}

#endif
