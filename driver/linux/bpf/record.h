/* SPDX-License-Identifier: MIT */
/*
 * The producer's end of a queue, as driver/core/producer.c has it.
 *
 * One producer for each CPU, and it needs no lock: a tcx program runs with
 * bottom halves disabled (dev_queue_xmit and the receive path both see to it),
 * so it is not preempted, stays on its CPU, and no other softirq of that CPU
 * runs in between. It cannot be entered twice either: whatever it sends on
 * (bpf_redirect) leaves after it has returned. Hard interrupts that transmit
 * (netpoll) call the device itself and never reach this hook.
 */
#ifndef FD_LINUX_BPF_RECORD_H
#define FD_LINUX_BPF_RECORD_H

#include "../../core/record.h"
#include "maps.h"

/* A queue as found for this CPU. */
struct queue {
    struct fd_live_producer *producer;
    struct fd_ring_header *header;
    uint8_t *bytes;
};

INLINE int find_queue(struct queue *queue)
{
    uint32_t cpu = bpf_get_smp_processor_id();

    queue->producer = only_element(&producers);
    queue->header = bpf_map_lookup_elem(&descriptors, &cpu);
    queue->bytes = bpf_map_lookup_elem(&bytes, &cpu);
    return queue->producer && queue->header && queue->bytes;
}

INLINE void read_tails(struct queue *queue)
{
    struct fd_live_producer *producer = queue->producer;
    uint32_t tail = READ_ONCE(queue->header->descriptor_tail);
    uint64_t byte_tail = READ_ONCE(queue->header->byte_tail);

    if (tail - producer->cached_tail > producer->published - producer->cached_tail ||
        byte_tail % FD_RECORD_ALIGN != 0 ||
        byte_tail - producer->cached_byte_tail >
            producer->byte_published - producer->cached_byte_tail) {
        producer->fault = 1;
        return;
    }
    producer->cached_tail = tail;
    producer->cached_byte_tail = byte_tail;

    /* What was taken decides only what counts as waiting: a lie is no fault,
     * but is held to what can be. */
    uint32_t taken = READ_ONCE(queue->header->descriptor_taken);
    uint64_t byte_taken = READ_ONCE(queue->header->byte_taken);
    producer->cached_taken = taken - tail <= producer->published - tail ? taken : tail;
    producer->cached_byte_taken =
        byte_taken - byte_tail <= producer->byte_published - byte_tail ? byte_taken : byte_tail;
}

/* The policy is the owner's to change; we take what is sensible of it. */
INLINE uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
    if (value < least)
        return least;
    return value > most ? most : value;
}

/* The ring is full of what was not given back; the policy counts what nobody
 * has taken yet. */
INLINE enum fd_drop refusal(const struct fd_live_producer *producer, uint32_t count, uint64_t size,
                            uint64_t queue_length, uint64_t queue_size)
{
    uint32_t waiting = producer->head - producer->cached_taken;
    uint64_t waiting_bytes = producer->byte_head - producer->cached_byte_taken;

    if (producer->head - producer->cached_tail + count > config.descriptor_count ||
        waiting + count > queue_length)
        return FD_DROP_QUEUE_LENGTH;
    if (producer->byte_head - producer->cached_byte_tail + size > config.byte_size)
        return FD_DROP_QUEUE_SIZE;
    /* An empty queue takes any record that the ring can hold. */
    if (waiting_bytes != 0 && waiting_bytes + size > queue_size)
        return FD_DROP_QUEUE_SIZE;
    return FD_DROP_COUNT;
}

/* FD_DROP_COUNT: there is room for count records of size bytes together. */
INLINE enum fd_drop make_room(struct queue *queue, uint32_t count, uint64_t size)
{
    struct fd_live_producer *producer = queue->producer;

    if (producer->fault)
        return FD_DROP_MEMORY;
    if (size > config.byte_size)
        return FD_DROP_OVERSIZE;
    uint64_t queue_length =
        clamp(READ_ONCE(queue->header->queue_length), FD_QUEUE_LENGTH_MIN, config.descriptor_count);
    uint64_t queue_size =
        clamp(READ_ONCE(queue->header->queue_size), FD_QUEUE_SIZE_MIN, config.byte_size);
    enum fd_drop drop = refusal(producer, count, size, queue_length, queue_size);
    if (drop == FD_DROP_COUNT)
        return drop;
    read_tails(queue);
    if (producer->fault)
        return FD_DROP_MEMORY;
    return refusal(producer, count, size, queue_length, queue_size);
}

/* Where the next record's bytes begin: below config.byte_size, aligned. */
INLINE uint32_t record_at(const struct fd_live_producer *producer)
{
    return (uint32_t)producer->byte_head & (uint32_t)(config.byte_size - 1) &
           ~(FD_RECORD_ALIGN - 1);
}

INLINE struct fd_descriptor *descriptor_at(const struct queue *queue)
{
    uint32_t index = queue->producer->head & (config.descriptor_count - 1);
    return (struct fd_descriptor *)((uint8_t *)queue->header + sizeof(struct fd_ring_header) +
                                    (uint64_t)index * sizeof(struct fd_descriptor));
}

INLINE void advance(struct queue *queue, uint32_t l2_length, uint32_t captured)
{
    struct fd_live_producer *producer = queue->producer;

    producer->head++;
    producer->byte_head += fd_record_size(l2_length, captured);
    producer->counters.queued++;
    producer->counters.bytes += captured;
}

INLINE void show_counters(const struct queue *queue)
{
    const struct fd_producer_counters *ours = &queue->producer->counters;
    struct fd_producer_counters *shown = &queue->header->producer;

    WRITE_ONCE(shown->seen, ours->seen);
    WRITE_ONCE(shown->matched, ours->matched);
    WRITE_ONCE(shown->queued, ours->queued);
    WRITE_ONCE(shown->bytes, ours->bytes);
}

INLINE void count_drop(const struct queue *queue, unsigned cause)
{
    uint64_t count = ++queue->producer->counters.dropped[cause % FD_DROP_COUNT];

    WRITE_ONCE(queue->header->producer.dropped[cause % FD_DROP_COUNT], count);
    show_counters(queue);
}

INLINE void ring_doorbell(const struct queue *queue)
{
    /* Whoever exchanges the 1 for a 0 rings. The record itself says nothing:
     * reserving and discarding it is what wakes the reader. */
    if (__sync_lock_test_and_set(&queue->header->sleeping, 0) == 0)
        return;
    WRITE_ONCE(queue->header->producer.doorbells, ++queue->producer->counters.doorbells);
    void *bell = bpf_ringbuf_reserve(&doorbell, 8, 0);
    if (bell)
        bpf_ringbuf_discard(bell, BPF_RB_FORCE_WAKEUP);
}

/* Makes what was recorded visible. The exchange is the release and the full
 * fence in one that fd_producer_publish has: an atomic exchange orders both
 * ways on every machine, and eBPF has no cheaper one on older kernels. */
INLINE void publish(struct queue *queue)
{
    struct fd_live_producer *producer = queue->producer;

    WRITE_ONCE(queue->header->byte_head, producer->byte_head);
    show_counters(queue);
    __sync_lock_test_and_set(&queue->header->descriptor_head, producer->head);
    producer->published = producer->head;
    producer->byte_published = producer->byte_head;
    if (READ_ONCE(queue->header->sleeping) != 0)
        ring_doorbell(queue);
}

#endif
