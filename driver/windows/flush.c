/* SPDX-License-Identifier: MIT */
/* Out of a ring and into the stack: what a process sends, and what it has left. */
#include "flush.h"

#include "../core/atomic.h"
#include "inject.h"

#define LONGEST (40u + 65535u) /* an IPv6 header and its payload */
#define TAKE_AT_ONCE 8u

/* Each value is read once: it may change while we look. */
static struct fd_way way_of(const struct fd_handle *handle, const struct fd_descriptor *descriptor)
{
    struct fd_way way = {
        .flags = fd_load32(&descriptor->flags) & ~(ULONG)FD_FLAG_FORWARDED,
        .ifindex = fd_load32(&descriptor->ifindex),
        .subifindex = fd_load32(&descriptor->subifindex),
        .compartment = fd_load32(&descriptor->mark),
    };
    ULONG gso_size = fd_load16(&descriptor->gso_size);

    if ((way.flags & (FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP)) != 0)
        way.gso_size = gso_size;
    if (handle->layer == FD_LAYER_NETWORK_FORWARD)
        way.flags = (way.flags & ~(ULONG)FD_FLAG_OUTBOUND) | FD_FLAG_FORWARDED;
    return way;
}

static NTSTATUS send_record(struct fd_handle *handle, const struct fd_record *record,
                            const struct fd_descriptor *descriptor, BOOLEAN untouched)
{
    struct fd_way way = way_of(handle, descriptor);

    if (record->layer != handle->layer)
        return STATUS_INVALID_ADDRESS_COMPONENT;
    if (record->opaque || record->captured == 0 || record->captured > LONGEST)
        return STATUS_INVALID_PARAMETER;
    return fd_inject(handle, record->packet, record->captured, &way, untouched);
}

static BOOLEAN has_too_much_in_the_stack(struct fd_way_back *way_back)
{
    return InterlockedCompareExchange64(&way_back->outstanding_size, 0, 0) >=
           FD_WINDOWS_OUTSTANDING_MAX;
}

static NTSTATUS flush_record(struct fd_handle *handle, const struct fd_record *record,
                             const struct fd_descriptor *descriptor, BOOLEAN untouched)
{
    struct fd_way_back *way_back = &handle->way_back;

    if (fd_load8(&descriptor->verdict) == FD_VERDICT_DROP) {
        (void)InterlockedIncrement64(&way_back->passed_over);
        return STATUS_SUCCESS;
    }
    NTSTATUS status = has_too_much_in_the_stack(way_back)
                          ? STATUS_DEVICE_BUSY
                          : send_record(handle, record, descriptor, untouched);
    (void)InterlockedIncrement64(NT_SUCCESS(status) ? &way_back->injected : &way_back->refused);
    return status;
}

void fd_flush(struct fd_handle *handle, ULONG count, BOOLEAN untouched,
              struct fd_windows_flushed *flushed, LONG *statuses)
{
    struct fd_consumer *consumer = &handle->send.consumer;
    struct fd_record records[TAKE_AT_ONCE];
    LONG64 before = handle->way_back.injected;
    ULONG done = 0;

    while (done < count) {
        uint32_t first;
        ULONG most = count - done < TAKE_AT_ONCE ? count - done : TAKE_AT_ONCE;
        ULONG taken = fd_consumer_take(consumer, most, INT64_MIN, records, &first);
        if (taken == 0)
            break;
        for (ULONG i = 0; i < taken; i++)
            statuses[done++] = flush_record(handle, &records[i],
                                            &consumer->ring.descriptors[first + i], untouched);
        fd_consumer_release(consumer, consumer->taken, consumer->byte_taken);
    }
    *flushed = (struct fd_windows_flushed){
        .size = (ULONG)sizeof(*flushed) + done * (ULONG)sizeof(*statuses),
        .consumed = done,
        .injected = (ULONG)(handle->way_back.injected - before),
        .fault = (ULONG)consumer->fault,
    };
}

/* As the consumer that the process was: from where it says that it has got to,
 * and with every check, because all that lies in the ring it could write. */
void fd_flush_undelivered(struct fd_handle *handle, struct fd_queue *queue)
{
    const struct fd_producer *producer = &queue->producer;
    struct fd_ring_header *header = producer->ring.header;
    struct fd_consumer consumer = {.ring = producer->ring};
    struct fd_record records[TAKE_AT_ONCE];
    uint32_t first;

    consumer.taken = consumer.released = consumer.handed = fd_load32(&header->descriptor_taken);
    consumer.byte_taken = consumer.byte_released = fd_load64(&header->byte_taken);
    fd_store64_release(&header->byte_head, producer->byte_published);
    fd_store32_release(&header->descriptor_head, producer->published);

    /* No more than there can be: the process could move the head for ever. */
    ULONG left = producer->published - consumer.taken;
    if (left > producer->ring.descriptor_count)
        return;
    while (left != 0) {
        ULONG most = left < TAKE_AT_ONCE ? left : TAKE_AT_ONCE;
        ULONG taken = fd_consumer_take(&consumer, most, INT64_MIN, records, &first);
        if (taken == 0)
            break;
        for (ULONG i = 0; i < taken; i++)
            fd_inject_count_returned(
                handle,
                send_record(handle, &records[i], &consumer.ring.descriptors[first + i], TRUE));
        left -= taken;
    }
}
