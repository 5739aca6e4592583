/* SPDX-License-Identifier: MIT */
/* Several packets in one call of the filter engine, which takes one answer for
 * all of them: what matched is queued, and what did not goes back by itself. */
#include "packets.h"
#include "world.h"

#include "check.h"

#define MOST 24

static struct user_handle handle;
static struct packet packets[MOST];
static struct sim_bytes bytes[MOST];

/* The port is the number: even ones match. */
static struct fd_program even_ports(uint32_t layer)
{
    struct fd_program program = program_of(test_of(FD_FIELD_UDP_DSTPORT, FD_OPERATOR_EQ, 2), layer);
    program.length = MOST / 2;
    for (uint32_t i = 0; i < MOST / 2; i++) {
        program.test[i] = test_of(FD_FIELD_UDP_DSTPORT, FD_OPERATOR_EQ, 2 * i);
        if (i + 1 < MOST / 2)
            program.test[i].failure = (uint16_t)(i + 1);
    }
    return program;
}

static void make_packets(int ipv6, unsigned count)
{
    for (uint32_t i = 0; i < count; i++) {
        numbered(&packets[i], ipv6, 60 + i * 11, i);
        bytes[i] = (struct sim_bytes){packets[i].bytes, packets[i].length};
    }
}

static void check_split(enum sim_way way, int ipv6, unsigned count, unsigned per_list,
                        uint32_t mdl_size)
{
    uint32_t layer = way == SIM_FORWARDED ? FD_LAYER_NETWORK_FORWARD : FD_LAYER_NETWORK;
    struct fd_program program = even_ports(layer);
    struct sim_traffic how = {.way = way,
                              .ipv6 = ipv6,
                              .interface = 3,
                              .sub_interface = 4,
                              .destination_interface = 5,
                              .compartment = 6,
                              .mdl_size = mdl_size};
    struct taken taken[MOST];

    world_begin();
    handle_open(&handle, &(struct options){.layer = layer, .program = &program});
    make_packets(ipv6, count);
    CHECK(!sim_packets(&how, bytes, count, per_list));
    CHECK_EQ(sim_blocked_count(), 0);

    uint32_t matched = take(&handle, 0, taken, MOST);
    CHECK_EQ(matched, (count + 1) / 2);
    for (uint32_t i = 0; i < matched; i++) {
        CHECK_EQ(taken[i].record.captured, packets[2 * i].length);
        CHECK(memcmp(taken[i].record.packet, packets[2 * i].bytes, packets[2 * i].length) == 0);
    }
    /* The others are out again: in order, byte for byte, where they belong. */
    CHECK_EQ(sim_arrival_count(), count / 2);
    for (unsigned i = 0; i < count / 2; i++) {
        const struct sim_arrival *arrival = sim_arrival(i);
        const struct packet *expected = &packets[2 * i + 1];
        CHECK(arrival->injected && arrival->way == way && arrival->ipv6 == ipv6);
        CHECK_EQ(arrival->length, expected->length);
        CHECK(memcmp(arrival->bytes, expected->bytes, expected->length) == 0);
        CHECK_EQ(arrival->compartment, 6);
        if (way == SIM_INBOUND)
            CHECK(arrival->interface == 3 && arrival->sub_interface == 4);
    }
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.injection.returned, count / 2);
    CHECK_EQ(totals.injection.returned_failed, 0);
    CHECK_EQ(totals.queues.seen, count);
    check_conserved(&handle);
    drain(&handle);
    handle_close(&handle);
    world_end();
}

static void a_mixed_list_is_split(void)
{
    for (enum sim_way way = SIM_INBOUND; way <= SIM_FORWARDED; way++)
        for (int ipv6 = 0; ipv6 < 2; ipv6++) {
            check_split(way, ipv6, 2, 1, 0);
            check_split(way, ipv6, 3, 3, 0);
            check_split(way, ipv6, MOST, 1, 0);
            check_split(way, ipv6, MOST, MOST, 0);
            check_split(way, ipv6, MOST - 1, 5, 17);
            check_split(way, ipv6, MOST, 7, 1);
        }
}

static void a_list_of_which_nothing_matches_passes_whole(void)
{
    struct fd_program none = nothing(FD_LAYER_NETWORK);
    world_begin();
    handle_open(&handle, &(struct options){.program = &none});
    make_packets(0, MOST);
    CHECK(sim_packets(&(struct sim_traffic){.way = SIM_OUTBOUND}, bytes, MOST, 5));
    CHECK_EQ(sim_arrival_count(), MOST);
    for (unsigned i = 0; i < MOST; i++)
        CHECK(!sim_arrival(i)->injected);
    CHECK_EQ(stats(&handle).injection.returned, 0);
    handle_close(&handle);
    world_end();
}

static void first_or_last_may_be_the_only_one_that_matches(void)
{
    for (uint32_t which = 0; which < 6; which += 5) {
        struct fd_program program =
            program_of(test_of(FD_FIELD_UDP_DSTPORT, FD_OPERATOR_EQ, which), FD_LAYER_NETWORK);
        struct taken taken[2];
        world_begin();
        handle_open(&handle, &(struct options){.program = &program});
        make_packets(0, 6);
        CHECK(!sim_packets(&(struct sim_traffic){.way = SIM_INBOUND}, bytes, 6, 2));
        CHECK_EQ(take(&handle, 0, taken, 2), 1);
        CHECK_EQ(number_of(taken[0].record.packet, 0), which);
        CHECK_EQ(sim_arrival_count(), 5);
        for (unsigned i = 0, n = 0; i < 6; i++)
            if (i != which)
                CHECK_EQ(number_of(sim_arrival(n++)->bytes, 0), i);
        handle_close(&handle);
        CHECK_EQ(sim_arrival_count(), 5); /* whoever has taken a packet, has it */
        world_end();
    }
}

static void sniffing_a_list_splits_nothing(void)
{
    struct fd_program program = even_ports(FD_LAYER_NETWORK);
    world_begin();
    handle_open(&handle, &(struct options){.program = &program, .flags = FD_WINDOWS_SNIFF});
    make_packets(0, 10);
    CHECK(sim_packets(&(struct sim_traffic){.way = SIM_INBOUND}, bytes, 10, 3));
    CHECK_EQ(sim_arrival_count(), 10);
    CHECK_EQ(drain(&handle), 5);
    CHECK_EQ(stats(&handle).injection.returned, 0);
    handle_close(&handle);
    world_end();
}

/* With a full queue some are dropped, and those that do not match still pass. */
static void a_full_queue_drops_only_what_matched(void)
{
    struct fd_program program = even_ports(FD_LAYER_NETWORK);
    world_begin();
    handle_open(&handle,
                &(struct options){.program = &program, .queue_length = FD_QUEUE_LENGTH_MIN});
    make_packets(0, MOST);
    for (int i = 0; i < 4; i++)
        CHECK(!sim_packets(&(struct sim_traffic){.way = SIM_OUTBOUND}, bytes, MOST, 4));
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.queues.queued, FD_QUEUE_LENGTH_MIN);
    CHECK_EQ(totals.queues.dropped[FD_DROP_QUEUE_LENGTH], 4 * MOST / 2 - FD_QUEUE_LENGTH_MIN);
    CHECK_EQ(sim_arrival_count(), 4 * MOST / 2);
    check_conserved(&handle);
    drain(&handle);
    handle_close(&handle);
    world_end();
}

/* One answer for all: those that found no room have to be put back one by one. */
static void overflow_pass_puts_back_what_finds_no_room(void)
{
    world_begin();
    handle_open(&handle, &(struct options){.flags = FD_WINDOWS_OVERFLOW_PASS,
                                           .queue_length = FD_QUEUE_LENGTH_MIN});
    make_packets(0, 20);
    CHECK(!sim_packets(&(struct sim_traffic){.way = SIM_OUTBOUND}, bytes, 20, 20));
    CHECK(!sim_packets(&(struct sim_traffic){.way = SIM_OUTBOUND}, bytes, 20, 20));
    CHECK_EQ(sim_arrival_count(), 8);
    CHECK_EQ(number_of(sim_arrival(0)->bytes, 0), 12);
    CHECK(sim_packets(&(struct sim_traffic){.way = SIM_OUTBOUND}, bytes, 20, 20));
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.queues.dropped[FD_DROP_PASSED_BY], 28);
    CHECK_EQ(totals.injection.returned, 8);
    drain(&handle);
    handle_close(&handle);
    world_end();
}

static void a_buffer_that_is_no_packet_in_a_taken_list_is_counted(void)
{
    static const uint8_t garbage[8] = {1, 2, 3};
    struct sim_bytes mixed[2] = {{garbage, sizeof(garbage)}, {NULL, 0}};
    world_begin();
    handle_open(&handle, &(struct options){0});
    make_packets(0, 1);
    mixed[1] = bytes[0];
    CHECK(!sim_packets(&(struct sim_traffic){.way = SIM_OUTBOUND}, mixed, 2, 2));
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.queues.malformed, 1);
    CHECK_EQ(totals.injection.returned + totals.injection.returned_failed, 1);
    CHECK_EQ(drain(&handle), 1);
    handle_close(&handle);
    world_end();
}

int main(void)
{
    a_mixed_list_is_split();
    a_list_of_which_nothing_matches_passes_whole();
    first_or_last_may_be_the_only_one_that_matches();
    sniffing_a_list_splits_nothing();
    a_full_queue_drops_only_what_matched();
    overflow_pass_puts_back_what_finds_no_room();
    a_buffer_that_is_no_packet_in_a_taken_list_is_counted();
    return check_result();
}
