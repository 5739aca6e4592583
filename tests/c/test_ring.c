/* SPDX-License-Identifier: MIT */
/* The queue among honest peers: geometry, places, policy, sleep. */
#include "check.h"
#include "queue.h"

static void geometry_is_checked(void)
{
    static const struct {
        uint32_t count;
        uint64_t size;
        int good;
    } cases[] = {
        {32, 65536, 1},  {16, 65536, 0},      {33, 65536, 0}, {0, 65536, 0},
        {32, 32768, 0},  {32, 65536 * 3, 0},  {32, 0, 0},     {1u << 23, 65536, 0},
        {64, 131072, 1}, {32, 1ull << 32, 0}, {32, 65537, 0},
    };
    void *region = zeroed_region(8192);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fd_ring ring;
        CHECK_EQ(fd_ring_format(&ring, region, region, cases[i].count, cases[i].size, 0),
                 cases[i].good ? FD_RING_OK : FD_RING_BAD_HEADER);
    }
    struct fd_ring ring;
    uint8_t *bytes = region;
    CHECK_EQ(fd_ring_format(&ring, bytes + 32, region, 32, 65536, 0), FD_RING_BAD_HEADER);
    CHECK_EQ(fd_ring_format(&ring, region, bytes + 16, 32, 65536, 0), FD_RING_BAD_HEADER);
    CHECK_EQ(fd_ring_format(&ring, NULL, region, 32, 65536, 0), FD_RING_BAD_HEADER);
    free(region);
    CHECK_EQ(fd_ring_descriptor_region_size(FD_DESCRIPTORS_MAX), 4096 + (64ull << 22));
    CHECK_EQ(fd_ring_byte_region_size(65536), 65536 + 64 + 524288);
}

static void attach_believes_only_what_fits(void)
{
    struct queue queue;
    struct fd_ring ring;
    open_queue(&queue, 64, 131072);
    uint64_t descriptors = fd_ring_descriptor_region_size(64);
    uint64_t bytes = fd_ring_byte_region_size(131072);
    struct fd_ring_header *header = queue.ring.header;
    const struct fd_ring_header good = *header;

#define ATTACH() \
    fd_ring_attach(&ring, queue.descriptor_region, descriptors, queue.byte_region, bytes)
    CHECK_EQ(ATTACH(), FD_RING_OK);
    CHECK_EQ(ring.descriptor_count, 64);
    CHECK_EQ(ring.byte_size, 131072);
    CHECK(ring.descriptors == queue.ring.descriptors && ring.bytes == queue.ring.bytes);
    descriptors--;
    CHECK_EQ(ATTACH(), FD_RING_BAD_HEADER);
    descriptors = 4095;
    CHECK_EQ(ATTACH(), FD_RING_BAD_HEADER);
    descriptors = fd_ring_descriptor_region_size(64);
    bytes--;
    CHECK_EQ(ATTACH(), FD_RING_BAD_HEADER);
    bytes++;
#define CHECK_LIE(field, value)                 \
    do {                                        \
        header->field = (value);                \
        CHECK_EQ(ATTACH(), FD_RING_BAD_HEADER); \
        *header = good;                         \
    } while (0)
    CHECK_LIE(magic, 0);
    CHECK_LIE(abi_major, FD_ABI_MAJOR + 1);
    CHECK_LIE(descriptor_count, 128);
    CHECK_LIE(descriptor_count, 0);
    CHECK_LIE(descriptor_count, 63);
    CHECK_LIE(descriptor_count, 1u << 31);
    CHECK_LIE(descriptor_size, 32);
    CHECK_LIE(byte_size, 262144);
    CHECK_LIE(byte_size, 0);
    CHECK_LIE(byte_size, 1ull << 63);
    CHECK_LIE(guard_size, FD_GUARD_SIZE - 1);
    CHECK_EQ(ATTACH(), FD_RING_OK);
    header->abi_minor = 7; /* a later minor version only adds */
    CHECK_EQ(ATTACH(), FD_RING_OK);
    close_queue(&queue);
}

static void policy_begins_at_windivert_defaults(void)
{
    struct queue queue;
    open_queue(&queue, 8192, 1u << 23);
    CHECK_EQ(queue.ring.header->queue_length, 4096);
    CHECK_EQ(queue.ring.header->queue_time, 2000);
    CHECK_EQ(queue.ring.header->queue_size, 4194304);
    close_queue(&queue);
    open_queue(&queue, 64, 65536);
    CHECK_EQ(queue.ring.header->queue_length, 64);
    CHECK_EQ(queue.ring.header->queue_size, 65536);
    close_queue(&queue);
}

static void records_lie_where_the_rule_says(void)
{
    static const struct {
        uint32_t l2_length;
        uint32_t captured;
        uint32_t packet_at; /* in the record */
        uint32_t size;
    } cases[] = {
        {0, 0, 0, 0},      {0, 1, 0, 64},    {0, 64, 0, 64},        {0, 65, 0, 128},
        {14, 50, 16, 128}, {14, 48, 16, 64}, {16, 48, 16, 64},      {17, 32, 32, 64},
        {64, 0, 64, 64},   {64, 1, 64, 128}, {1, 60000, 16, 60032},
    };
    struct queue queue;
    struct fd_record record;
    uint32_t first;
    uint32_t begin = 0;
    open_queue(&queue, 32, 65536);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fd_descriptor *descriptor =
            put(&queue, cases[i].l2_length, cases[i].captured, (uint8_t)(i + 1));
        CHECK_EQ(descriptor->offset, begin + cases[i].packet_at);
        CHECK_EQ(descriptor->captured, cases[i].captured);
        CHECK_EQ(descriptor->l2_length, cases[i].l2_length);
        CHECK_EQ(descriptor->sequence, i);
        CHECK_EQ(descriptor->verdict | descriptor->flags | descriptor->length, 0);
        begin += cases[i].size;
    }
    CHECK_EQ(fd_consumer_waiting(&queue.consumer), 0); /* not before it is published */
    fd_producer_publish(&queue.producer);
    CHECK_EQ(fd_consumer_waiting(&queue.consumer), sizeof(cases) / sizeof(cases[0]));
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_EQ(fd_consumer_take(&queue.consumer, 1, INT64_MIN, &record, &first), 1);
        CHECK_EQ(first, i);
        CHECK_EQ(record.captured, cases[i].captured);
        CHECK_EQ(record.l2_length, cases[i].l2_length);
        if (record.captured != 0) {
            CHECK_EQ(record.packet[0], i + 1);
            CHECK_EQ(record.packet[record.captured - 1], i + 1);
        }
        if (record.l2_length != 0)
            CHECK_EQ(record.packet[-record.l2_length], (i + 1) ^ 0xff);
    }
    CHECK_EQ(take_one(&queue, &record), 0);
    CHECK_EQ(queue.consumer.fault, FD_RING_OK);
    CHECK_EQ(queue.ring.header->consumer.delivered, sizeof(cases) / sizeof(cases[0]));
    close_queue(&queue);
}

static void a_record_never_wraps(void)
{
    struct queue queue;
    struct fd_record record;
    open_queue(&queue, 32, 65536);
    publish_one(&queue, 0, 65472); /* all but the last 64 bytes */
    CHECK_EQ(take_one(&queue, &record), 1);
    release_all(&queue);
    publish_one(&queue, 14, 60000); /* runs into the guard */
    CHECK_EQ(take_one(&queue, &record), 1);
    CHECK(record.packet == queue.ring.bytes + 65472 + 16);
    CHECK_EQ(record.packet[59999], 1);
    publish_one(&queue, 0, 100); /* and the next lies behind its end, modulo the ring */
    CHECK_EQ(take_one(&queue, &record), 1);
    CHECK(record.packet == queue.ring.bytes + (65472 + 60032) % 65536);
    CHECK_EQ(put(&queue, 0, 5505, 2) == NULL, 1); /* 64 + 60032 + 128 of 65536 are taken */
    CHECK_EQ(queue.producer.counters.dropped[FD_DROP_QUEUE_SIZE], 1);
    CHECK(put(&queue, 0, 5376, 2) != NULL);
    close_queue(&queue);
}

static void the_largest_record_fits_its_guard(void)
{
    struct queue queue;
    struct fd_record record;
    open_queue(&queue, 32, 1u << 20);
    publish_one(&queue, 0, 524288 - 64);
    publish_one(&queue, 0, 524288 - 64);
    take_one(&queue, &record);
    take_one(&queue, &record);
    release_all(&queue);
    publish_one(&queue, 0, 64); /* now 64 bytes are left before the guard */
    CHECK_EQ(take_one(&queue, &record), 1);
    release_all(&queue);
    CHECK_EQ(queue.producer.byte_head % (1u << 20), (1u << 20) - 64);
    publish_one(&queue, FD_L2_MAX, FD_CAPTURED_MAX);
    CHECK_EQ(take_one(&queue, &record), 1);
    CHECK_EQ(record.packet + record.captured - queue.ring.bytes, (1u << 20) + FD_CAPTURED_MAX);
    CHECK((1u << 20) + FD_CAPTURED_MAX <= fd_ring_byte_region_size(1u << 20));
    close_queue(&queue);
}

static void oversize_is_dropped_and_counted(void)
{
    struct queue queue;
    open_queue(&queue, 32, 65536);
    CHECK(put(&queue, FD_L2_MAX + 1, 10, 0) == NULL);
    CHECK(put(&queue, 0, FD_CAPTURED_MAX + 1, 0) == NULL);
    CHECK(put(&queue, UINT32_MAX, UINT32_MAX, 0) == NULL);
    CHECK(put(&queue, 0, 65537, 0) == NULL); /* more than this ring */
    CHECK_EQ(fd_producer_refusal(&queue.producer, 0, 65537), FD_DROP_OVERSIZE);
    CHECK_EQ(queue.producer.counters.dropped[FD_DROP_OVERSIZE], 4);
    CHECK(put(&queue, 0, 65536, 0) != NULL); /* all of it */
    CHECK_EQ(queue.producer.fault, FD_RING_OK);
    close_queue(&queue);
    open_queue(&queue, 32, 1u << 20); /* room in the ring, but not in its guard */
    CHECK(put(&queue, 0, FD_CAPTURED_MAX + 1, 0) == NULL);
    CHECK_EQ(queue.producer.counters.dropped[FD_DROP_OVERSIZE], 1);
    CHECK(put(&queue, 0, FD_CAPTURED_MAX, 0) != NULL);
    close_queue(&queue);
}

static void queue_length_bounds_the_records(void)
{
    struct queue queue;
    struct fd_record record;
    static const struct {
        uint32_t asked;
        uint32_t given;
    } cases[] = {{64, 64}, {40, 40}, {0, 32}, {31, 32}, {65, 64}, {UINT32_MAX, 64}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_queue(&queue, 64, 65536);
        queue.ring.header->queue_length = cases[i].asked;
        uint32_t queued = 0;
        while (put(&queue, 0, 20, 0) != NULL)
            queued++;
        CHECK_EQ(queued, cases[i].given);
        CHECK_EQ(queue.producer.counters.queued, queued);
        CHECK_EQ(queue.producer.counters.bytes, queued * 20);
        CHECK_EQ(queue.producer.counters.dropped[FD_DROP_QUEUE_LENGTH], 1);
        CHECK_EQ(fd_producer_refusal(&queue.producer, 0, 20), FD_DROP_QUEUE_LENGTH);
        CHECK_EQ(queue.producer.counters.dropped[FD_DROP_QUEUE_LENGTH], 1);
        fd_producer_publish(&queue.producer);
        CHECK_EQ(queue.ring.header->producer.dropped[FD_DROP_QUEUE_LENGTH], 1);
        CHECK_EQ(queue.ring.header->producer.queued, queued);
        /* What was taken does not wait any more, but fills the ring until it
         * is given back. */
        take_one(&queue, &record);
        CHECK_EQ(fd_producer_refusal(&queue.producer, 0, 20),
                 queued < 64 ? FD_DROP_COUNT : FD_DROP_QUEUE_LENGTH);
        release_all(&queue);
        CHECK_EQ(fd_producer_refusal(&queue.producer, 0, 20), FD_DROP_COUNT);
        close_queue(&queue);
    }
}

static void queue_size_bounds_the_bytes(void)
{
    struct queue queue;
    static const struct {
        uint64_t asked;
        uint64_t given;
    } cases[] = {{131072, 131072}, {100000, 100000}, {0, 65535}, {1ull << 40, 262144}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_queue(&queue, 8192, 262144);
        queue.ring.header->queue_size = cases[i].asked;
        uint64_t queued = 0;
        while (put(&queue, 0, 1000, 0) != NULL) /* 1024 of ring space */
            queued++;
        CHECK_EQ(queued, cases[i].given / 1024);
        CHECK_EQ(queue.producer.counters.dropped[FD_DROP_QUEUE_SIZE], 1);
        close_queue(&queue);
    }
    open_queue(&queue, 32, 262144); /* an empty queue takes what is larger than its size */
    queue.ring.header->queue_size = 65535;
    CHECK(put(&queue, 0, 200000, 0) != NULL);
    CHECK(put(&queue, 0, 20, 0) == NULL);
    close_queue(&queue);
}

static void takes_run_to_the_end_of_the_region(void)
{
    struct queue queue;
    struct fd_record records[64];
    uint32_t first;
    open_queue(&queue, 32, 65536);
    for (int i = 0; i < 20; i++)
        publish_one(&queue, 0, 20);
    CHECK_EQ(fd_consumer_take(&queue.consumer, 64, INT64_MIN, records, &first), 20);
    CHECK_EQ(first, 0);
    release_all(&queue);
    for (int i = 0; i < 30; i++)
        publish_one(&queue, 0, 20);
    CHECK_EQ(fd_consumer_take(&queue.consumer, 64, INT64_MIN, records, &first), 12);
    CHECK_EQ(first, 20);
    CHECK_EQ(fd_consumer_take(&queue.consumer, 5, INT64_MIN, records, &first), 5);
    CHECK_EQ(first, 0);
    CHECK_EQ(fd_consumer_take(&queue.consumer, 0, INT64_MIN, records, &first), 0);
    CHECK_EQ(fd_consumer_take(&queue.consumer, 64, INT64_MIN, records, &first), 13);
    CHECK_EQ(first, 5);
    CHECK_EQ(fd_consumer_waiting(&queue.consumer), 0);
    CHECK_EQ(queue.consumer.counters.delivered, 50);
    close_queue(&queue);
}

static void takes_are_of_one_layer(void)
{
    static const uint8_t layers[] = {FD_LAYER_NETWORK, FD_LAYER_NETWORK, FD_LAYER_NETWORK_FORWARD,
                                     FD_LAYER_SOCKET, FD_LAYER_SOCKET};
    static const uint32_t runs[][2] = {{0, 2}, {2, 1}, {3, 2}}; /* first, count */
    struct queue queue;
    struct fd_record records[8];
    uint32_t first;
    open_queue(&queue, 32, 65536);
    for (unsigned i = 0; i < sizeof(layers); i++)
        put(&queue, 0, FD_EVENT_DATA_SIZE, 0)->layer = layers[i];
    fd_producer_publish(&queue.producer);
    for (unsigned i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
        CHECK_EQ(fd_consumer_take(&queue.consumer, 8, INT64_MIN, records, &first), runs[i][1]);
        CHECK_EQ(first, runs[i][0]);
        CHECK_EQ(records[0].layer, layers[first]);
        release_all(&queue);
        CHECK_EQ(queue.ring.header->descriptor_tail, runs[i][0] + runs[i][1]);
    }
    CHECK_EQ(queue.consumer.fault, FD_RING_OK);
    close_queue(&queue);
}

static void release_takes_only_what_was_taken(void)
{
    struct queue queue;
    struct fd_record record;
    open_queue(&queue, 32, 65536);
    publish_one(&queue, 0, 20);
    publish_one(&queue, 0, 20);
    take_one(&queue, &record);
    fd_consumer_release(&queue.consumer, 2, 128); /* the second one was not taken */
    CHECK_EQ(queue.ring.header->descriptor_tail, 0);
    fd_consumer_release(&queue.consumer, 2, 64);
    CHECK_EQ(queue.ring.header->descriptor_tail, 0);
    fd_consumer_release(&queue.consumer, 1, 128);
    CHECK_EQ(queue.ring.header->descriptor_tail, 0);
    fd_consumer_release(&queue.consumer, 1, 64);
    CHECK_EQ(queue.ring.header->descriptor_tail, 1);
    CHECK_EQ(queue.ring.header->byte_tail, 64);
    fd_consumer_release(&queue.consumer, 0, 0); /* backwards */
    CHECK_EQ(queue.ring.header->descriptor_tail, 1);
    CHECK_EQ(queue.ring.header->byte_tail, 64);
    close_queue(&queue);
}

static void put_at(struct queue *queue, int64_t timestamp)
{
    put(queue, 0, 20, 0)->timestamp = timestamp;
    fd_producer_publish(&queue->producer);
}

static void what_waited_too_long_expires(void)
{
    struct queue queue;
    struct fd_record records[8];
    uint32_t first;
    open_queue(&queue, 32, 65536);
    put_at(&queue, 10);
    put_at(&queue, 20);
    put_at(&queue, 30);
    put_at(&queue, 5); /* not leading: an earlier record is still good */
    CHECK_EQ(fd_consumer_take(&queue.consumer, 8, 30, records, &first), 2);
    CHECK_EQ(first, 2);
    CHECK_EQ(queue.consumer.counters.expired, 2);
    CHECK_EQ(queue.ring.header->consumer.expired, 2);
    CHECK_EQ(queue.consumer.counters.delivered, 2);

    put_at(&queue, 1);
    CHECK_EQ(fd_consumer_take(&queue.consumer, 8, 30, records, &first), 0);
    CHECK_EQ(queue.ring.header->descriptor_tail, 0); /* two before it are still out */
    fd_consumer_release(&queue.consumer, 4, 256);
    CHECK_EQ(queue.ring.header->descriptor_tail, 5); /* the expired one went along */
    CHECK_EQ(queue.ring.header->byte_tail, 320);
    put_at(&queue, 1);
    CHECK_EQ(fd_consumer_take(&queue.consumer, 8, 30, records, &first), 0);
    CHECK_EQ(queue.ring.header->descriptor_tail, 6); /* nothing is out: at once */

    put_at(&queue, 50);
    CHECK_EQ(fd_consumer_take(&queue.consumer, 8, 30, records, &first), 1);
    put_at(&queue, 1);
    put_at(&queue, 1);
    CHECK_EQ(fd_consumer_take(&queue.consumer, 1, 30, records, &first), 0);
    fd_consumer_release(&queue.consumer, 8, 512); /* in the middle of the expired ones */
    CHECK_EQ(queue.ring.header->descriptor_tail, 9);
    put_at(&queue, 1);
    CHECK_EQ(fd_consumer_take(&queue.consumer, 1, 30, records, &first), 0);
    CHECK_EQ(queue.ring.header->descriptor_tail, 10);
    put_at(&queue, INT64_MIN);
    CHECK_EQ(fd_consumer_take(&queue.consumer, 8, INT64_MIN, records, &first), 1);
    close_queue(&queue);
}

static void the_doorbell_rings_once_for_a_sleeper(void)
{
    struct queue queue;
    struct fd_record record;
    open_queue(&queue, 32, 65536);
    publish_one(&queue, 0, 20);
    CHECK_EQ(fd_consumer_sleep(&queue.consumer), 0); /* there is something */
    CHECK_EQ(queue.ring.header->sleeping, 0);
    take_one(&queue, &record);
    CHECK_EQ(fd_consumer_sleep(&queue.consumer), 1);
    CHECK_EQ(fd_producer_publish(&queue.producer), 0); /* nothing new, no bell */
    put(&queue, 0, 20, 0);
    CHECK_EQ(fd_producer_publish(&queue.producer), 1);
    CHECK_EQ(queue.ring.header->producer.doorbells, 1);
    put(&queue, 0, 20, 0);
    CHECK_EQ(fd_producer_publish(&queue.producer), 0);
    take_one(&queue, &record);
    take_one(&queue, &record);
    CHECK_EQ(fd_consumer_sleep(&queue.consumer), 1);
    fd_consumer_wake(&queue.consumer);
    put(&queue, 0, 20, 0);
    CHECK_EQ(fd_producer_publish(&queue.producer), 0);
    CHECK_EQ(queue.producer.counters.doorbells, 1);
    close_queue(&queue);
}

int main(void)
{
    geometry_is_checked();
    attach_believes_only_what_fits();
    policy_begins_at_windivert_defaults();
    records_lie_where_the_rule_says();
    a_record_never_wraps();
    the_largest_record_fits_its_guard();
    oversize_is_dropped_and_counted();
    queue_length_bounds_the_records();
    queue_size_bounds_the_bytes();
    takes_run_to_the_end_of_the_region();
    takes_are_of_one_layer();
    release_takes_only_what_was_taken();
    what_waited_too_long_expires();
    the_doorbell_rings_once_for_a_sleeper();
    return check_result();
}
