/* SPDX-License-Identifier: MIT */
/* The end of a handle at any moment: packets that wait go back, memory is
 * unlocked, and nothing is called afterwards. */
#include "packets.h"
#include "patches.h"
#include "world.h"

#include "check.h"

static struct user_handle handle;
static struct packet packet;

static void capture(enum sim_way way, int ipv6, uint32_t first, uint32_t count)
{
    struct sim_traffic how = {.way = way, .ipv6 = ipv6, .interface = 3, .compartment = 4};
    for (uint32_t i = 0; i < count; i++) {
        numbered(&packet, ipv6, 100, first + i);
        CHECK(!sim_packet(&how, packet.bytes, packet.length));
    }
}

static void check_returned(uint32_t from, uint32_t count, enum sim_way way, int ipv6)
{
    CHECK_EQ(sim_arrival_count(), count);
    for (uint32_t i = 0; i < count; i++) {
        const struct sim_arrival *arrival = sim_arrival(i);
        CHECK(arrival->injected && arrival->way == way && arrival->ipv6 == ipv6);
        CHECK_EQ(arrival->compartment, 4);
        CHECK_EQ(number_of(arrival->bytes, ipv6), from + i);
    }
}

static void packets_that_nobody_took_go_back(void)
{
    struct taken taken[3];
    for (enum sim_way way = SIM_INBOUND; way <= SIM_OUTBOUND; way++)
        for (int ipv6 = 0; ipv6 < 2; ipv6++) {
            world_begin();
            handle_open(&handle, &(struct options){0});
            capture(way, ipv6, 10, 20);
            CHECK_EQ(take(&handle, 0, taken, 3), 3);
            handle_close(&handle);
            check_returned(13, 17, way, ipv6);
            world_end();
        }
}

static void packets_of_every_queue_go_back(void)
{
    world_begin();
    handle_open(&handle, &(struct options){.receive_count = 4});
    for (ULONG processor = 0; processor < 4; processor++) {
        sim_set_processor(processor);
        capture(SIM_INBOUND, 0, processor * 10, 10);
    }
    handle_close(&handle);
    check_returned(0, 40, SIM_INBOUND, 0);
    world_end();
}

static void dying_gives_back_as_closing_does(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    capture(SIM_OUTBOUND, 0, 1, 5);
    world_process_dies();
    check_returned(1, 5, SIM_OUTBOUND, 0);
    world_end();
}

static void a_handle_that_another_process_has_too_dies_with_its_memory(void)
{
    struct fd_windows_request input = {sizeof(input), 0};
    uint8_t output[1024];
    world_begin();
    handle_open(&handle, &(struct options){0});
    capture(SIM_INBOUND, 0, 1, 5);
    PEPROCESS heir = sim_process_create();
    HANDLE inherited = sim_handle_duplicate(handle.file, heir);
    world_process_dies();
    check_returned(1, 5, SIM_INBOUND, 0);
    numbered(&packet, 0, 100, 9);
    CHECK(sim_packet(&(struct sim_traffic){.way = SIM_INBOUND}, packet.bytes, packet.length));
    sim_process_enter(heir);
    static const uint32_t codes[] = {FD_IOCTL_STARTUP, FD_IOCTL_FLUSH, FD_IOCTL_STATS,
                                     FD_IOCTL_SHUTDOWN, FD_IOCTL_QUERY_VERSION};
    for (unsigned i = 0; i < 5; i++) {
        input.argument = codes[i] == FD_IOCTL_SHUTDOWN;
        NTSTATUS status =
            sim_ioctl(inherited, codes[i], &input, sizeof(input), output, sizeof(output), NULL);
        CHECK(codes[i] == FD_IOCTL_QUERY_VERSION || status == STATUS_INVALID_DEVICE_STATE);
    }
    sim_process_exit(heir);
    world_end();
}

static void another_process_that_ends_changes_nothing(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    PEPROCESS other = sim_process_create();
    sim_handle_duplicate(handle.file, other);
    sim_process_exit(other);
    CHECK_EQ(state_of(handle.file), FD_WINDOWS_STARTED);
    capture(SIM_INBOUND, 0, 1, 1);
    CHECK_EQ(drain(&handle), 1);
    handle_close(&handle);
    world_end();
}

static void closing_rings_the_doorbell_and_ends_the_ring(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    CHECK_EQ(fd_consumer_sleep(&handle.receive[0].consumer), 1);
    sim_handle_close(handle.file);
    CHECK(sim_event_take(handle.doorbell));
    CHECK(handle.receive[0].ring.header->magic != FD_RING_MAGIC);
    handle_free(&handle);
    world_end();
}

static void memory_may_go_before_the_handle(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    capture(SIM_INBOUND, 0, 1, 3);
    handle_free(&handle); /* the views are the driver's own */
    capture(SIM_INBOUND, 0, 4, 3);
    sim_handle_close(handle.file);
    check_returned(1, 6, SIM_INBOUND, 0);
    world_end();
}

static void every_state_can_be_closed(void)
{
    for (int steps = 0; steps < 4; steps++)
        for (int cleanup = 0; cleanup < 2; cleanup++) {
            world_begin();
            sim_io_set_cleanup(cleanup);
            CHECK_EQ(handle_create(&handle, &(struct options){0}), STATUS_SUCCESS);
            if (steps > 0)
                CHECK_EQ(handle_configure(&handle), STATUS_SUCCESS);
            if (steps > 1) {
                handle_allocate(&handle);
                CHECK_EQ(handle_register(&handle), STATUS_SUCCESS);
            }
            if (steps > 2)
                CHECK_EQ(handle_startup(&handle), STATUS_SUCCESS);
            if (cleanup)
                world_process_dies();
            else
                handle_close(&handle);
            world_end();
            sim_io_set_cleanup(1);
        }
}

static void injections_outlive_their_handle(void)
{
    world_begin();
    sim_completion_set(SIM_DEFERRED);
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 100, 1);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(send_one(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND), STATUS_SUCCESS);
    capture(SIM_INBOUND, 0, 1, 5);
    handle_close(&handle);
    CHECK_EQ(sim_injections_waiting(), 15);
    sim_complete(7);
    world_end(); /* unloading waits for the other eight */
}

static void unloading_waits_for_the_stack(void)
{
    world_begin();
    sim_completion_set(SIM_THREAD);
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 100, 1);
    for (int i = 0; i < 200; i++)
        CHECK_EQ(send_one(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND), STATUS_SUCCESS);
    world_process_dies();
    world_end();
}

/* What lies in the ring at the end may be anything: the process could write it. */
static void a_spoilt_ring_gives_back_what_is_sound(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    capture(SIM_INBOUND, 0, 1, 10);
    handle.receive[0].ring.descriptors[4].captured = 0xffffff;
    handle_close(&handle);
    check_returned(1, 4, SIM_INBOUND, 0);
    world_end();

    static const uint32_t lies[] = {1, 11, 0x80000000, 0xffffffff};
    for (unsigned i = 0; i < 4; i++) {
        world_begin();
        handle_open(&handle, &(struct options){0});
        capture(SIM_INBOUND, 0, 1, 10);
        handle.receive[0].ring.header->descriptor_taken = lies[i];
        handle.receive[0].ring.header->byte_taken = lies[i] * 64ull;
        handle_close(&handle);
        CHECK(sim_arrival_count() <= 10);
        world_end();
    }
}

static void a_packet_that_cannot_go_back_is_counted_where_it_can_be(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    capture(SIM_INBOUND, 0, 1, 4);
    handle.receive[0].ring.bytes[0] = 0x99; /* no IP any more */
    handle_close(&handle);
    CHECK_EQ(sim_arrival_count(), 3);
    world_end();
}

static void a_filter_that_is_called_late_finds_nobody(void)
{
    struct user_handle other;
    world_begin();
    handle_open(&handle, &(struct options){0});
    handle_open(&other, &(struct options){.priority = -1});
    /* The process is gone, its files are not closed yet: its filters stand. */
    PEPROCESS heir = sim_process_create();
    HANDLE inherited = sim_handle_duplicate(handle.file, heir);
    (void)inherited;
    world_process_dies();
    CHECK_EQ(sim_filter_count(), 4);
    numbered(&packet, 0, 100, 1);
    CHECK(sim_packet(&(struct sim_traffic){.way = SIM_OUTBOUND}, packet.bytes, packet.length));
    sim_process_exit(heir);
    CHECK_EQ(sim_filter_count(), 0);
    world_end();
}

/* The same slot has a new handle by then, which is not meant. */
static void a_late_filter_is_not_taken_for_one_of_the_next_handle(void)
{
    struct user_handle next;
    world_begin();
    handle_open(&handle, &(struct options){0});
    PEPROCESS heir = sim_process_create();
    sim_handle_duplicate(handle.file, heir);
    world_process_dies();
    sim_process_enter(heir);
    CHECK_EQ(handle_create(&next, &(struct options){0}), STATUS_SUCCESS);
    CHECK_EQ(handle_configure(&next), STATUS_SUCCESS);
    numbered(&packet, 0, 100, 1);
    CHECK(sim_packet(&(struct sim_traffic){.way = SIM_OUTBOUND}, packet.bytes, packet.length));
    CHECK_EQ(stats(&next).queues.seen, 0);
    sim_process_exit(heir);
    world_end();
}

int main(void)
{
    packets_that_nobody_took_go_back();
    packets_of_every_queue_go_back();
    dying_gives_back_as_closing_does();
    a_handle_that_another_process_has_too_dies_with_its_memory();
    another_process_that_ends_changes_nothing();
    closing_rings_the_doorbell_and_ends_the_ring();
    memory_may_go_before_the_handle();
    every_state_can_be_closed();
    injections_outlive_their_handle();
    unloading_waits_for_the_stack();
    a_spoilt_ring_gives_back_what_is_sound();
    a_packet_that_cannot_go_back_is_counted_where_it_can_be();
    a_filter_that_is_called_late_finds_nobody();
    a_late_filter_is_not_taken_for_one_of_the_next_handle();
    return check_result();
}
