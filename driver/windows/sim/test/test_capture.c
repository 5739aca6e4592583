/* SPDX-License-Identifier: MIT */
/* One packet at a time on every way: what is taken, what the descriptor says of
 * it, and what is left alone. */
#include "packets.h"
#include "world.h"

#include "check.h"

static struct user_handle handle;
static struct packet packet;

static const struct sim_traffic inbound = {
    .way = SIM_INBOUND, .interface = 7, .sub_interface = 3, .compartment = 2};
static const struct sim_traffic outbound = {
    .way = SIM_OUTBOUND, .interface = 9, .sub_interface = 1, .compartment = 5};

static struct sim_traffic traffic(enum sim_way way, int ipv6)
{
    return (struct sim_traffic){.way = way,
                                .ipv6 = ipv6,
                                .interface = 11,
                                .sub_interface = 12,
                                .destination_interface = 13,
                                .destination_sub_interface = 14,
                                .compartment = 1};
}

/* The one packet that must be there; given back by the next drain. */
static struct taken only(void)
{
    struct taken taken[2];
    memset(taken, 0, sizeof(taken));
    CHECK_EQ(take(&handle, 0, taken, 2), 1);
    return taken[0];
}

static int passes(const struct sim_traffic *how)
{
    return sim_packet(how, packet.bytes, packet.length);
}

/* Everything about a packet, for each way, family, level and shape of memory. */
static void check_way(enum sim_way way, int ipv6, KIRQL irql, uint32_t mdl_size)
{
    struct sim_traffic how = traffic(way, ipv6);
    how.irql = irql;
    how.mdl_size = mdl_size;
    numbered(&packet, ipv6, 200, 77);
    CHECK(!passes(&how));
    CHECK_EQ(sim_blocked_count(), 0);
    struct taken got = only();
    CHECK_EQ(got.record.captured, packet.length);
    CHECK(memcmp(got.record.packet, packet.bytes, packet.length) == 0);
    const struct fd_descriptor *d = &got.descriptor;
    uint32_t flags = (way == SIM_OUTBOUND ? FD_FLAG_OUTBOUND : 0) | (ipv6 ? FD_FLAG_IPV6 : 0) |
                     (way == SIM_FORWARDED ? FD_FLAG_FORWARDED : 0);
    CHECK_EQ(d->flags, flags);
    CHECK_EQ(d->length, packet.length);
    CHECK_EQ(d->layer, handle.options.layer);
    CHECK_EQ(d->event, FD_EVENT_NETWORK_PACKET);
    CHECK_EQ(d->ifindex, way == SIM_FORWARDED ? 13 : 11);
    CHECK_EQ(d->subifindex, way == SIM_FORWARDED ? 14 : 12);
    CHECK_EQ(d->mark, 1);
    CHECK_EQ(d->protocol, FD_PROTOCOL_UDP);
    CHECK_EQ(d->l4_offset, ipv6 ? 40 : 20);
    CHECK_EQ(d->payload_offset, ipv6 ? 48 : 28);
    CHECK_EQ(d->destination_port, 77);
    CHECK_EQ(d->verdict, FD_VERDICT_PASS);
    CHECK_EQ(d->gso_size | d->l2_length | d->link | d->hash, 0);
    give_back(&handle, 0);
}

static void check_ways(uint32_t layer, enum sim_way first, enum sim_way last)
{
    static const uint32_t mdl_sizes[] = {0, 1, 13, 28, 199};
    world_begin();
    handle_open(&handle, &(struct options){.layer = layer});
    for (enum sim_way way = first; way <= last; way++)
        for (int ipv6 = 0; ipv6 < 2; ipv6++)
            for (KIRQL irql = PASSIVE_LEVEL; irql <= DISPATCH_LEVEL; irql++)
                for (unsigned i = 0; i < 5; i++)
                    check_way(way, ipv6, irql, mdl_sizes[i]);
    CHECK_EQ(sim_arrival_count(), 0);
    check_conserved(&handle);
    handle_close(&handle);
    world_end();
}

static void inbound_and_outbound_packets_are_of_the_network_layer(void)
{
    check_ways(FD_LAYER_NETWORK, SIM_INBOUND, SIM_OUTBOUND);
}

static void forwarded_packets_are_of_the_forward_layer(void)
{
    check_ways(FD_LAYER_NETWORK_FORWARD, SIM_FORWARDED, SIM_FORWARDED);
}

static void a_handle_does_not_see_the_other_layer(void)
{
    struct sim_traffic forwarded = traffic(SIM_FORWARDED, 0);
    world_begin();
    numbered(&packet, 0, 64, 1);
    handle_open(&handle, &(struct options){.layer = FD_LAYER_NETWORK});
    CHECK(passes(&forwarded));
    handle_close(&handle);
    handle_open(&handle, &(struct options){.layer = FD_LAYER_NETWORK_FORWARD});
    CHECK(passes(&inbound));
    CHECK(passes(&outbound));
    CHECK_EQ(stats(&handle).queues.seen, 0);
    handle_close(&handle);
    world_end();
}

static void what_the_filter_does_not_want_passes_as_it_is(void)
{
    struct fd_program program =
        program_of(test_of(FD_FIELD_UDP_DSTPORT, FD_OPERATOR_EQ, 53), FD_LAYER_NETWORK);
    world_begin();
    handle_open(&handle, &(struct options){.program = &program});
    numbered(&packet, 0, 64, 54);
    CHECK(passes(&inbound));
    CHECK_EQ(sim_arrival_count(), 1);
    CHECK(!sim_arrival(0)->injected); /* the host's own, not a copy */
    numbered(&packet, 0, 64, 53);
    CHECK(!passes(&inbound));
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.queues.seen, 2);
    CHECK_EQ(totals.queues.matched, 1);
    CHECK_EQ(drain(&handle), 1);
    handle_close(&handle);
    world_end();
}

static void a_filter_is_swapped_between_packets(void)
{
    struct fd_program none = nothing(FD_LAYER_NETWORK), all = everything(FD_LAYER_NETWORK);
    world_begin();
    handle_open(&handle, &(struct options){.program = &none});
    numbered(&packet, 0, 64, 1);
    for (int i = 0; i < 5; i++) {
        CHECK(passes(&inbound));
        CHECK_EQ(set_filter(&handle, &all), STATUS_SUCCESS);
        CHECK(!passes(&inbound));
        CHECK_EQ(set_filter(&handle, &none), STATUS_SUCCESS);
    }
    CHECK_EQ(drain(&handle), 5);
    handle_close(&handle);
    world_end();
}

static void interface_and_direction_can_be_filtered(void)
{
    struct fd_program program =
        program_of(test_of(FD_FIELD_IFIDX, FD_OPERATOR_EQ, 7), FD_LAYER_NETWORK);
    program.length = 2;
    program.test[0].success = 1;
    program.test[1] = test_of(FD_FIELD_INBOUND, FD_OPERATOR_EQ, 1);
    world_begin();
    handle_open(&handle, &(struct options){.program = &program});
    numbered(&packet, 0, 64, 1);
    CHECK(!passes(&inbound));
    CHECK(passes(&outbound));
    struct sim_traffic other = inbound;
    other.interface = 8;
    CHECK(passes(&other));
    handle_close(&handle);
    world_end();
}

/* ---- loopback ---------------------------------------------------------------------- */

static void loopback_is_seen_once_and_outbound(void)
{
    struct sim_traffic how = {.way = SIM_OUTBOUND, .loopback = 1};
    struct fd_program inbound_only =
        program_of(test_of(FD_FIELD_INBOUND, FD_OPERATOR_EQ, 1), FD_LAYER_NETWORK);
    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 64, 1);
    memcpy(packet.bytes + 16, "\x7f\x00\x00\x01", 4);
    CHECK(!passes(&how));
    struct taken got = only();
    CHECK_EQ(got.descriptor.flags, FD_FLAG_OUTBOUND | FD_FLAG_LOOPBACK);
    give_back(&handle, 0);
    CHECK_EQ(set_filter(&handle, &inbound_only), STATUS_SUCCESS);
    CHECK(passes(&how));
    CHECK_EQ(sim_arrival_count(), 1);
    handle_close(&handle);
    world_end();
}

/* ---- checksums ----------------------------------------------------------------------- */

struct checksum_case {
    enum sim_way way;
    ULONG info;
    uint32_t flags;
};

static void checksum_states_come_from_the_offload(void)
{
    static const struct checksum_case cases[] = {
        {SIM_OUTBOUND, 0, 0},
        {SIM_OUTBOUND, 1 << 2, FD_FLAG_TCP_CHECKSUM_PARTIAL},
        {SIM_OUTBOUND, 1 << 4, FD_FLAG_IP_CHECKSUM_PARTIAL},
        {SIM_OUTBOUND, 1 << 4 | 1 << 2, FD_FLAG_IP_CHECKSUM_PARTIAL | FD_FLAG_TCP_CHECKSUM_PARTIAL},
        {SIM_OUTBOUND, 1 << 3, 0}, /* of UDP, but there is none */
        {SIM_INBOUND, 1 << 3, FD_FLAG_TCP_CHECKSUM_VALID},
        {SIM_INBOUND, 1 << 5, FD_FLAG_IP_CHECKSUM_VALID},
        {SIM_INBOUND, 1 << 3 | 1 << 5, FD_FLAG_TCP_CHECKSUM_VALID | FD_FLAG_IP_CHECKSUM_VALID},
        {SIM_INBOUND, 1 << 0 | 1 << 2, 0}, /* failed: unknown */
        {SIM_INBOUND, 1 << 3 | 1 << 7, FD_FLAG_TCP_CHECKSUM_PARTIAL},
        {SIM_INBOUND, 1 << 5 | 1 << 8, FD_FLAG_IP_CHECKSUM_PARTIAL},
    };
    world_begin();
    handle_open(&handle, &(struct options){0});
    begin_ipv4(&packet, 5, FD_PROTOCOL_TCP);
    add_tcp(&packet, 5, 0x10);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_traffic how = {.way = cases[i].way, .checksum = cases[i].info};
        CHECK(!passes(&how));
        struct taken got = only();
        CHECK_EQ(got.descriptor.flags & ~(uint32_t)FD_FLAG_OUTBOUND, cases[i].flags);
        int partial = (cases[i].flags & FD_FLAG_TCP_CHECKSUM_PARTIAL) != 0;
        CHECK_EQ(got.descriptor.csum_start, partial ? 20 : 0);
        CHECK_EQ(got.descriptor.csum_offset, partial ? 16 : 0);
        give_back(&handle, 0);
    }
    handle_close(&handle);
    world_end();
}

/* ---- packets that are none -------------------------------------------------------------- */

static void what_is_no_packet_passes_and_is_counted(void)
{
    static const uint8_t garbage[] = {0x4f, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    world_begin();
    handle_open(&handle, &(struct options){0});
    for (uint32_t length = 1; length <= sizeof(garbage); length++)
        CHECK(sim_packet(&outbound, garbage, length));
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.queues.seen, sizeof(garbage));
    CHECK_EQ(totals.queues.malformed, sizeof(garbage));
    CHECK_EQ(totals.queues.matched, 0);
    handle_close(&handle);
    world_end();
}

static void an_empty_buffer_passes(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    CHECK(sim_packet(&outbound, packet.bytes, 0));
    check_conserved(&handle);
    handle_close(&handle);
    world_end();
}

static void every_cut_of_a_packet_is_survived(void)
{
    struct sim_traffic how = {.way = SIM_OUTBOUND, .mdl_size = 9};
    world_begin();
    handle_open(&handle, &(struct options){0});
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        how.ipv6 = ipv6;
        numbered(&packet, ipv6, 90, 1);
        for (uint32_t length = 1; length < 90; length++) {
            sim_packet(&how, packet.bytes, length);
            drain(&handle);
        }
    }
    check_conserved(&handle);
    handle_close(&handle);
    world_end();
}

static void a_packet_longer_than_any_record_is_dropped_and_counted(void)
{
    static uint8_t giant[FD_CAPTURED_MAX + 1];
    struct fd_program none = nothing(FD_LAYER_NETWORK);
    world_begin();
    giant[0] = 0x45;
    handle_open(&handle, &(struct options){.byte_size = 1u << 21});
    CHECK(!sim_packet(&outbound, giant, sizeof(giant)));
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.queues.matched, 1);
    CHECK_EQ(totals.queues.dropped[FD_DROP_OVERSIZE], 1);
    check_conserved(&handle);
    CHECK_EQ(set_filter(&handle, &none), STATUS_SUCCESS);
    CHECK(!sim_packet(&outbound, giant, sizeof(giant))); /* nobody could ask the filter */
    handle_close(&handle);
    world_end();
}

/* ---- inbound headers --------------------------------------------------------------------- */

static void without_a_header_size_the_least_is_taken(void)
{
    struct sim_traffic how = inbound;
    how.no_header_size = 1;
    world_begin();
    handle_open(&handle, &(struct options){0});
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        how.ipv6 = ipv6;
        numbered(&packet, ipv6, 100, 5);
        CHECK(!passes(&how));
        struct taken got = only();
        CHECK(memcmp(got.record.packet, packet.bytes, packet.length) == 0);
        give_back(&handle, 0);
    }
    handle_close(&handle);
    world_end();
}

/* Shorter than an IP header: there is nothing to go back to. */
static void what_does_not_reach_back_to_a_header_is_dropped_and_counted(void)
{
    struct sim_traffic how = inbound;
    how.no_header_size = 1;
    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 100, 5);
    CHECK(!sim_packet(&how, packet.bytes, 12));
    CHECK_EQ(stats(&handle).queues.dropped[FD_DROP_UNREADABLE], 1);
    check_conserved(&handle);
    handle_close(&handle);
    world_end();
}

static void ip_options_and_extension_headers_come_along(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    for (unsigned words = 6; words <= 15; words++) {
        begin_ipv4(&packet, words, FD_PROTOCOL_UDP);
        add_udp(&packet);
        CHECK(!passes(&inbound));
        struct taken got = only();
        CHECK_EQ(got.descriptor.l4_offset, words * 4);
        CHECK(memcmp(got.record.packet, packet.bytes, packet.length) == 0);
        give_back(&handle, 0);
    }
    struct sim_traffic six = inbound;
    six.ipv6 = 1;
    begin_ipv6(&packet, FD_PROTOCOL_HOP_BY_HOP);
    add_extension(&packet, FD_PROTOCOL_UDP, 0, 8);
    add_udp(&packet);
    CHECK(!passes(&six));
    struct taken got = only();
    CHECK_EQ(got.descriptor.l4_offset, 48);
    CHECK(memcmp(got.record.packet, packet.bytes, packet.length) == 0);
    give_back(&handle, 0);
    handle_close(&handle);
    world_end();
}

static void timestamps_are_unix_time_and_do_not_go_back(void)
{
    int64_t last = 0;
    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 64, 1);
    for (int i = 0; i < 10; i++) {
        CHECK(!passes(&inbound));
        struct taken got = only();
        CHECK(got.descriptor.timestamp >= last);
        last = got.descriptor.timestamp;
        CHECK_EQ(got.descriptor.sequence, i);
        give_back(&handle, 0);
    }
    LARGE_INTEGER now;
    KeQuerySystemTimePrecise(&now);
    int64_t unix_now = (now.QuadPart - 116444736000000000) * 100;
    CHECK(unix_now - last >= -1000000000 && unix_now - last < 60000000000);
    handle_close(&handle);
    world_end();
}

/* ---- others in the filter engine ------------------------------------------------------------ */

static void a_packet_that_somebody_has_blocked_is_not_ours(void)
{
    struct user_handle second;
    world_begin();
    handle_open(&handle, &(struct options){.priority = 5});
    handle_open(&second, &(struct options){.priority = 1});
    numbered(&packet, 0, 64, 1);
    /* Another sublayer of the greatest weight may come before ours. */
    sim_foreign_filter(0xffff, FWP_ACTION_BLOCK);
    CHECK(!passes(&inbound));
    CHECK_EQ(stats(&handle).queues.seen, 0);
    CHECK_EQ(sim_blocked_count(), 1);
    /* What we take, those below us are shown without the right to change it. */
    sim_foreign_filter(100, FWP_ACTION_PERMIT);
    CHECK(!passes(&inbound));
    CHECK_EQ(sim_foreign_seen(), 1);
    CHECK_EQ(drain(&handle), 1);
    CHECK_EQ(drain(&second), 0);
    sim_foreign_filter(100, FWP_ACTION_BLOCK);
    struct fd_program none = nothing(FD_LAYER_NETWORK);
    CHECK_EQ(set_filter(&handle, &none), STATUS_SUCCESS);
    CHECK_EQ(set_filter(&second, &none), STATUS_SUCCESS);
    CHECK(!passes(&inbound)); /* we let it go, and the other blocks it */
    CHECK_EQ(sim_blocked_count(), 2);
    handle_close(&second);
    handle_close(&handle);
    world_end();
}

int main(void)
{
    inbound_and_outbound_packets_are_of_the_network_layer();
    forwarded_packets_are_of_the_forward_layer();
    a_handle_does_not_see_the_other_layer();
    what_the_filter_does_not_want_passes_as_it_is();
    a_filter_is_swapped_between_packets();
    interface_and_direction_can_be_filtered();
    loopback_is_seen_once_and_outbound();
    checksum_states_come_from_the_offload();
    what_is_no_packet_passes_and_is_counted();
    an_empty_buffer_passes();
    every_cut_of_a_packet_is_survived();
    a_packet_longer_than_any_record_is_dropped_and_counted();
    without_a_header_size_the_least_is_taken();
    what_does_not_reach_back_to_a_header_is_dropped_and_counted();
    ip_options_and_extension_headers_come_along();
    timestamps_are_unix_time_and_do_not_go_back();
    a_packet_that_somebody_has_blocked_is_not_ours();
    return check_result();
}
