/* SPDX-License-Identifier: MIT */
/* Receive queues: which one, when it is full and of what, the doorbell. */
#include "packets.h"
#include "world.h"

#include "check.h"

static struct user_handle handle;
static struct packet packet;
static const struct sim_traffic outbound = {.way = SIM_OUTBOUND};

static int passes(uint32_t number, uint32_t length)
{
    numbered(&packet, 0, length, number);
    return sim_packet(&outbound, packet.bytes, packet.length);
}

static void the_queue_is_that_of_the_processor(void)
{
    world_begin();
    handle_open(&handle, &(struct options){.receive_count = 3});
    for (ULONG processor = 0; processor < 8; processor++) {
        struct taken taken;
        sim_set_processor(processor);
        CHECK(!passes(processor, 64));
        for (uint32_t queue = 0; queue < 3; queue++)
            CHECK_EQ(take(&handle, queue, &taken, 1), queue == processor % 3);
    }
    CHECK_EQ(stats(&handle).queue_count, 3);
    CHECK_EQ(stats(&handle).queues.queued, 8);
    handle_close(&handle);
    world_end();
}

static void length_is_what_nobody_has_taken(void)
{
    struct taken taken[64];
    world_begin();
    handle_open(&handle,
                &(struct options){.queue_length = FD_QUEUE_LENGTH_MIN, .descriptor_count = 64});
    for (uint32_t i = 0; i < 40; i++)
        CHECK(!passes(i, 64)); /* dropped, not passed */
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.queues.queued, 32);
    CHECK_EQ(totals.queues.dropped[FD_DROP_QUEUE_LENGTH], 8);
    /* Taken but not given back: the ring still has room for as many. */
    CHECK_EQ(take(&handle, 0, taken, 64), 32);
    for (uint32_t i = 0; i < 40; i++)
        CHECK(!passes(100 + i, 64));
    totals = stats(&handle);
    CHECK_EQ(totals.queues.queued, 64);
    CHECK_EQ(totals.queues.dropped[FD_DROP_QUEUE_LENGTH], 16);
    give_back(&handle, 0);
    CHECK_EQ(take(&handle, 0, taken, 64), 32);
    CHECK_EQ(number_of(taken[0].record.packet, 0), 100);
    CHECK_EQ(sim_arrival_count(), 0);
    check_conserved(&handle);
    handle_close(&handle);
    world_end();
}

static void size_is_in_bytes_of_the_ring(void)
{
    world_begin();
    handle_open(&handle, &(struct options){.queue_size = FD_QUEUE_SIZE_MIN, .byte_size = 1 << 18});
    for (uint32_t i = 0; i < 50; i++)
        CHECK(!passes(i, 2000));
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.queues.queued, FD_QUEUE_SIZE_MIN / 2048);
    CHECK_EQ(totals.queues.dropped[FD_DROP_QUEUE_SIZE], 50 - FD_QUEUE_SIZE_MIN / 2048);
    CHECK_EQ(totals.queues.bytes, totals.queues.queued * 2000);
    check_conserved(&handle);
    CHECK_EQ(set_param(&handle, FD_WINDOWS_QUEUE_SIZE, FD_QUEUE_SIZE_DEFAULT), STATUS_SUCCESS);
    for (uint32_t i = 0; i < 10; i++)
        CHECK(!passes(i, 2000));
    CHECK_EQ(stats(&handle).queues.queued, FD_QUEUE_SIZE_MIN / 2048 + 10);
    handle_close(&handle);
    world_end();
}

static void the_drivers_policy_is_not_the_headers(void)
{
    world_begin();
    handle_open(&handle, &(struct options){.queue_length = FD_QUEUE_LENGTH_MIN});
    handle.receive[0].ring.header->queue_length = 1u << 20; /* only for show */
    handle.receive[0].ring.header->queue_size = 1;
    for (uint32_t i = 0; i < 40; i++)
        CHECK(!passes(i, 64));
    CHECK_EQ(stats(&handle).queues.queued, 32);
    handle_close(&handle);
    world_end();
}

static void a_ring_that_lies_is_dead_and_takes_nothing_with_it(void)
{
    struct user_handle other;
    world_begin();
    handle_open(&handle, &(struct options){.queue_length = FD_QUEUE_LENGTH_MIN, .priority = 1});
    handle_open(&other, &(struct options){0});
    handle.receive[0].ring.header->descriptor_tail = 0x12345; /* never published */
    for (uint32_t i = 0; i < 40; i++)
        CHECK(!passes(i, 64));
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.queues.queued, 32);
    CHECK_EQ(totals.queues.dropped[FD_DROP_MEMORY], 8);
    check_conserved(&handle);
    handle_close(&handle); /* nor does closing hang */
    CHECK(!passes(50, 64));
    CHECK(drain(&other) >= 1);
    handle_close(&other);
    world_end();
}

static void many_rounds_of_a_small_ring_keep_every_byte(void)
{
    struct taken taken[8];
    uint64_t random = 7;
    uint32_t sent = 0, seen = 0;
    world_begin();
    handle_open(&handle, &(struct options){.byte_size = FD_BYTES_MIN,
                                           .descriptor_count = FD_DESCRIPTORS_MIN,
                                           .queue_length = FD_QUEUE_LENGTH_MIN});
    while (sent < 5000) {
        for (uint32_t n = random_below(&random, 6); n != 0; n--) {
            uint32_t length = 40 + random_below(&random, 1900);
            uint64_t before = stats(&handle).queues.queued;
            CHECK(!passes(sent, length));
            sent += (uint32_t)(stats(&handle).queues.queued - before);
        }
        uint32_t got = take(&handle, 0, taken, random_below(&random, 8));
        for (uint32_t i = 0; i < got; i++, seen++) {
            CHECK_EQ(number_of(taken[i].record.packet, 0), seen);
            CHECK_EQ(taken[i].descriptor.sequence, seen);
            numbered(&packet, 0, taken[i].record.captured, seen);
            CHECK(memcmp(taken[i].record.packet, packet.bytes, packet.length) == 0);
        }
        give_back(&handle, 0);
    }
    seen += drain(&handle);
    CHECK_EQ(seen, sent);
    check_conserved(&handle);
    handle_close(&handle);
    world_end();
}

/* ---- order ------------------------------------------------------------------------- */

static uint32_t visible_inside;

static void another_processor_captures(void)
{
    numbered(&packet, 0, 64, 50);
    CHECK(!sim_packet(&outbound, packet.bytes, packet.length));
    visible_inside = fd_consumer_waiting(&handle.receive[0].consumer);
}

/* One processor has reserved a place and not said that it is filled; another
 * reserves the next, fills it and publishes. Nobody may see it yet. */
static void a_place_is_not_shown_before_those_in_front_of_it(void)
{
    struct packet two[2];
    struct taken taken[4];
    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&two[0], 0, 64, 10);
    numbered(&two[1], 0, 64, 11);
    struct sim_bytes bytes[2] = {{two[0].bytes, 64}, {two[1].bytes, 64}};
    visible_inside = 77;
    sim_interrupt(2, another_processor_captures); /* when the second packet is looked at */
    CHECK(!sim_packets(&outbound, bytes, 2, 2));
    CHECK_EQ(visible_inside, 0);
    CHECK_EQ(take(&handle, 0, taken, 4), 3);
    CHECK_EQ(number_of(taken[0].record.packet, 0), 10);
    CHECK_EQ(number_of(taken[1].record.packet, 0), 50);
    CHECK_EQ(number_of(taken[2].record.packet, 0), 11);
    check_conserved(&handle);
    handle_close(&handle);
    world_end();
}

/* ---- doorbell ------------------------------------------------------------------------ */

static void the_doorbell_rings_once_and_only_for_a_sleeper(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    CHECK(!passes(1, 64));
    CHECK(!sim_event_take(handle.doorbell)); /* nobody sleeps */
    CHECK_EQ(drain(&handle), 1);
    CHECK_EQ(fd_consumer_sleep(&handle.receive[0].consumer), 1);
    CHECK(!passes(2, 64));
    CHECK(sim_event_take(handle.doorbell));
    CHECK_EQ(handle.receive[0].ring.header->sleeping, 0);
    CHECK(!passes(3, 64));
    CHECK(!sim_event_take(handle.doorbell));
    CHECK_EQ(stats(&handle).queues.doorbells, 1);
    CHECK_EQ(fd_consumer_sleep(&handle.receive[0].consumer), 0); /* something is there */
    CHECK_EQ(drain(&handle), 2);
    handle_close(&handle);
    world_end();
}

static void a_whole_list_rings_once(void)
{
    struct packet packets[20];
    struct sim_bytes bytes[20];
    world_begin();
    handle_open(&handle, &(struct options){0});
    for (uint32_t i = 0; i < 20; i++) {
        numbered(&packets[i], 0, 64, i);
        bytes[i] = (struct sim_bytes){packets[i].bytes, packets[i].length};
    }
    CHECK_EQ(fd_consumer_sleep(&handle.receive[0].consumer), 1);
    CHECK(!sim_packets(&outbound, bytes, 20, 4));
    CHECK(sim_event_take(handle.doorbell));
    CHECK_EQ(stats(&handle).queues.doorbells, 1);
    CHECK_EQ(drain(&handle), 20);
    handle_close(&handle);
    world_end();
}

static void what_is_not_queued_does_not_ring(void)
{
    struct fd_program none = nothing(FD_LAYER_NETWORK);
    world_begin();
    handle_open(&handle, &(struct options){.program = &none});
    CHECK_EQ(fd_consumer_sleep(&handle.receive[0].consumer), 1);
    CHECK(passes(1, 64));
    CHECK(!sim_event_take(handle.doorbell));
    handle_close(&handle);
    world_end();
}

static void queues_share_the_doorbell(void)
{
    world_begin();
    handle_open(&handle, &(struct options){.receive_count = 2});
    CHECK_EQ(fd_consumer_sleep(&handle.receive[1].consumer), 1);
    CHECK(!passes(1, 64)); /* into queue 0, whose consumer is awake */
    CHECK(!sim_event_take(handle.doorbell));
    sim_set_processor(1);
    CHECK(!passes(2, 64));
    CHECK(sim_event_take(handle.doorbell));
    handle_close(&handle);
    world_end();
}

int main(void)
{
    the_queue_is_that_of_the_processor();
    length_is_what_nobody_has_taken();
    size_is_in_bytes_of_the_ring();
    the_drivers_policy_is_not_the_headers();
    a_ring_that_lies_is_dead_and_takes_nothing_with_it();
    many_rounds_of_a_small_ring_keep_every_byte();
    a_place_is_not_shown_before_those_in_front_of_it();
    the_doorbell_rings_once_and_only_for_a_sleeper();
    a_whole_list_rings_once();
    what_is_not_queued_does_not_ring();
    queues_share_the_doorbell();
    return check_result();
}
