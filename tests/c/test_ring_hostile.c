/* SPDX-License-Identifier: MIT */
/* The queue with a peer that lies: the ring dies, and nothing else does. */
#include "check.h"
#include "queue.h"

/* ---- a lying producer ------------------------------------------------------ */

/* Three records of 64 bytes each, published; the second is descriptor(&queue). */
static void open_with_three(struct queue *queue)
{
    open_queue(queue, 32, 65536);
    for (int i = 0; i < 3; i++)
        publish_one(queue, 14, 40);
}

#define CHECK_HEADS(descriptor_head_, byte_head_, fault_)                                      \
    do {                                                                                       \
        struct queue queue_;                                                                   \
        struct fd_record record_;                                                              \
        open_with_three(&queue_);                                                              \
        CHECK_EQ(take_one(&queue_, &record_), 1); /* held: one record of 64 bytes */           \
        queue_.ring.header->descriptor_head = (uint32_t)(descriptor_head_);                    \
        queue_.ring.header->byte_head = (byte_head_);                                          \
        (void)fd_consumer_waiting(&queue_.consumer);                                           \
        CHECK_EQ(queue_.consumer.fault, (fault_));                                             \
        if ((fault_) != FD_RING_OK) {                                                          \
            CHECK_EQ(fd_consumer_waiting(&queue_.consumer), 0);                                \
            CHECK_EQ(take_one(&queue_, &record_), 0);                                          \
            CHECK_EQ(fd_consumer_sleep(&queue_.consumer), 0); /* never sleep on a dead ring */ \
        }                                                                                      \
        close_queue(&queue_);                                                                  \
    } while (0)

static void heads_stay_in_the_ring(void)
{
    CHECK_HEADS(3, 192, FD_RING_OK);
    CHECK_HEADS(1, 64, FD_RING_OK);
    CHECK_HEADS(32, 192, FD_RING_OK);
    CHECK_HEADS(33, 192, FD_RING_BAD_INDEX); /* 32 with the one that is held */
    CHECK_HEADS(0, 192, FD_RING_BAD_INDEX);  /* backwards */
    CHECK_HEADS(UINT32_MAX, 192, FD_RING_BAD_INDEX);
    CHECK_HEADS(3, 65536, FD_RING_OK);
    CHECK_HEADS(3, 65536 + 64, FD_RING_BAD_BYTE_INDEX);
    CHECK_HEADS(3, 0, FD_RING_BAD_BYTE_INDEX);
    CHECK_HEADS(3, 193, FD_RING_BAD_BYTE_INDEX);
    CHECK_HEADS(3, UINT64_MAX - 63, FD_RING_BAD_BYTE_INDEX);
}

/* One value of the second descriptor is changed: the first record still comes,
 * then the fault, then nothing. */
#define CHECK_DESCRIPTOR(field, value, fault_)                                                \
    do {                                                                                      \
        struct queue queue_;                                                                  \
        struct fd_record records_[4];                                                         \
        uint32_t first_;                                                                      \
        open_with_three(&queue_);                                                             \
        queue_.ring.descriptors[1].field = (value);                                           \
        CHECK_EQ(fd_consumer_take(&queue_.consumer, 4, INT64_MIN, records_, &first_),         \
                 (fault_) == FD_RING_OK ? 3u : 1u);                                           \
        CHECK_EQ(queue_.consumer.fault, (fault_));                                            \
        if ((fault_) != FD_RING_OK)                                                           \
            CHECK_EQ(fd_consumer_take(&queue_.consumer, 4, INT64_MIN, records_, &first_), 0); \
        close_queue(&queue_);                                                                 \
    } while (0)

static void descriptors_say_where_their_bytes_must_be(void)
{
    CHECK_DESCRIPTOR(offset, 80, FD_RING_OK);         /* as it was */
    CHECK_DESCRIPTOR(offset, 16, FD_RING_BAD_OFFSET); /* over the first record */
    CHECK_DESCRIPTOR(offset, 96, FD_RING_BAD_OFFSET);
    CHECK_DESCRIPTOR(offset, UINT32_MAX, FD_RING_BAD_OFFSET);
    CHECK_DESCRIPTOR(captured, 48, FD_RING_OK);          /* the alignment's padding */
    CHECK_DESCRIPTOR(captured, 200, FD_RING_BAD_LENGTH); /* more than was published */
    CHECK_DESCRIPTOR(captured, FD_CAPTURED_MAX + 1, FD_RING_BAD_LENGTH);
    CHECK_DESCRIPTOR(captured, UINT32_MAX, FD_RING_BAD_LENGTH);
    CHECK_DESCRIPTOR(l2_length, 65, FD_RING_BAD_LENGTH);
    CHECK_DESCRIPTOR(l2_length, 255, FD_RING_BAD_LENGTH);
    CHECK_DESCRIPTOR(l2_length, 32, FD_RING_BAD_OFFSET);
    CHECK_DESCRIPTOR(layer, FD_LAYER_COUNT, FD_RING_BAD_KIND);
    CHECK_DESCRIPTOR(layer, FD_LAYER_SOCKET, FD_RING_BAD_LENGTH); /* an event has 64 bytes */
    CHECK_DESCRIPTOR(event, FD_EVENT_COUNT, FD_RING_BAD_KIND);
    CHECK_DESCRIPTOR(link, FD_LINK_COUNT, FD_RING_BAD_KIND);
    CHECK_DESCRIPTOR(flags, UINT32_MAX, FD_RING_OK); /* no reader trusts these */
    CHECK_DESCRIPTOR(payload_offset, 0xffff, FD_RING_OK);
}

static void events_have_their_whole_record(void)
{
    for (uint32_t captured = 62; captured < 67; captured++) {
        for (uint8_t layer = FD_LAYER_FLOW; layer <= FD_LAYER_REFLECT; layer++) {
            struct queue queue;
            struct fd_record record;
            open_queue(&queue, 32, 65536);
            put(&queue, 0, captured, 0)->layer = layer;
            fd_producer_publish(&queue.producer);
            CHECK_EQ(take_one(&queue, &record), captured == FD_EVENT_DATA_SIZE);
            CHECK_EQ(queue.consumer.fault,
                     captured == FD_EVENT_DATA_SIZE ? FD_RING_OK : FD_RING_BAD_LENGTH);
            close_queue(&queue);
        }
    }
}

static void a_link_that_is_no_ip_is_marked(void)
{
    struct queue queue;
    struct fd_record record;
    open_queue(&queue, 32, 65536);
    put(&queue, 0, 60, 0)->link = FD_LINK_OTHER;
    put(&queue, 0, 60, 0)->link = FD_LINK_ETHERNET;
    fd_producer_publish(&queue.producer);
    CHECK_EQ(take_one(&queue, &record), 1);
    CHECK_EQ(record.opaque, 1);
    CHECK_EQ(take_one(&queue, &record), 1);
    CHECK_EQ(record.opaque, 0);
    close_queue(&queue);
}

/* ---- a lying consumer ------------------------------------------------------ */

/* Publishes 31 records and reserves one more, so that the next one makes the
 * producer look at the tails; cached are 1 descriptor and 64 bytes. */
#define CHECK_TAILS(descriptor_tail_, byte_tail_, fault_)                           \
    do {                                                                            \
        struct queue queue_;                                                        \
        open_queue(&queue_, 32, 65536);                                             \
        for (int i_ = 0; i_ < 32; i_++)                                             \
            publish_one(&queue_, 0, 64);                                            \
        queue_.ring.header->descriptor_tail = 1;                                    \
        queue_.ring.header->byte_tail = 64;                                         \
        CHECK(put(&queue_, 0, 64, 0) != NULL); /* reserved, not published */        \
        queue_.ring.header->descriptor_tail = (uint32_t)(descriptor_tail_);         \
        queue_.ring.header->byte_tail = (byte_tail_);                               \
        struct fd_descriptor *reserved_ = put(&queue_, 0, 64, 0);                   \
        CHECK_EQ(queue_.producer.fault, (fault_));                                  \
        if ((fault_) != FD_RING_OK) {                                               \
            CHECK(reserved_ == NULL);                                               \
            CHECK_EQ(fd_producer_refusal(&queue_.producer, 0, 64), FD_DROP_MEMORY); \
            queue_.ring.header->descriptor_tail = 32; /* repentance is too late */  \
            queue_.ring.header->byte_tail = 2048;                                   \
            CHECK(put(&queue_, 0, 64, 0) == NULL);                                  \
        }                                                                           \
        close_queue(&queue_);                                                       \
    } while (0)

static void tails_stay_behind_what_was_published(void)
{
    CHECK_TAILS(1, 64, FD_RING_OK);
    CHECK_TAILS(32, 2048, FD_RING_OK);
    CHECK_TAILS(33, 2048, FD_RING_BAD_INDEX); /* reserved, but not published */
    CHECK_TAILS(34, 2048, FD_RING_BAD_INDEX);
    CHECK_TAILS(0, 64, FD_RING_BAD_INDEX); /* backwards */
    CHECK_TAILS(UINT32_MAX, 64, FD_RING_BAD_INDEX);
    CHECK_TAILS(2, 2048 + 64, FD_RING_BAD_BYTE_INDEX);
    CHECK_TAILS(2, 0, FD_RING_BAD_BYTE_INDEX);
    CHECK_TAILS(2, 65, FD_RING_BAD_BYTE_INDEX);
    CHECK_TAILS(2, UINT64_MAX - 63, FD_RING_BAD_BYTE_INDEX);
}

static void the_producer_never_reads_back_what_it_wrote(void)
{
    struct queue queue;
    open_queue(&queue, 32, 65536);
    publish_one(&queue, 0, 64);
    memset(queue.ring.header, 0xee, 128); /* set-up values, heads */
    memset(&queue.ring.header->producer, 0xee, sizeof(queue.ring.header->producer));
    memset(queue.ring.descriptors, 0xee, 32 * sizeof(struct fd_descriptor));
    struct fd_descriptor *descriptor = put(&queue, 0, 64, 0);
    CHECK(descriptor == &queue.ring.descriptors[1]);
    CHECK_EQ(descriptor->offset, 64);
    fd_producer_publish(&queue.producer);
    CHECK_EQ(queue.ring.header->descriptor_head, 2);
    CHECK_EQ(queue.ring.header->byte_head, 128);
    CHECK_EQ(queue.ring.header->producer.queued, 2);
    close_queue(&queue);
}

static void positions_run_over_zero(void)
{
    struct queue queue;
    struct fd_record record;
    open_queue(&queue, 32, 65536);
    uint32_t near_end = UINT32_MAX - 7; /* as after 2^32 - 8 records */
    uint64_t near_byte_end = UINT64_MAX - 1023;
    queue.producer.head = queue.producer.published = queue.producer.cached_tail = near_end;
    queue.producer.byte_head = queue.producer.byte_published = queue.producer.cached_byte_tail =
        near_byte_end;
    queue.consumer.taken = queue.consumer.released = queue.consumer.handed = near_end;
    queue.consumer.byte_taken = queue.consumer.byte_released = near_byte_end;
    queue.ring.header->descriptor_head = queue.ring.header->descriptor_tail = near_end;
    queue.ring.header->byte_head = queue.ring.header->byte_tail = near_byte_end;
    for (uint32_t i = 0; i < 100; i++) {
        publish_one(&queue, 0, 100 + i);
        CHECK_EQ(take_one(&queue, &record), 1);
        CHECK_EQ(record.captured, 100 + i);
        release_all(&queue);
    }
    CHECK_EQ(queue.consumer.taken, near_end + 100);
    CHECK_EQ(queue.producer.fault, FD_RING_OK);
    CHECK_EQ(queue.consumer.fault, FD_RING_OK);
    close_queue(&queue);
}

int main(void)
{
    heads_stay_in_the_ring();
    descriptors_say_where_their_bytes_must_be();
    events_have_their_whole_record();
    a_link_that_is_no_ip_is_marked();
    tails_stay_behind_what_was_published();
    the_producer_never_reads_back_what_it_wrote();
    positions_run_over_zero();
    return check_result();
}
