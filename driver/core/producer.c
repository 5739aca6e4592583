/* SPDX-License-Identifier: MIT */
/*
 * The producer's end. Its positions and counters are private; what stands in
 * the shared header is a copy that it writes and never reads. Of the consumer
 * it reads the tails, and only when its cached ones say that the ring is full:
 * a tail may go forward, up to what was published, and nowhere else.
 */
#include "atomic.h"
#include "record.h"
#include "ring.h"

void fd_producer_attach(struct fd_producer *producer, const struct fd_ring *ring)
{
    *producer = (struct fd_producer){.ring = *ring};
    fd_store64_release(&ring->header->byte_head, 0);
    fd_store32_release(&ring->header->descriptor_head, 0);
}

static enum fd_ring_fault read_tails(struct fd_producer *producer)
{
    const struct fd_ring_header *header = producer->ring.header;
    uint32_t tail = fd_load32_acquire(&header->descriptor_tail);
    uint64_t byte_tail = fd_load64_acquire(&header->byte_tail);

    if (tail - producer->cached_tail > producer->published - producer->cached_tail)
        return FD_RING_BAD_INDEX;
    if (byte_tail % FD_RECORD_ALIGN != 0 ||
        byte_tail - producer->cached_byte_tail >
            producer->byte_published - producer->cached_byte_tail)
        return FD_RING_BAD_BYTE_INDEX;
    producer->cached_tail = tail;
    producer->cached_byte_tail = byte_tail;

    /* What was taken decides only what counts as waiting: a lie is no fault,
     * but is held to what can be. */
    uint32_t taken = fd_load32_acquire(&header->descriptor_taken);
    uint64_t byte_taken = fd_load64_acquire(&header->byte_taken);
    producer->cached_taken = taken - tail <= producer->published - tail ? taken : tail;
    producer->cached_byte_taken =
        byte_taken - byte_tail <= producer->byte_published - byte_tail ? byte_taken : byte_tail;
    return FD_RING_OK;
}

static inline uint64_t at_least(uint64_t value, uint64_t least)
{
    return value < least ? least : value;
}

/* What the ring's size and the queue's policy have to say about one record
 * more, as far as the cached positions tell. The ring is full of what was not
 * given back; the policy counts what nobody has taken yet. */
static enum fd_drop refusal(const struct fd_producer *producer, uint32_t size,
                            uint32_t queue_length, uint64_t queue_size)
{
    uint32_t waiting = producer->head - producer->cached_taken;
    uint64_t waiting_bytes = producer->byte_head - producer->cached_byte_taken;

    if (producer->head - producer->cached_tail >= producer->ring.descriptor_count ||
        waiting >= queue_length)
        return FD_DROP_QUEUE_LENGTH;
    if (producer->byte_head - producer->cached_byte_tail + size > producer->ring.byte_size)
        return FD_DROP_QUEUE_SIZE;
    /* An empty queue takes any record that the ring can hold: a small
     * QUEUE_SIZE bounds memory, but never shuts out a large packet for good. */
    if (waiting_bytes != 0 && waiting_bytes + size > queue_size)
        return FD_DROP_QUEUE_SIZE;
    return FD_DROP_COUNT;
}

enum fd_drop fd_producer_refusal(struct fd_producer *producer, uint32_t l2_length,
                                 uint32_t captured)
{
    const struct fd_ring *ring = &producer->ring;

    if (producer->fault != FD_RING_OK)
        return FD_DROP_MEMORY;
    if (fd_record_is_oversize(l2_length, captured))
        return FD_DROP_OVERSIZE;
    uint32_t size = fd_record_size(l2_length, captured);
    if (size > ring->byte_size)
        return FD_DROP_OVERSIZE;

    /* The owner may change the policy at any time; we take what is sensible. What
     * exceeds the ring is bounded by the ring. */
    uint32_t queue_length = producer->queue_length != 0 ? producer->queue_length
                                                        : fd_load32(&ring->header->queue_length);
    uint64_t queue_size =
        producer->queue_size != 0 ? producer->queue_size : fd_load64(&ring->header->queue_size);
    queue_length = (uint32_t)at_least(queue_length, FD_QUEUE_LENGTH_MIN);
    queue_size = at_least(queue_size, FD_QUEUE_SIZE_MIN);
    enum fd_drop drop = refusal(producer, size, queue_length, queue_size);
    if (drop == FD_DROP_COUNT)
        return drop;
    producer->fault = read_tails(producer);
    if (producer->fault != FD_RING_OK)
        return FD_DROP_MEMORY;
    return refusal(producer, size, queue_length, queue_size);
}

struct fd_descriptor *fd_producer_reserve(struct fd_producer *producer, uint32_t l2_length,
                                          uint32_t captured, uint8_t **packet)
{
    const struct fd_ring *ring = &producer->ring;
    enum fd_drop drop = fd_producer_refusal(producer, l2_length, captured);

    if (drop != FD_DROP_COUNT) {
        if (producer->fault == FD_RING_OK)
            producer->counters.dropped[drop]++;
        return 0;
    }

    uint32_t offset =
        (uint32_t)(producer->byte_head & (ring->byte_size - 1)) + fd_record_packet_at(l2_length);
    struct fd_descriptor *descriptor =
        &ring->descriptors[producer->head & (ring->descriptor_count - 1)];
    *descriptor = (struct fd_descriptor){
        .offset = offset,
        .captured = captured,
        .sequence = producer->sequence++,
        .l2_length = (uint8_t)l2_length,
    };
    *packet = ring->bytes + offset;
    producer->head++;
    producer->byte_head += fd_record_size(l2_length, captured);
    producer->counters.queued++;
    producer->counters.bytes += captured;
    return descriptor;
}

static void show_counters(const struct fd_producer *producer)
{
    const struct fd_producer_counters *ours = &producer->counters;
    struct fd_producer_counters *shown = &producer->ring.header->producer;

    fd_store64(&shown->seen, ours->seen);
    fd_store64(&shown->matched, ours->matched);
    fd_store64(&shown->queued, ours->queued);
    fd_store64(&shown->malformed, ours->malformed);
    fd_store64(&shown->bytes, ours->bytes);
    fd_store64(&shown->doorbells, ours->doorbells);
    for (unsigned cause = 0; cause < FD_DROP_COUNT; cause++)
        fd_store64(&shown->dropped[cause], ours->dropped[cause]);
}

int fd_producer_publish(struct fd_producer *producer)
{
    return fd_producer_publish_to(producer, producer->head, producer->byte_head);
}

int fd_producer_publish_to(struct fd_producer *producer, uint32_t head, uint64_t byte_head)
{
    struct fd_ring_header *header = producer->ring.header;

    if (head == producer->published) {
        show_counters(producer);
        return 0;
    }
    /* The descriptor index goes last: who sees it sees all that it covers. */
    fd_store64_release(&header->byte_head, byte_head);
    fd_store32_release(&header->descriptor_head, head);
    producer->published = head;
    producer->byte_published = byte_head;

    /* Against fd_consumer_sleep: it writes sleeping and then looks at the
     * head, we write the head and then look at sleeping. With a full fence on
     * both sides at least one of us sees the other. */
    fd_fence();
    int rings = fd_load32(&header->sleeping) != 0 && fd_exchange32(&header->sleeping, 0) != 0;
    if (rings)
        producer->counters.doorbells++;
    show_counters(producer);
    return rings;
}
