/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include "../core/atomic.h"

void fd_queue_initialise(struct fd_queue *queue)
{
    RtlZeroMemory(queue, sizeof(*queue));
    KeInitializeSpinLock(&queue->lock);
    InitializeListHead(&queue->reservations);
}

NTSTATUS fd_queue_lock(struct fd_queue *queue, const struct fd_windows_queue *place, ULONG number)
{
    struct fd_ring ring;

    NTSTATUS status = fd_region_lock(&queue->descriptors, place->descriptors,
                                     fd_ring_descriptor_region_size(place->descriptor_count));
    if (NT_SUCCESS(status))
        status =
            fd_region_lock(&queue->bytes, place->bytes, fd_ring_byte_region_size(place->byte_size));
    if (!NT_SUCCESS(status)) {
        fd_queue_unlock(queue);
        return status;
    }
    /* What a process left in the header would be taken for the consumer's. */
    RtlZeroMemory(queue->descriptors.address, sizeof(struct fd_ring_header));
    if (fd_ring_format(&ring, queue->descriptors.address, queue->bytes.address,
                       place->descriptor_count, place->byte_size, number) != FD_RING_OK) {
        fd_queue_unlock(queue);
        return STATUS_INVALID_PARAMETER;
    }
    fd_producer_attach(&queue->producer, &ring);
    return STATUS_SUCCESS;
}

void fd_queue_unlock(struct fd_queue *queue)
{
    fd_region_unlock(&queue->descriptors);
    fd_region_unlock(&queue->bytes);
}

void fd_queue_set_policy(struct fd_queue *queue, const struct fd_policy *policy)
{
    KLOCK_QUEUE_HANDLE held;
    struct fd_ring_header *header = queue->producer.ring.header;

    KeAcquireInStackQueuedSpinLock(&queue->lock, &held);
    queue->producer.queue_length = policy->length;
    queue->producer.queue_size = policy->size;
    fd_store32(&header->queue_length, policy->length);
    fd_store32(&header->queue_time, policy->time);
    fd_store64(&header->queue_size, policy->size);
    KeReleaseInStackQueuedSpinLock(&held);
}

/* Under the lock. What lies before the first reservation that is left is
 * complete; one that is completed out of turn leaves its end to the one before
 * it. So a reservation may go, with the stack that it lies on, as soon as it is
 * completed. */
static void complete(struct fd_queue *queue, struct fd_reservation *reservation)
{
    PLIST_ENTRY before = reservation->link.Blink;

    if (before == &queue->reservations) {
        queue->complete = reservation->end;
        queue->complete_bytes = reservation->end_bytes;
    } else {
        struct fd_reservation *earlier = CONTAINING_RECORD(before, struct fd_reservation, link);
        earlier->end = reservation->end;
        earlier->end_bytes = reservation->end_bytes;
    }
    RemoveEntryList(&reservation->link);
    reservation->open = FALSE;
}

/* Under the lock. What does not fit is counted where it is found out: by the
 * producer, or here if it passes, or if the ring is dead. */
static enum fd_drop reserve(struct fd_queue *queue, struct fd_reservation *reservation,
                            ULONG captured, BOOLEAN passes)
{
    struct fd_producer *producer = &queue->producer;

    reservation->descriptor = NULL;
    reservation->sequence = producer->sequence;
    if (passes && fd_producer_refusal(producer, 0, captured) != FD_DROP_COUNT) {
        producer->counters.dropped[FD_DROP_PASSED_BY]++;
        return FD_DROP_PASSED_BY;
    }
    reservation->descriptor = fd_producer_reserve(producer, 0, captured, &reservation->packet);
    if (reservation->descriptor == NULL) {
        if (producer->fault != FD_RING_OK)
            producer->counters.dropped[FD_DROP_MEMORY]++;
        return FD_DROP_MEMORY;
    }
    reservation->offset = (ULONG)(reservation->packet - producer->ring.bytes);
    reservation->end = producer->head;
    reservation->end_bytes = producer->byte_head;
    reservation->open = TRUE;
    InsertTailList(&queue->reservations, &reservation->link);
    return FD_DROP_COUNT;
}

enum fd_drop fd_queue_reserve(struct fd_queue *queue, struct fd_reservation *reservation,
                              ULONG captured, BOOLEAN passes)
{
    KLOCK_QUEUE_HANDLE held;

    KeAcquireInStackQueuedSpinLock(&queue->lock, &held);
    if (reservation->open)
        complete(queue, reservation);
    queue->producer.counters.matched++;
    enum fd_drop drop = reserve(queue, reservation, captured, passes);
    KeReleaseInStackQueuedSpinLock(&held);
    return drop;
}

void fd_queue_drop(struct fd_queue *queue, enum fd_drop cause)
{
    KLOCK_QUEUE_HANDLE held;

    KeAcquireInStackQueuedSpinLock(&queue->lock, &held);
    queue->producer.counters.matched++;
    queue->producer.counters.dropped[cause]++;
    KeReleaseInStackQueuedSpinLock(&held);
}

static void show_judged(struct fd_queue *queue)
{
    queue->producer.counters.seen = (ULONG64)InterlockedCompareExchange64(&queue->seen, 0, 0);
    queue->producer.counters.malformed =
        (ULONG64)InterlockedCompareExchange64(&queue->malformed, 0, 0);
}

BOOLEAN fd_queue_publish(struct fd_queue *queue, struct fd_reservation *reservation)
{
    KLOCK_QUEUE_HANDLE held;

    KeAcquireInStackQueuedSpinLock(&queue->lock, &held);
    if (reservation->open)
        complete(queue, reservation);
    show_judged(queue);
    int rings = fd_producer_publish_to(&queue->producer, queue->complete, queue->complete_bytes);
    KeReleaseInStackQueuedSpinLock(&held);
    return rings != 0;
}

void fd_queue_read_counters(struct fd_queue *queue, struct fd_producer_counters *counters)
{
    KLOCK_QUEUE_HANDLE held;

    KeAcquireInStackQueuedSpinLock(&queue->lock, &held);
    show_judged(queue);
    *counters = queue->producer.counters;
    KeReleaseInStackQueuedSpinLock(&held);
}
