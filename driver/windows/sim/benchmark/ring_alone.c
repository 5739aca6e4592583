/* SPDX-License-Identifier: MIT */
#include "ring_alone.h"

#include "../../../core/record.h"
#include "../../queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DESCRIPTORS 4096u
#define BYTES (1u << 22)
#define TAKE 64u

static struct fd_queue queue;
static struct fd_consumer consumer;
static void *descriptor_memory, *byte_memory;
static const uint8_t *bytes;
static struct fd_descriptor like; /* what classify would have found out */
static uint32_t captured, count;
static volatile uint32_t sink;

void ring_alone_begin(const uint8_t *packet, uint32_t length, uint32_t batch)
{
    struct fd_ring ring;
    size_t descriptor_size = fd_ring_descriptor_region_size(DESCRIPTORS);
    size_t byte_size = fd_ring_byte_region_size(BYTES);

    descriptor_memory = aligned_alloc(4096, (descriptor_size + 4095) / 4096 * 4096);
    byte_memory = aligned_alloc(4096, (byte_size + 4095) / 4096 * 4096);
    if (descriptor_memory == NULL || byte_memory == NULL)
        abort();
    memset(descriptor_memory, 0, descriptor_size);
    memset(byte_memory, 0, byte_size);
    fd_queue_initialise(&queue);
    if (fd_ring_format(&ring, descriptor_memory, byte_memory, DESCRIPTORS, BYTES, 0) != FD_RING_OK)
        abort();
    fd_producer_attach(&queue.producer, &ring);
    fd_queue_set_policy(&queue,
                        &(struct fd_policy){.length = DESCRIPTORS, .time = 2000, .size = BYTES});
    fd_consumer_attach(&consumer, &ring);
    bytes = packet;
    captured = length;
    count = batch;
    like =
        (struct fd_descriptor){.captured = length, .length = length, .ifindex = 7, .protocol = 17};
}

void ring_alone_end(void)
{
    free(descriptor_memory);
    free(byte_memory);
}

void ring_alone_produce(void)
{
    struct fd_reservation place = {0};
    KIRQL irql;

    KeRaiseIrql(DISPATCH_LEVEL, &irql); /* as the stack calls, mostly */
    for (uint32_t i = 0; i < count; i++) {
        if (fd_queue_reserve(&queue, &place, captured, FALSE) != FD_DROP_COUNT)
            abort();
        RtlCopyMemory(place.packet, bytes, captured);
        fd_queue_describe(&place, &like);
    }
    (void)fd_queue_publish(&queue, &place);
    KeLowerIrql(irql);
}

void ring_alone_copy(void)
{
    static uint64_t at;
    uint32_t size = fd_record_size(0, captured);

    for (uint32_t i = 0; i < count; i++, at += size)
        RtlCopyMemory((uint8_t *)byte_memory + (at & (BYTES - 1)), bytes, captured);
}

void ring_alone_consume(void)
{
    struct fd_record records[TAKE];
    uint32_t first, got, taken = 0;

    while ((got = fd_consumer_take(&consumer, TAKE, INT64_MIN, records, &first)) != 0) {
        for (uint32_t i = 0; i < got; i++)
            sink += records[i].packet[16];
        taken += got;
    }
    fd_consumer_release(&consumer, consumer.taken, consumer.byte_taken);
    if (taken != count)
        abort();
}
