/* SPDX-License-Identifier: MIT */
/*
 * Hostile rings: between the driver's calls (never during one: test_hostile.c
 * does that, with a thread) indexes, descriptors and bytes of a started handle
 * become anything. Whatever is there, the driver stays inside its views, its
 * counters add up, and closing ends.
 */
#include "session.h"

static struct user_handle handle;

static struct user_queue *take_queue(struct input *input)
{
    return take8(input) & 1 ? &handle.send : &handle.receive[0];
}

static void scribble(struct input *input)
{
    static const uint16_t indexes[] = {64, 72, 128, 132, 136, 144, 192, 256, 264, 320, 448};
    struct user_queue *queue = take_queue(input);
    uint8_t *region = queue->descriptors;
    uint8_t which = take8(input);
    uint32_t offset =
        sizeof(struct fd_ring_header) + take16(input) % (FD_DESCRIPTORS_MIN * 64u - 8);
    if (which < 140)
        offset = indexes[which % 11];
    switch (take8(input) % 4) {
    case 0:
        region[offset] = take8(input);
        break;
    case 1: { /* near what it is */
        uint64_t value;
        memcpy(&value, region + offset, 8);
        value += (uint64_t)((int8_t)take8(input)) << (take8(input) % 8);
        memcpy(region + offset, &value, 8);
        break;
    }
    case 2:
        take_bytes(input, region + offset, 4);
        break;
    default:
        take_bytes(input, region + offset, 8);
        break;
    }
}

static void capture(struct input *input)
{
    struct sim_traffic how = take_traffic(input);
    uint8_t bytes[1500];
    uint32_t length = 28 + take16(input) % (sizeof(bytes) - 28);

    memset(bytes, 0x11, sizeof(bytes));
    bytes[0] = how.ipv6 ? 0x60 : 0x45;
    bytes[2] = (uint8_t)(length >> 8);
    bytes[3] = (uint8_t)length;
    bytes[9] = 17;
    sim_set_processor(take8(input));
    (void)sim_packet(&how, bytes, length);
}

/* What an honest producer would write, for the fuzzer to spoil. */
static void put(struct input *input)
{
    uint8_t bytes[600];
    uint32_t length = 20 + take16(input) % 580;

    take_bytes(input, bytes, 40);
    memset(bytes + 40, 0x22, sizeof(bytes) - 40);
    bytes[0] = take8(input) & 1 ? 0x60 : 0x45;
    bytes[2] = (uint8_t)(length >> 8);
    bytes[3] = (uint8_t)length;
    uint32_t flags = take32(input);
    if (flags & (FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP))
        bytes[9] = bytes[6] = flags & FD_FLAG_GSO_TCP ? 6 : 17;
    struct fd_descriptor *descriptor = put_record(&handle, bytes, length, flags);
    if (descriptor != NULL && flags & (FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP))
        descriptor->gso_size = take8(input);
    if (descriptor != NULL && take8(input) % 4 == 0)
        take_bytes(input, (uint8_t *)descriptor + take8(input) % 60, 4);
    if (handle.send.producer.fault == FD_RING_OK)
        fd_producer_publish(&handle.send.producer);
}

static void flush_some(struct input *input)
{
    struct fd_windows_request request = {sizeof(request), take8(input) % 40};
    struct flush result;
    ULONG_PTR got;
    NTSTATUS status = sim_ioctl(handle.file, FD_IOCTL_FLUSH, &request, sizeof(request), &result,
                                sizeof(result), &got);
    REQUIRE(status == STATUS_SUCCESS);
    REQUIRE(result.head.consumed <= 256 && result.head.injected <= result.head.consumed);
    REQUIRE(request.argument == 0 || result.head.consumed <= request.argument);
    REQUIRE(got == sizeof(result.head) + result.head.consumed * sizeof(int32_t));
}

static void check_counters(void)
{
    struct totals totals = stats(&handle);
    REQUIRE(totals.queues.matched == totals.queues.queued + dropped(&totals));
    REQUIRE(totals.queues.seen >= totals.queues.matched + totals.queues.malformed);
    /* Only FLUSH injects here, while the handle is open. */
    REQUIRE(totals.injection.injected + totals.injection.segments ==
            totals.injection.completed + totals.injection.failed + totals.injection.outstanding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    long blocks = session_begin();

    handle_open(&handle, &(struct options){.layer = take8(&input) & 1,
                                           .byte_size = FD_BYTES_MIN,
                                           .descriptor_count = FD_DESCRIPTORS_MIN,
                                           .queue_length = FD_QUEUE_LENGTH_MIN});
    sim_completion_set(take8(&input) & 1 ? SIM_DEFERRED : SIM_INLINE);
    while (input.left != 0) {
        switch (take8(&input) % 8) {
        case 0:
        case 1:
            scribble(&input);
            break;
        case 2:
        case 3:
            capture(&input);
            break;
        case 4:
            put(&input);
            break;
        case 5: { /* as an honest consumer */
            uint32_t first;
            struct fd_record records[8];
            (void)fd_consumer_take(&handle.receive[0].consumer, 8, INT64_MIN, records, &first);
            fd_consumer_release(&handle.receive[0].consumer, handle.receive[0].consumer.taken,
                                handle.receive[0].consumer.byte_taken);
            break;
        }
        case 6:
            (void)sim_complete(take8(&input));
            break;
        default:
            flush_some(&input);
            break;
        }
        check_counters();
    }
    session_end(blocks);
    return 0;
}
