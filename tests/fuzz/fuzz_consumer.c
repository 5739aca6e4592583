/* SPDX-License-Identifier: MIT */
/*
 * A hostile producer: header, descriptors and indexes are the fuzzer's, and
 * change between the consumer's calls. Whatever it writes, every record that
 * is taken lies inside the byte region and over no record that is still held,
 * and after a fault nothing more comes.
 */
#include "core/record.h"
#include "core/ring.h"
#include "fuzz.h"

#define COUNT 32u
#define SIZE 65536u
#define MOST 40u

static uint8_t *descriptor_region;
static uint8_t *byte_region;
static uint64_t descriptor_region_size;
static uint64_t byte_region_size;

static void open_regions(void)
{
    if (descriptor_region != NULL)
        return;
    descriptor_region_size = fd_ring_descriptor_region_size(COUNT);
    byte_region_size = fd_ring_byte_region_size(SIZE);
    descriptor_region = guarded_region(descriptor_region_size);
    byte_region = guarded_region(byte_region_size);
}

/* Reads every page that the record claims, both ends included. */
static void touch(const struct fd_record *record)
{
    volatile uint8_t sink = 0;
    const uint8_t *begin = record->packet - record->l2_length;
    size_t size = (size_t)record->l2_length + record->captured;
    for (size_t at = 0; at < size; at += 4096)
        sink = begin[at];
    if (size != 0)
        sink = begin[size - 1];
    (void)sink;
}

static void check_records(const struct fd_consumer *consumer, const struct fd_record *records,
                          uint32_t count, uint32_t first)
{
    uint64_t total = 0;
    REQUIRE(count <= MOST && first < COUNT && first + count <= COUNT);
    for (uint32_t i = 0; i < count; i++)
        total += fd_record_size(records[i].l2_length, records[i].captured);
    uint64_t begin = consumer->byte_taken - total;
    REQUIRE(begin - consumer->byte_released + total <= SIZE); /* held records do not overlap */
    for (uint32_t i = 0; i < count; i++) {
        const struct fd_record *record = &records[i];
        uint64_t size = fd_record_size(record->l2_length, record->captured);
        uint64_t low = (uint64_t)(record->packet - record->l2_length - byte_region);
        uint64_t high = (uint64_t)(record->packet + record->captured - byte_region);
        REQUIRE(record->l2_length <= FD_L2_MAX && record->captured <= FD_CAPTURED_MAX);
        REQUIRE(low >= begin % SIZE && high <= begin % SIZE + size && high <= byte_region_size);
        REQUIRE(((uintptr_t)record->packet & (FD_PACKET_ALIGN - 1)) == 0);
        REQUIRE(record->layer < FD_LAYER_COUNT && record->layer == records[0].layer);
        REQUIRE(record->layer <= FD_LAYER_NETWORK_FORWARD ||
                record->captured == FD_EVENT_DATA_SIZE);
        touch(record);
        begin += size;
    }
}

static void take(struct fd_consumer *consumer, struct input *input)
{
    struct fd_record records[MOST];
    uint32_t first;
    enum fd_ring_fault before = consumer->fault;
    int64_t expire_before = take8(input) & 1 ? INT64_MIN : (int64_t)take64(input);
    uint32_t count =
        fd_consumer_take(consumer, take8(input) % (MOST + 1), expire_before, records, &first);
    REQUIRE(before == FD_RING_OK || count == 0);
    check_records(consumer, records, count, first);
}

/* Descriptors as an honest producer would have written them, from here on, so
 * that the fuzzer gets past the first record; it spoils them afterwards. */
static void write_honest(struct fd_consumer *consumer, struct input *input)
{
    struct fd_ring_header *header = consumer->ring.header;
    uint32_t head = consumer->taken;
    uint64_t bytes = consumer->byte_taken;
    for (uint32_t n = take8(input) % COUNT; n != 0; n--) {
        uint32_t captured = take16(input) >> (take8(input) & 15);
        uint32_t l2_length = take8(input) % (FD_L2_MAX + 1);
        struct fd_descriptor *descriptor = &consumer->ring.descriptors[head % COUNT];
        *descriptor = (struct fd_descriptor){
            .timestamp = take8(input),
            .offset = (uint32_t)(bytes % SIZE) + fd_record_packet_at(l2_length),
            .captured = captured,
            .l2_length = (uint8_t)l2_length,
        };
        head++;
        bytes += fd_record_size(l2_length, captured);
    }
    header->descriptor_head = head;
    header->byte_head = bytes;
}

static void check_positions(const struct fd_consumer *consumer)
{
    REQUIRE(consumer->taken - consumer->released <= COUNT);
    REQUIRE(consumer->handed - consumer->released <= consumer->taken - consumer->released);
    REQUIRE(consumer->byte_taken - consumer->byte_released <= SIZE);
}

/* Changes an index of the header, a value of the next descriptor to be taken,
 * or any byte of any descriptor. */
static void scribble(const struct fd_consumer *consumer, struct input *input)
{
    static const uint8_t indexes[] = {64, 72, 128, 136, 192};
    static const uint8_t values[] = {
        offsetof(struct fd_descriptor, offset), offsetof(struct fd_descriptor, captured),
        offsetof(struct fd_descriptor, layer),  offsetof(struct fd_descriptor, event),
        offsetof(struct fd_descriptor, link),   offsetof(struct fd_descriptor, l2_length),
    };
    uint8_t *region = (uint8_t *)consumer->ring.header;
    uint8_t which = take8(input);
    uint32_t offset = 4096 + take16(input) % (COUNT * 64u - 8);
    if (which < 100)
        offset = indexes[which % sizeof(indexes)];
    else if (which < 200)
        offset = 4096 + consumer->taken % COUNT * 64 + values[which % sizeof(values)];
    if (offset > descriptor_region_size - 8)
        offset = (uint32_t)descriptor_region_size - 8;
    switch (take8(input) % 4) {
    case 0:
        region[offset] = take8(input);
        break;
    case 1:
        region[offset] = (uint8_t)(region[offset] + take8(input));
        break;
    case 2:
        take_bytes(input, region + offset, 4);
        break;
    default:
        take_bytes(input, region + offset, 8);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct fd_ring ring;
    struct fd_consumer consumer;

    open_regions();
    memset(descriptor_region, 0, descriptor_region_size);
    if (take8(&input) & 1) { /* the whole region is the fuzzer's */
        take_bytes(&input, descriptor_region, descriptor_region_size);
        if (fd_ring_attach(&ring, descriptor_region, descriptor_region_size, byte_region,
                           byte_region_size) != FD_RING_OK)
            REQUIRE(fd_ring_format(&ring, descriptor_region, byte_region, COUNT, SIZE, 0) ==
                    FD_RING_OK);
        REQUIRE(ring.descriptor_count == COUNT && ring.byte_size == SIZE);
    } else {
        fd_ring_format(&ring, descriptor_region, byte_region, COUNT, SIZE, 0);
    }
    fd_consumer_attach(&consumer, &ring);
    while (input.left != 0) {
        switch (take8(&input) % 8) {
        case 0:
        case 1:
            scribble(&consumer, &input);
            break;
        case 2:
            write_honest(&consumer, &input);
            break;
        case 3:
            fd_consumer_release(&consumer, consumer.released + take8(&input) % (COUNT + 2),
                                consumer.byte_released + take16(&input) % 1024 * 64);
            break;
        case 4:
            fd_consumer_release(&consumer, consumer.taken, consumer.byte_taken);
            break;
        case 5:
            if (fd_consumer_sleep(&consumer))
                REQUIRE(consumer.fault == FD_RING_OK);
            fd_consumer_wake(&consumer);
            break;
        default:
            take(&consumer, &input);
            break;
        }
        check_positions(&consumer);
    }
    return 0;
}
