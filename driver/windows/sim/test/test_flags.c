/* SPDX-License-Identifier: MIT */
/* The flags of a handle: SNIFF, DROP, RECV_ONLY, SEND_ONLY, FRAGMENTS, and
 * what passes when there is no room. */
#include "packets.h"
#include "world.h"

#include "check.h"

static struct user_handle handle;
static struct packet packet;
static const struct sim_traffic outbound = {.way = SIM_OUTBOUND};
static const struct sim_traffic inbound = {.way = SIM_INBOUND};

static int passes(const struct sim_traffic *how)
{
    return sim_packet(how, packet.bytes, packet.length);
}

static void sniff_copies_and_lets_pass(void)
{
    struct taken taken;
    world_begin();
    handle_open(&handle, &(struct options){.flags = FD_WINDOWS_SNIFF});
    numbered(&packet, 0, 64, 9);
    CHECK(passes(&outbound));
    CHECK_EQ(sim_arrival_count(), 1);
    CHECK(!sim_arrival(0)->injected);
    CHECK_EQ(take(&handle, 0, &taken, 1), 1);
    CHECK_EQ(taken.descriptor.flags, FD_FLAG_OUTBOUND | FD_FLAG_SNIFFED);
    CHECK(memcmp(taken.record.packet, packet.bytes, packet.length) == 0);
    give_back(&handle, 0);
    handle_close(&handle);
    world_end();
}

static void sniff_lets_pass_what_it_has_no_room_for(void)
{
    world_begin();
    handle_open(&handle,
                &(struct options){.flags = FD_WINDOWS_SNIFF, .queue_length = FD_QUEUE_LENGTH_MIN});
    numbered(&packet, 0, 64, 9);
    for (int i = 0; i < 50; i++)
        CHECK(passes(&outbound));
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.queues.queued, FD_QUEUE_LENGTH_MIN);
    CHECK_EQ(totals.queues.dropped[FD_DROP_QUEUE_LENGTH], 50 - FD_QUEUE_LENGTH_MIN);
    CHECK_EQ(sim_arrival_count(), 50);
    check_conserved(&handle);
    handle_close(&handle); /* what was copied does not go back */
    CHECK_EQ(sim_arrival_count(), 50);
    world_end();
}

static void drop_takes_and_forgets(void)
{
    struct fd_program program =
        program_of(test_of(FD_FIELD_UDP_DSTPORT, FD_OPERATOR_EQ, 53), FD_LAYER_NETWORK);
    world_begin();
    handle_open(&handle, &(struct options){.flags = FD_WINDOWS_DROP, .program = &program});
    numbered(&packet, 0, 64, 53);
    CHECK(!passes(&outbound));
    CHECK(!passes(&inbound));
    numbered(&packet, 0, 64, 54);
    CHECK(passes(&outbound));
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.queue_count, 1);
    CHECK_EQ(totals.queues.seen, 3);
    CHECK_EQ(totals.queues.matched, 2);
    CHECK_EQ(totals.queues.dropped[FD_DROP_BY_FLAG], 2);
    CHECK_EQ(totals.queues.queued, 0);
    handle_close(&handle);
    CHECK_EQ(sim_arrival_count(), 1);
    world_end();
}

static void recv_only_takes_and_cannot_send(void)
{
    struct fd_windows_request input = {sizeof(input), 0};
    struct flush result;
    world_begin();
    handle_open(&handle, &(struct options){.flags = FD_WINDOWS_RECV_ONLY});
    numbered(&packet, 0, 64, 1);
    CHECK(!passes(&inbound));
    CHECK_EQ(sim_ioctl(handle.file, FD_IOCTL_FLUSH, &input, sizeof(input), &result, sizeof(result),
                       NULL),
             STATUS_ACCESS_DENIED);
    CHECK_EQ(drain(&handle), 1);
    handle_close(&handle);
    world_end();
}

static void send_only_sends_and_takes_nothing(void)
{
    world_begin();
    handle_open(&handle, &(struct options){.flags = FD_WINDOWS_SEND_ONLY});
    numbered(&packet, 0, 64, 1);
    CHECK(passes(&inbound));
    CHECK_EQ(send_one(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND), STATUS_SUCCESS);
    CHECK_EQ(sim_arrival_count(), 2);
    CHECK(sim_arrival(1)->injected);
    handle_close(&handle);
    world_end();
}

static void without_a_send_queue_flush_finds_nothing(void)
{
    struct fd_windows_request input = {sizeof(input), 0};
    struct fd_windows_flushed result;
    world_begin();
    handle_open(&handle, &(struct options){.flags = FD_WINDOWS_SNIFF, .no_send_queue = 1});
    NTSTATUS status = sim_ioctl(handle.file, FD_IOCTL_FLUSH, &input, sizeof(input), &result,
                                sizeof(result), NULL);
    CHECK(!NT_SUCCESS(status) || result.consumed == 0);
    handle_close(&handle);
    world_end();
}

/* Inbound, the stack shows each fragment, and then the packet that they make. */
static void fragments_or_what_they_make(void)
{
    struct sim_traffic fragment = {.way = SIM_INBOUND, .flags = FWP_CONDITION_FLAG_IS_FRAGMENT};
    struct sim_traffic whole = {.way = SIM_INBOUND, .flags = FWP_CONDITION_FLAG_IS_REASSEMBLED};
    struct taken taken;

    world_begin();
    for (int wanted = 0; wanted < 2; wanted++) {
        handle_open(&handle, &(struct options){.flags = wanted ? FD_WINDOWS_FRAGMENTS : 0});
        numbered(&packet, 0, 64, 1);
        packet.bytes[6] = 0x20; /* MF */
        CHECK_EQ(passes(&fragment), !wanted);
        CHECK_EQ(take(&handle, 0, &taken, 1), wanted);
        if (wanted)
            CHECK(taken.descriptor.flags & FD_FLAG_FRAGMENT);
        give_back(&handle, 0);
        packet.bytes[6] = 0;
        CHECK_EQ(passes(&whole), wanted);
        CHECK_EQ(drain(&handle), !wanted);
        handle_close(&handle);
    }
    world_end();
}

static void outbound_fragments_are_always_seen(void)
{
    struct sim_traffic fragment = {.way = SIM_OUTBOUND, .flags = FWP_CONDITION_FLAG_IS_FRAGMENT};
    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 64, 1);
    packet.bytes[6] = 0x20;
    CHECK(!passes(&fragment));
    handle_close(&handle);
    world_end();
}

static void a_group_of_forwarded_fragments_is_seen_once(void)
{
    struct sim_traffic one = {.way = SIM_FORWARDED, .flags = FWP_CONDITION_FLAG_IS_FRAGMENT};
    struct sim_traffic group = {.way = SIM_FORWARDED,
                                .flags = FWP_CONDITION_FLAG_IS_FRAGMENT_GROUP};
    world_begin();
    handle_open(&handle, &(struct options){.layer = FD_LAYER_NETWORK_FORWARD});
    numbered(&packet, 0, 64, 1);
    CHECK(!passes(&one));
    CHECK(passes(&group));
    CHECK_EQ(drain(&handle), 1);
    handle_close(&handle);
    world_end();
}

static void overflow_pass_lets_pass_and_counts(void)
{
    world_begin();
    handle_open(&handle, &(struct options){.flags = FD_WINDOWS_OVERFLOW_PASS,
                                           .queue_length = FD_QUEUE_LENGTH_MIN});
    numbered(&packet, 0, 64, 1);
    for (unsigned i = 0; i < 40; i++)
        CHECK_EQ(passes(&inbound), i >= FD_QUEUE_LENGTH_MIN);
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.queues.dropped[FD_DROP_PASSED_BY], 40 - FD_QUEUE_LENGTH_MIN);
    CHECK_EQ(totals.queues.dropped[FD_DROP_QUEUE_LENGTH], 0);
    check_conserved(&handle);
    static uint8_t giant[FD_CAPTURED_MAX + 1];
    giant[0] = 0x45;
    CHECK(sim_packet(&outbound, giant, sizeof(giant)));
    check_conserved(&handle);
    CHECK_EQ(drain(&handle), FD_QUEUE_LENGTH_MIN);
    handle_close(&handle);
    world_end();
}

int main(void)
{
    sniff_copies_and_lets_pass();
    sniff_lets_pass_what_it_has_no_room_for();
    drop_takes_and_forgets();
    recv_only_takes_and_cannot_send();
    send_only_sends_and_takes_nothing();
    without_a_send_queue_flush_finds_nothing();
    fragments_or_what_they_make();
    outbound_fragments_are_always_seen();
    a_group_of_forwarded_fragments_is_seen_once();
    overflow_pass_lets_pass_and_counts();
    return check_result();
}
