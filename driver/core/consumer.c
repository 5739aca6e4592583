/* SPDX-License-Identifier: MIT */
/*
 * The consumer's end. Everything that the producer wrote may be a lie and may
 * change while we look: each index and each descriptor value is read once,
 * checked, and used from the copy. Since a record's place follows from the
 * lengths before it, a checked record lies inside the byte region, inside what
 * was published, and over no other record.
 */
#include "atomic.h"
#include "record.h"
#include "ring.h"

void fd_consumer_attach(struct fd_consumer *consumer, const struct fd_ring *ring)
{
    *consumer = (struct fd_consumer){.ring = *ring};
    fd_store64_release(&ring->header->byte_tail, 0);
    fd_store32_release(&ring->header->descriptor_tail, 0);
    fd_store64_release(&ring->header->byte_taken, 0);
    fd_store32_release(&ring->header->descriptor_taken, 0);
}

static void show_taken(const struct fd_consumer *consumer)
{
    struct fd_ring_header *header = consumer->ring.header;
    struct fd_consumer_counters *shown = &header->consumer;

    fd_store64_release(&header->byte_taken, consumer->byte_taken);
    fd_store32_release(&header->descriptor_taken, consumer->taken);
    fd_store64(&shown->delivered, consumer->counters.delivered);
    fd_store64(&shown->expired, consumer->counters.expired);
}

/* How many records wait, and in *byte_head how far their bytes may go. */
static uint32_t read_heads(struct fd_consumer *consumer, uint64_t *byte_head)
{
    const struct fd_ring *ring = &consumer->ring;

    if (consumer->fault != FD_RING_OK)
        return 0;
    uint32_t head = fd_load32_acquire(&ring->header->descriptor_head);
    uint64_t bytes = fd_load64_acquire(&ring->header->byte_head);
    uint32_t held = consumer->taken - consumer->released;
    uint64_t held_bytes = consumer->byte_taken - consumer->byte_released;

    if (head - consumer->taken > ring->descriptor_count - held) {
        consumer->fault = FD_RING_BAD_INDEX;
        return 0;
    }
    if (bytes % FD_RECORD_ALIGN != 0 ||
        bytes - consumer->byte_taken > ring->byte_size - held_bytes) {
        consumer->fault = FD_RING_BAD_BYTE_INDEX;
        return 0;
    }
    *byte_head = bytes;
    return head - consumer->taken;
}

uint32_t fd_consumer_waiting(struct fd_consumer *consumer)
{
    uint64_t byte_head;
    return read_heads(consumer, &byte_head);
}

/* Checks the record at consumer->taken; room is how many bytes from there on
 * have been published. */
static enum fd_ring_fault check_record(const struct fd_consumer *consumer, uint64_t room,
                                       struct fd_record *record, int64_t *timestamp, uint32_t *size)
{
    const struct fd_ring *ring = &consumer->ring;
    const struct fd_descriptor *descriptor =
        &ring->descriptors[consumer->taken & (ring->descriptor_count - 1)];
    uint32_t offset = fd_load32(&descriptor->offset);
    uint32_t captured = fd_load32(&descriptor->captured);
    uint8_t l2_length = fd_load8(&descriptor->l2_length);
    uint8_t layer = fd_load8(&descriptor->layer);
    uint8_t link = fd_load8(&descriptor->link);

    if (fd_record_is_oversize(l2_length, captured))
        return FD_RING_BAD_LENGTH;
    *size = fd_record_size(l2_length, captured);
    if (*size > room)
        return FD_RING_BAD_LENGTH;
    if (offset !=
        (uint32_t)(consumer->byte_taken & (ring->byte_size - 1)) + fd_record_packet_at(l2_length))
        return FD_RING_BAD_OFFSET;
    if (layer >= FD_LAYER_COUNT || fd_load8(&descriptor->event) >= FD_EVENT_COUNT ||
        link >= FD_LINK_COUNT)
        return FD_RING_BAD_KIND;
    /* An event's bytes are read as a struct: all of it must be there. */
    if (layer > FD_LAYER_NETWORK_FORWARD && captured != FD_EVENT_DATA_SIZE)
        return FD_RING_BAD_LENGTH;

    *timestamp = (int64_t)fd_load64((const uint64_t *)&descriptor->timestamp);
    *record = (struct fd_record){
        .packet = ring->bytes + offset,
        .captured = captured,
        .l2_length = l2_length,
        .layer = layer,
        .opaque = link == FD_LINK_OTHER,
    };
    return FD_RING_OK;
}

static void show_tails(struct fd_consumer *consumer)
{
    struct fd_ring_header *header = consumer->ring.header;

    /* Release: our reads of these slots are done before they can be reused. */
    fd_store64_release(&header->byte_tail, consumer->byte_released);
    fd_store32_release(&header->descriptor_tail, consumer->released);
}

/* Expired records belong to nobody: they go back as soon as all before them
 * are back. */
static void release_expired(struct fd_consumer *consumer)
{
    if (consumer->released == consumer->handed && consumer->released != consumer->taken) {
        consumer->released = consumer->taken;
        consumer->byte_released = consumer->byte_taken;
        consumer->handed = consumer->taken;
        show_tails(consumer);
    }
}

uint32_t fd_consumer_take(struct fd_consumer *consumer, uint32_t most, int64_t expire_before,
                          struct fd_record *records, uint32_t *first)
{
    const uint32_t count = consumer->ring.descriptor_count;
    uint64_t byte_head = 0;
    uint32_t waiting = read_heads(consumer, &byte_head);
    uint32_t taken = 0;

    *first = consumer->taken & (count - 1);
    while (waiting != 0 && taken < most) {
        struct fd_record record;
        int64_t timestamp;
        uint32_t size;
        enum fd_ring_fault fault =
            check_record(consumer, byte_head - consumer->byte_taken, &record, &timestamp, &size);
        if (fault != FD_RING_OK) {
            consumer->fault = fault;
            break;
        }
        if (taken != 0 && record.layer != records[0].layer)
            break; /* a run is of one layer; this record begins the next */
        consumer->taken++;
        consumer->byte_taken += size;
        waiting--;
        if (taken == 0 && timestamp < expire_before) {
            consumer->counters.expired++;
            *first = consumer->taken & (count - 1);
            continue;
        }
        records[taken++] = record;
        if ((consumer->taken & (count - 1)) == 0)
            break; /* the next one lies at the region's other end */
    }
    consumer->counters.delivered += taken;
    if (taken != 0)
        consumer->handed = consumer->taken;
    else
        release_expired(consumer);
    show_taken(consumer);
    return taken;
}

void fd_consumer_release(struct fd_consumer *consumer, uint32_t descriptor_end, uint64_t byte_end)
{
    /* Positions that were not taken, or are already back, are not ours. */
    if (descriptor_end - consumer->released > consumer->taken - consumer->released ||
        byte_end - consumer->byte_released > consumer->byte_taken - consumer->byte_released)
        return;
    if (consumer->handed - consumer->released < descriptor_end - consumer->released)
        consumer->handed = descriptor_end; /* among the expired */
    consumer->released = descriptor_end;
    consumer->byte_released = byte_end;
    show_tails(consumer);
    release_expired(consumer);
}

int fd_consumer_sleep(struct fd_consumer *consumer)
{
    /* See fd_producer_publish for the other half. */
    (void)fd_exchange32(&consumer->ring.header->sleeping, 1);
    fd_fence();
    if (fd_consumer_waiting(consumer) == 0 && consumer->fault == FD_RING_OK)
        return 1;
    fd_consumer_wake(consumer);
    return 0;
}

void fd_consumer_wake(struct fd_consumer *consumer)
{
    fd_store32(&consumer->ring.header->sleeping, 0);
}
