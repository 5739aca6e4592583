/* SPDX-License-Identifier: MIT */
/* What the targets share: the driver is loaded once; each input is a process
 * that comes, and dies at its end with whatever it has open, and then nothing
 * of it may be left. */
#ifndef FD_SIM_FUZZ_SESSION_H
#define FD_SIM_FUZZ_SESSION_H

#include "fuzz.h"

#include "../test/world.h"

static inline long session_begin(void)
{
    static int loaded;
    if (!loaded)
        REQUIRE(NT_SUCCESS(sim_driver_load(DriverEntry)));
    loaded = 1;
    sim_arrivals_keep(0);
    sim_process_enter(sim_process_create());
    return sim_pool_blocks();
}

static inline void session_end(long blocks)
{
    sim_fail_after(-1);
    sim_process_exit(PsGetCurrentProcess());
    sim_complete(~0u);
    sim_completion_set(SIM_INLINE);
    sim_set_processor(0);
    REQUIRE(sim_pool_blocks() == blocks);
    REQUIRE(sim_filter_count() == 0);
    sim_check_memory();
}

/* Any traffic that a stack could hand up. */
static inline struct sim_traffic take_traffic(struct input *input)
{
    uint8_t bits = take8(input);
    struct sim_traffic how = {
        .way = (enum sim_way)(bits % 3),
        .ipv6 = bits >> 2 & 1,
        .loopback = (bits >> 3 & 3) == 3,
        .interface = take8(input),
        .mdl_size = take8(input) % 80,
        .irql = bits >> 5 & 2,
        .checksum = take16(input) & 0x1ff,
        .no_header_size = bits >> 6 & 1,
    };
    static const UINT32 flags[] = {0,
                                   0,
                                   0,
                                   FWP_CONDITION_FLAG_IS_FRAGMENT,
                                   FWP_CONDITION_FLAG_IS_FRAGMENT_GROUP,
                                   FWP_CONDITION_FLAG_IS_REASSEMBLED};
    how.flags = flags[take8(input) % 6];
    if (how.way == SIM_OUTBOUND && (bits >> 3 & 3) == 2)
        how.segment_size = 1 + take8(input) * 4;
    return how;
}

#endif
