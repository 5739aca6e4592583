/* SPDX-License-Identifier: MIT */
/*
 * A hostile consumer: tails, policy, sleeping and all the rest of the shared
 * memory are the fuzzer's, and change between the producer's calls. Whatever
 * it writes, every reserved record lies inside the regions and over no record
 * that was not given back, and every attempt is counted once.
 */
#include "core/record.h"
#include "core/ring.h"
#include "fuzz.h"

#define COUNT 32u
#define SIZE 65536u

static uint8_t *descriptor_region;
static uint8_t *byte_region;

static void reserve(struct fd_producer *producer, struct input *input)
{
    const struct fd_producer before = *producer;
    uint32_t l2_length = take8(input) % 70;
    uint32_t captured = take8(input) & 1 ? take32(input) : take16(input) >> (take8(input) & 15);
    uint8_t *packet;
    struct fd_descriptor *descriptor = fd_producer_reserve(producer, l2_length, captured, &packet);
    uint64_t dropped = 0;

    for (int cause = 0; cause < FD_DROP_COUNT; cause++)
        dropped += producer->counters.dropped[cause] - before.counters.dropped[cause];
    if (descriptor == NULL) {
        REQUIRE(dropped == (producer->fault == FD_RING_OK));
        REQUIRE(producer->head == before.head && producer->byte_head == before.byte_head);
        return;
    }
    REQUIRE(before.fault == FD_RING_OK && dropped == 0);
    REQUIRE(producer->counters.queued == before.counters.queued + 1);
    REQUIRE(descriptor ==
            (struct fd_descriptor *)(void *)(descriptor_region + 4096) + before.head % COUNT);
    uint64_t begin = before.byte_head % SIZE;
    uint64_t low = (uint64_t)(packet - l2_length - byte_region);
    uint64_t high = (uint64_t)(packet + captured - byte_region);
    REQUIRE(low >= begin && high <= begin + (producer->byte_head - before.byte_head));
    REQUIRE(high <= fd_ring_byte_region_size(SIZE));
    REQUIRE(((uintptr_t)packet & (FD_PACKET_ALIGN - 1)) == 0);
    /* Behind nothing that the consumer has not given back. */
    REQUIRE(producer->head - producer->cached_tail <= COUNT);
    REQUIRE(producer->byte_head - producer->cached_byte_tail <= SIZE);
    memset(packet - l2_length, 0xa5, l2_length + (size_t)captured);
}

static void check_positions(const struct fd_producer *producer)
{
    REQUIRE(producer->published - producer->cached_tail <= producer->head - producer->cached_tail);
    REQUIRE(producer->head - producer->cached_tail <= COUNT);
    REQUIRE(producer->byte_published - producer->cached_byte_tail <=
            producer->byte_head - producer->cached_byte_tail);
    REQUIRE(producer->byte_head - producer->cached_byte_tail <= SIZE);
    REQUIRE(producer->cached_byte_tail % FD_RECORD_ALIGN == 0);
}

static void scribble(struct input *input)
{
    static const uint16_t hot[] = {64, 72, 128, 136, 192, 256, 264, 320};
    uint32_t offset = take8(input) & 1 ? hot[take8(input) % (sizeof(hot) / sizeof(hot[0]))]
                                       : take16(input) % (4096 + COUNT * 64 - 8);
    take_bytes(input, descriptor_region + offset, take8(input) & 1 ? 4 : 8);
}

/* What an honest consumer would do, so that the ring goes round. */
static void give_back(const struct fd_producer *producer, struct input *input)
{
    struct fd_ring_header *header = producer->ring.header;
    if (take8(input) & 1) {
        header->descriptor_tail = producer->published;
        header->byte_tail = producer->byte_published;
    } else {
        header->descriptor_tail += take8(input);
        header->byte_tail += take8(input) * 64ull;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct fd_ring ring;
    struct fd_producer producer;

    if (descriptor_region == NULL) {
        descriptor_region = guarded_region(fd_ring_descriptor_region_size(COUNT));
        byte_region = guarded_region(fd_ring_byte_region_size(SIZE));
    }
    memset(descriptor_region, 0, fd_ring_descriptor_region_size(COUNT));
    REQUIRE(fd_ring_format(&ring, descriptor_region, byte_region, COUNT, SIZE, 0) == FD_RING_OK);
    fd_producer_attach(&producer, &ring);
    while (input.left != 0) {
        switch (take8(&input) % 8) {
        case 0:
            scribble(&input);
            break;
        case 1:
            give_back(&producer, &input);
            break;
        case 2:
            (void)fd_producer_publish(&producer);
            REQUIRE(producer.published == producer.head);
            break;
        case 3:
            ring.header->sleeping = take8(&input);
            break;
        default:
            reserve(&producer, &input);
            break;
        }
        check_positions(&producer);
    }
    return 0;
}
