/* SPDX-License-Identifier: MIT */
/* Where a handle's filters stand: at the points where its program could match,
 * and nowhere else; also after the program was swapped. */
#include "packets.h"
#include "world.h"

#include "check.h"
#include "programs.h"

static struct user_handle handle;
static struct packet packet;

static struct fd_program outbound_only(void)
{
    return program_of(test_of(FD_FIELD_OUTBOUND, FD_OPERATOR_NE, 0), FD_LAYER_NETWORK);
}

static struct fd_program ipv6_only(uint32_t layer)
{
    return program_of(test_of(FD_FIELD_IPV6_HOPLIMIT, FD_OPERATOR_GT, 0), layer);
}

/* Whether the handle took a packet that goes this way. */
static int takes(enum sim_way way, int ipv6)
{
    const struct sim_traffic how = {.way = way, .ipv6 = ipv6};

    numbered(&packet, ipv6, 100, 1);
    return !sim_packet(&how, packet.bytes, packet.length);
}

static void filters_stand_where_the_program_could_match(void)
{
    struct fd_program program = outbound_only();
    world_begin();
    handle_open(&handle, &(struct options){.program = &program});
    CHECK_EQ(sim_filter_count(), 2);
    CHECK(takes(SIM_OUTBOUND, 0) && takes(SIM_OUTBOUND, 1));
    CHECK(!takes(SIM_INBOUND, 0) && !takes(SIM_INBOUND, 1));
    CHECK_EQ(stats(&handle).queues.seen, 2); /* the inbound ones were not even looked at */
    handle_close(&handle);

    program = ipv6_only(FD_LAYER_NETWORK);
    handle_open(&handle, &(struct options){.program = &program});
    CHECK_EQ(sim_filter_count(), 2);
    CHECK(takes(SIM_OUTBOUND, 1) && takes(SIM_INBOUND, 1));
    CHECK(!takes(SIM_OUTBOUND, 0) && !takes(SIM_INBOUND, 0));
    handle_close(&handle);

    program = ipv6_only(FD_LAYER_NETWORK_FORWARD);
    handle_open(&handle, &(struct options){.layer = FD_LAYER_NETWORK_FORWARD, .program = &program});
    CHECK_EQ(sim_filter_count(), 1);
    CHECK(takes(SIM_FORWARDED, 1) && !takes(SIM_FORWARDED, 0));
    handle_close(&handle);

    program = nothing(FD_LAYER_NETWORK);
    handle_open(&handle, &(struct options){.program = &program});
    CHECK_EQ(sim_filter_count(), 0);
    handle_close(&handle);
    world_end();
}

static void a_swapped_program_gets_the_filters_that_it_lacks(void)
{
    struct fd_program first = outbound_only();
    struct fd_program all = everything(FD_LAYER_NETWORK);
    struct fd_program none = nothing(FD_LAYER_NETWORK);
    world_begin();
    handle_open(&handle, &(struct options){.program = &first});
    CHECK_EQ(set_filter(&handle, &all), STATUS_SUCCESS);
    CHECK_EQ(sim_filter_count(), 4);
    CHECK(takes(SIM_INBOUND, 0) && takes(SIM_INBOUND, 1));
    CHECK(takes(SIM_OUTBOUND, 0) && takes(SIM_OUTBOUND, 1));
    CHECK_EQ(set_filter(&handle, &none), STATUS_SUCCESS);
    CHECK(!takes(SIM_INBOUND, 0) && !takes(SIM_OUTBOUND, 1));
    CHECK_EQ(set_filter(&handle, &all), STATUS_SUCCESS);
    CHECK_EQ(sim_filter_count(), 4); /* those that were left are used again */
    CHECK(takes(SIM_INBOUND, 0) && takes(SIM_OUTBOUND, 1));
    handle_close(&handle);
    CHECK_EQ(sim_filter_count(), 0);
    world_end();
}

static void a_swap_before_startup_counts(void)
{
    struct fd_program first = outbound_only();
    struct fd_program second = ipv6_only(FD_LAYER_NETWORK);
    world_begin();
    CHECK_EQ(handle_create(&handle, &(struct options){.program = &first}), STATUS_SUCCESS);
    CHECK_EQ(handle_configure(&handle), STATUS_SUCCESS);
    CHECK_EQ(set_filter(&handle, &second), STATUS_SUCCESS);
    CHECK_EQ(sim_filter_count(), 0);
    handle_allocate(&handle);
    CHECK_EQ(handle_register(&handle), STATUS_SUCCESS);
    CHECK_EQ(handle_startup(&handle), STATUS_SUCCESS);
    CHECK(takes(SIM_INBOUND, 1) && !takes(SIM_OUTBOUND, 0));
    handle_close(&handle);
    world_end();
}

/* Each call of the swap fails in turn: the old program is still the handle's. */
static void a_swap_that_fails_changes_nothing(void)
{
    struct fd_program first = outbound_only();
    struct fd_program all = everything(FD_LAYER_NETWORK);
    unsigned failures = 0;
    for (long n = 0;; n++) {
        world_begin();
        handle_open(&handle, &(struct options){.program = &first});
        sim_fail_after(n);
        NTSTATUS status = set_filter(&handle, &all);
        int failed = sim_failed();
        sim_fail_after(-1);
        CHECK_EQ(NT_SUCCESS(status), !failed);
        CHECK_EQ(takes(SIM_INBOUND, 0), !failed);
        CHECK(takes(SIM_OUTBOUND, 0));
        if (failed)
            CHECK_EQ(set_filter(&handle, &all), STATUS_SUCCESS);
        CHECK(takes(SIM_INBOUND, 1));
        handle_close(&handle);
        world_end();
        failures += (unsigned)failed;
        if (!failed)
            break;
    }
    CHECK(failures >= 4); /* begin, two filters, commit */
}

int main(void)
{
    filters_stand_where_the_program_could_match();
    a_swapped_program_gets_the_filters_that_it_lacks();
    a_swap_before_startup_counts();
    a_swap_that_fails_changes_nothing();
    return check_result();
}
