/* SPDX-License-Identifier: MIT */
/* The way back: FLUSH on every way and family, what it refuses and how, and
 * whom an injected packet meets. */
#include "packets.h"
#include "world.h"

#include "check.h"

static struct user_handle handle;
static struct packet packet;

static int is_the_packet(const struct sim_arrival *arrival)
{
    return arrival != NULL && arrival->length == packet.length &&
           memcmp(arrival->bytes, packet.bytes, packet.length) == 0;
}

static void every_way_and_family(void)
{
    static const enum sim_completion modes[] = {SIM_INLINE, SIM_DEFERRED, SIM_THREAD};
    for (unsigned mode = 0; mode < 3; mode++)
        for (enum sim_way way = SIM_INBOUND; way <= SIM_FORWARDED; way++)
            for (int ipv6 = 0; ipv6 < 2; ipv6++) {
                world_begin();
                sim_completion_set(modes[mode]);
                handle_open(&handle, &(struct options){.layer = way == SIM_FORWARDED});
                numbered(&packet, ipv6, 300, 4);
                struct fd_descriptor *d = put_record(&handle, packet.bytes, packet.length,
                                                     way == SIM_OUTBOUND ? FD_FLAG_OUTBOUND : 0);
                d->ifindex = 21;
                d->subifindex = 22;
                d->mark = 23;
                struct flush result;
                CHECK_EQ(flush(&handle, 0, &result), STATUS_SUCCESS);
                CHECK_EQ(result.head.consumed, 1);
                CHECK_EQ(result.head.injected, 1);
                CHECK_EQ(result.status[0], STATUS_SUCCESS);
                handle_close(&handle);
                sim_completion_stop();
                sim_complete(~0u);
                const struct sim_arrival *arrival = sim_arrival(0);
                CHECK_EQ(sim_arrival_count(), 1);
                CHECK(is_the_packet(arrival) && arrival->injected);
                CHECK(arrival->way == way && arrival->ipv6 == ipv6);
                CHECK_EQ(arrival->compartment, 23);
                if (way == SIM_INBOUND)
                    CHECK(arrival->interface == 21 && arrival->sub_interface == 22);
                world_end();
            }
}

static void what_was_captured_goes_back_as_it_came(void)
{
    for (enum sim_way way = SIM_INBOUND; way <= SIM_FORWARDED; way++)
        for (int ipv6 = 0; ipv6 < 2; ipv6++) {
            struct sim_traffic how = {.way = way,
                                      .ipv6 = ipv6,
                                      .interface = 5,
                                      .compartment = 8,
                                      .destination_interface = 5};
            struct taken taken;
            world_begin();
            handle_open(&handle, &(struct options){.layer = way == SIM_FORWARDED});
            numbered(&packet, ipv6, 100, 1);
            CHECK(!sim_packet(&how, packet.bytes, packet.length));
            CHECK_EQ(take(&handle, 0, &taken, 1), 1);
            struct fd_descriptor *d = put_record(&handle, taken.record.packet,
                                                 taken.record.captured, taken.descriptor.flags);
            d->ifindex = taken.descriptor.ifindex;
            d->mark = taken.descriptor.mark;
            struct flush result;
            CHECK_EQ(flush(&handle, 0, &result), STATUS_SUCCESS);
            CHECK_EQ(result.status[0], STATUS_SUCCESS);
            CHECK_EQ(sim_arrival_count(), 1);
            CHECK(is_the_packet(sim_arrival(0)));
            CHECK_EQ(sim_arrival(0)->way, way);
            CHECK_EQ(sim_arrival(0)->compartment, 8);
            CHECK_EQ(stats(&handle).queues.queued, 1); /* and is not captured again */
            CHECK_EQ(stats(&handle).injection.own, 1);
            give_back(&handle, 0);
            handle_close(&handle);
            world_end();
        }
}

/* ---- refusals ------------------------------------------------------------------- */

static void each_record_has_its_status(void)
{
    struct flush result;
    struct packet bad;
    static uint8_t giant[70000];

    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 100, 1);
    bad = packet;
    bad.bytes[0] = 0x55;                                                /* version 5 */
    put_record(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND); /* 0: good */
    put_record(&handle, bad.bytes, bad.length, FD_FLAG_OUTBOUND);       /* 1 */
    put_record(&handle, packet.bytes, 60, FD_FLAG_OUTBOUND);            /* 2: cut */
    put_record(&handle, packet.bytes, 0, FD_FLAG_OUTBOUND);             /* 3: empty */
    put_record(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND)->layer =
        FD_LAYER_NETWORK_FORWARD; /* 4 */
    put_record(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND)->verdict =
        FD_VERDICT_DROP;                                     /* 5 */
    put_record(&handle, packet.bytes, 19, FD_FLAG_OUTBOUND); /* 6: no whole header */
    giant[0] = 0x45;
    put_record(&handle, giant, sizeof(giant), FD_FLAG_OUTBOUND); /* 7 */
    put_record(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND)->link =
        FD_LINK_OTHER;                                                  /* 8 */
    put_record(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND); /* 9: good */
    CHECK_EQ(flush(&handle, 0, &result), STATUS_SUCCESS);
    static const NTSTATUS expected[10] = {STATUS_SUCCESS,
                                          STATUS_INVALID_PARAMETER,
                                          STATUS_INVALID_PARAMETER,
                                          STATUS_INVALID_PARAMETER,
                                          STATUS_INVALID_ADDRESS_COMPONENT,
                                          STATUS_SUCCESS,
                                          STATUS_INVALID_PARAMETER,
                                          STATUS_INVALID_PARAMETER,
                                          STATUS_INVALID_PARAMETER,
                                          STATUS_SUCCESS};
    CHECK_EQ(result.head.consumed, 10);
    CHECK_EQ(result.head.injected, 2);
    CHECK_EQ(result.head.fault, FD_RING_OK);
    for (unsigned i = 0; i < 10; i++)
        CHECK_EQ(result.status[i], expected[i]);
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.injection.injected, 2);
    CHECK_EQ(totals.injection.completed, 2);
    CHECK_EQ(totals.injection.passed_over, 1);
    CHECK_EQ(totals.injection.refused, 7);
    CHECK_EQ(totals.injection.outstanding | totals.injection.outstanding_size, 0);
    CHECK_EQ(sim_arrival_count(), 2);
    handle_close(&handle);
    world_end();
}

static void bytes_behind_the_ip_length_stay_behind(void)
{
    struct packet longer;
    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 100, 1);
    longer = packet;
    memset(longer.bytes + 100, 0xaa, 12); /* an Ethernet trailer */
    CHECK_EQ(send_one(&handle, longer.bytes, 112, FD_FLAG_OUTBOUND), STATUS_SUCCESS);
    CHECK_EQ(sim_arrival_count(), 1);
    CHECK(is_the_packet(sim_arrival(0)));
    handle_close(&handle);
    world_end();
}

/* As outbound loopback has it; inbound a wrong checksum is the packet's own. */
static void an_empty_ipv4_checksum_is_computed_on_the_way_out(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 100, 1);
    struct packet empty = packet;
    memset(empty.bytes + FD_IPV4_CHECKSUM, 0, 2);
    CHECK_EQ(send_one(&handle, empty.bytes, empty.length, FD_FLAG_OUTBOUND), STATUS_SUCCESS);
    CHECK(is_the_packet(sim_arrival(0)));
    CHECK_EQ(send_one(&handle, empty.bytes, empty.length, 0), STATUS_SUCCESS);
    CHECK(memcmp(sim_arrival(1)->bytes, empty.bytes, empty.length) == 0);
    handle_close(&handle);
    world_end();
}

static void the_stacks_error_is_counted(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    sim_completion_status(STATUS_HOST_UNREACHABLE);
    numbered(&packet, 0, 100, 1);
    CHECK_EQ(send_one(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND), STATUS_SUCCESS);
    CHECK_EQ(stats(&handle).injection.failed, 1);
    CHECK_EQ(stats(&handle).injection.completed, 0);
    CHECK_EQ(sim_arrival_count(), 0);
    handle_close(&handle);
    world_end();
}

static void so_many_bytes_in_the_stack_and_no_more(void)
{
    static struct packet large;
    static uint8_t bytes[65535];
    uint64_t accepted = 0;

    world_begin();
    sim_completion_set(SIM_DEFERRED);
    handle_open(&handle, &(struct options){0});
    begin_ipv4(&large, 5, FD_PROTOCOL_UDP);
    memcpy(bytes, large.bytes, 20);
    bytes[2] = bytes[3] = 0xff;
    NTSTATUS status;
    while ((status = send_one(&handle, bytes, sizeof(bytes), FD_FLAG_OUTBOUND)) == STATUS_SUCCESS)
        accepted++;
    CHECK_EQ(status, STATUS_DEVICE_BUSY);
    CHECK_EQ(accepted, FD_WINDOWS_OUTSTANDING_MAX / sizeof(bytes) + 1);
    CHECK_EQ(stats(&handle).injection.outstanding, accepted);
    CHECK_EQ(stats(&handle).injection.outstanding_size, accepted * sizeof(bytes));
    CHECK_EQ(sim_complete(1), 1);
    CHECK_EQ(send_one(&handle, bytes, sizeof(bytes), FD_FLAG_OUTBOUND), STATUS_SUCCESS);
    sim_complete(~0u);
    CHECK_EQ(stats(&handle).injection.outstanding, 0);
    handle_close(&handle);
    world_end();
}

/* ---- checksums ------------------------------------------------------------------------ */

static void partial_checksums_are_completed(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    begin_ipv4(&packet, 5, FD_PROTOCOL_UDP);
    add_udp(&packet);
    put_be16(packet.bytes + 24, 8);
    put_be16(packet.bytes + 26, 0x1111); /* what a card would have been given */
    CHECK_EQ(
        send_one(&handle, packet.bytes, packet.length,
                 FD_FLAG_OUTBOUND | FD_FLAG_UDP_CHECKSUM_PARTIAL | FD_FLAG_IP_CHECKSUM_PARTIAL),
        STATUS_SUCCESS);
    const uint8_t *bytes = sim_arrival(0)->bytes;
    uint32_t sum = 0;
    for (unsigned i = 0; i < 20; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    CHECK_EQ((sum & 0xffff) + (sum >> 16), 0xffff);
    sum = 17 + 8;
    for (unsigned i = 12; i < 28; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    CHECK_EQ((sum & 0xffff) + (sum >> 16), 0xffff);
    handle_close(&handle);
    world_end();
}

static void an_empty_ip_checksum_is_computed(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 100, 1);
    struct packet empty = packet;
    put_be16(empty.bytes + 10, 0);
    CHECK_EQ(send_one(&handle, empty.bytes, empty.length, FD_FLAG_OUTBOUND), STATUS_SUCCESS);
    CHECK(is_the_packet(sim_arrival(0)));
    put_be16(empty.bytes + 10, 0x1234); /* wrong, but not for us to say */
    CHECK_EQ(send_one(&handle, empty.bytes, empty.length, FD_FLAG_OUTBOUND), STATUS_SUCCESS);
    CHECK(memcmp(sim_arrival(1)->bytes, empty.bytes, empty.length) == 0);
    handle_close(&handle);
    world_end();
}

static void the_receiver_is_told_of_valid_checksums(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 100, 1);
    CHECK_EQ(send_one(&handle, packet.bytes, packet.length,
                      FD_FLAG_IP_CHECKSUM_VALID | FD_FLAG_UDP_CHECKSUM_VALID),
             STATUS_SUCCESS);
    CHECK_EQ(sim_arrival(0)->checksum, 1u << 4 | 1u << 5);
    CHECK_EQ(send_one(&handle, packet.bytes, packet.length,
                      FD_FLAG_OUTBOUND | FD_FLAG_IP_CHECKSUM_VALID),
             STATUS_SUCCESS);
    CHECK_EQ(sim_arrival(1)->checksum, 0);
    handle_close(&handle);
    world_end();
}

/* ---- several handles --------------------------------------------------------------------- */

/* What the first puts back the second sees, as an impostor's if the first made
 * it; what the second puts back the first does not see again. */
static void the_higher_priority_comes_first(void)
{
    struct user_handle high, low;
    struct taken taken;

    for (int order = 0; order < 2; order++) {
        world_begin();
        handle_open(order ? &high : &low, &(struct options){.priority = order ? 100 : -100});
        handle_open(order ? &low : &high, &(struct options){.priority = order ? -100 : 100});
        numbered(&packet, 0, 100, 1);
        CHECK(!sim_packet(&(struct sim_traffic){.way = SIM_OUTBOUND}, packet.bytes, packet.length));
        CHECK_EQ(take(&low, 0, &taken, 1), 0);
        CHECK_EQ(take(&high, 0, &taken, 1), 1);
        CHECK(!(taken.descriptor.flags & FD_FLAG_IMPOSTOR));
        CHECK_EQ(send_one(&high, packet.bytes, packet.length, FD_FLAG_OUTBOUND), STATUS_SUCCESS);
        CHECK_EQ(sim_arrival_count(), 0);
        CHECK_EQ(take(&high, 0, &taken, 1), 0);
        CHECK_EQ(take(&low, 0, &taken, 1), 1);
        CHECK(taken.descriptor.flags & FD_FLAG_IMPOSTOR);
        CHECK_EQ(send_one(&low, packet.bytes, packet.length,
                          taken.descriptor.flags & ~(uint32_t)FD_FLAG_IMPOSTOR),
                 STATUS_SUCCESS);
        CHECK_EQ(take(&high, 0, &taken, 1), 0);
        CHECK_EQ(take(&low, 0, &taken, 1), 0);
        CHECK_EQ(sim_arrival_count(), 1);
        handle_close(&high);
        handle_close(&low);
        world_end();
    }
}

static void of_equal_priorities_the_earlier_comes_first(void)
{
    struct user_handle handles[4];
    struct taken taken;

    world_begin();
    for (int i = 0; i < 4; i++)
        handle_open(&handles[i], &(struct options){.priority = 7});
    numbered(&packet, 0, 100, 1);
    CHECK(!sim_packet(&(struct sim_traffic){.way = SIM_INBOUND}, packet.bytes, packet.length));
    for (int i = 0; i < 4; i++) {
        for (int other = 0; other < 4; other++)
            CHECK_EQ(take(&handles[other], 0, &taken, 1), other == i);
        CHECK_EQ(send_one(&handles[i], packet.bytes, packet.length, 0), STATUS_SUCCESS);
    }
    CHECK_EQ(sim_arrival_count(), 1);
    for (int i = 0; i < 4; i++)
        handle_close(&handles[i]);
    world_end();
}

static void a_packet_put_back_unseen_is_the_hosts_own_for_the_next(void)
{
    struct fd_program first =
        program_of(test_of(FD_FIELD_UDP_DSTPORT, FD_OPERATOR_EQ, 1), FD_LAYER_NETWORK);
    struct user_handle low;
    struct packet two[2];
    struct taken taken[2];

    world_begin();
    handle_open(&handle, &(struct options){.priority = 2, .program = &first});
    handle_open(&low, &(struct options){.priority = 1});
    numbered(&two[0], 0, 64, 1);
    numbered(&two[1], 0, 64, 2);
    struct sim_bytes bytes[2] = {{two[0].bytes, 64}, {two[1].bytes, 64}};
    CHECK(!sim_packets(&(struct sim_traffic){.way = SIM_INBOUND}, bytes, 2, 1));
    CHECK_EQ(take(&low, 0, taken, 2), 1);
    CHECK_EQ(number_of(taken[0].record.packet, 0), 2);
    CHECK(!(taken[0].descriptor.flags & FD_FLAG_IMPOSTOR));
    handle_close(&handle); /* number 1 goes on to the next, as the host's */
    CHECK_EQ(take(&low, 0, taken, 2), 1);
    CHECK_EQ(number_of(taken[0].record.packet, 0), 1);
    CHECK(!(taken[0].descriptor.flags & FD_FLAG_IMPOSTOR));
    handle_close(&low);
    world_end();
}

/* What a process puts back and says that nobody has had it. */
static void untouched_packets_go_on_as_what_they_were(void)
{
    struct user_handle low;
    struct taken taken;
    struct flush result;
    static const uint32_t arguments[2] = {0, FD_WINDOWS_UNTOUCHED | 1};

    for (unsigned untouched = 0; untouched < 2; untouched++)
        for (unsigned impostor = 0; impostor < 2; impostor++) {
            world_begin();
            handle_open(&handle, &(struct options){.priority = 2});
            handle_open(&low, &(struct options){.priority = 1});
            numbered(&packet, 0, 64, 1);
            CHECK(put_record(&handle, packet.bytes, packet.length,
                             FD_FLAG_OUTBOUND | (impostor ? FD_FLAG_IMPOSTOR : 0)) != NULL);
            CHECK_EQ(flush(&handle, arguments[untouched], &result), STATUS_SUCCESS);
            CHECK_EQ(result.head.injected, 1);
            CHECK_EQ(take(&low, 0, &taken, 1), 1);
            CHECK_EQ((taken.descriptor.flags & FD_FLAG_IMPOSTOR) != 0, !untouched || impostor);
            CHECK_EQ(taken.record.packet[FD_IPV4_TTL],
                     packet.bytes[FD_IPV4_TTL] - (impostor && !untouched));
            CHECK_EQ(stats(&handle).injection.own, 1); /* and the sender is passed */
            handle_close(&low);
            handle_close(&handle);
            world_end();
        }
}

static void a_sniffer_behind_sees_what_is_put_back(void)
{
    struct user_handle sniffer;
    world_begin();
    handle_open(&handle, &(struct options){.priority = 2});
    handle_open(&sniffer, &(struct options){.priority = 1, .flags = FD_WINDOWS_SNIFF});
    numbered(&packet, 1, 100, 1);
    struct sim_traffic how = {.way = SIM_INBOUND, .ipv6 = 1};
    CHECK(!sim_packet(&how, packet.bytes, packet.length));
    CHECK_EQ(drain(&sniffer), 0);
    CHECK_EQ(send_one(&handle, packet.bytes, packet.length, 0), STATUS_SUCCESS);
    CHECK_EQ(drain(&sniffer), 1);
    CHECK_EQ(sim_arrival_count(), 1);
    handle_close(&sniffer);
    handle_close(&handle);
    world_end();
}

/* Two handles that answer each other's packets do not do so for ever. */
static void an_impostors_ttl_runs_out(void)
{
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        unsigned ttl = ipv6 ? 7 : 8, sent = 0;
        world_begin();
        handle_open(&handle, &(struct options){0});
        numbered(&packet, ipv6, 100, 1);
        packet.bytes[ttl] = 3;
        NTSTATUS status = STATUS_SUCCESS;
        while (sent < 10 && status == STATUS_SUCCESS) {
            status =
                send_one(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND | FD_FLAG_IMPOSTOR);
            if (status != STATUS_SUCCESS)
                break;
            packet = (struct packet){.length = sim_arrival(sent)->length};
            memcpy(packet.bytes, sim_arrival(sent)->bytes, packet.length);
            CHECK_EQ(packet.bytes[ttl], 2 - sent);
            sent++;
        }
        CHECK_EQ(status, STATUS_HOST_UNREACHABLE);
        CHECK(sent == 2 || sent == 3);
        /* The host's own packets keep their TTL. */
        packet.bytes[ttl] = 1;
        CHECK_EQ(send_one(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND), STATUS_SUCCESS);
        CHECK_EQ(sim_arrival(sent)->bytes[ttl], 1);
        handle_close(&handle);
        world_end();
    }
}

static void looped_injections_meet_the_inbound_filters_but_not_twice(void)
{
    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 100, 1);
    memcpy(packet.bytes + 16, "\x7f\x00\x00\x01", 4);
    CHECK_EQ(send_one(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND | FD_FLAG_LOOPBACK),
             STATUS_SUCCESS);
    CHECK_EQ(drain(&handle), 0);
    CHECK_EQ(sim_arrival_count(), 1);
    CHECK_EQ(sim_arrival(0)->way, SIM_INBOUND);
    handle_close(&handle);
    world_end();
}

/* ---- the send ring ----------------------------------------------------------------------- */

static void a_send_ring_that_lies_is_dead(void)
{
    struct flush result;
    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 100, 1);
    put_record(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND);
    put_record(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND)->offset += 64;
    put_record(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND);
    CHECK_EQ(flush(&handle, 0, &result), STATUS_SUCCESS);
    CHECK_EQ(result.head.consumed, 1); /* those before the lie are good */
    CHECK_EQ(result.head.fault, FD_RING_BAD_OFFSET);
    CHECK_EQ(flush(&handle, 0, &result), STATUS_SUCCESS);
    CHECK_EQ(result.head.consumed, 0);
    CHECK_EQ(result.head.fault, FD_RING_BAD_OFFSET);
    CHECK(!sim_packet(&(struct sim_traffic){.way = SIM_OUTBOUND}, packet.bytes, packet.length));
    CHECK_EQ(drain(&handle), 1); /* receiving goes on */
    handle_close(&handle);
    world_end();
}

static void many_rounds_through_the_send_ring(void)
{
    struct flush result;
    uint32_t sent = 0;
    world_begin();
    handle_open(&handle, &(struct options){.byte_size = FD_BYTES_MIN,
                                           .descriptor_count = FD_DESCRIPTORS_MIN});
    for (int round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < 40; i++) {
            numbered(&packet, i % 2, 60 + (round * 37 + i * 91) % 1800, sent);
            if (put_record(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND) == NULL)
                break;
            sent++;
        }
        CHECK_EQ(flush(&handle, 0, &result), STATUS_SUCCESS);
        CHECK_EQ(result.head.fault, 0);
    }
    CHECK_EQ(sim_arrival_count(), sent);
    for (uint32_t i = 0; i < sent; i++)
        CHECK_EQ(number_of(sim_arrival(i)->bytes, sim_arrival(i)->ipv6), i);
    CHECK_EQ(stats(&handle).injection.completed, sent);
    handle_close(&handle);
    world_end();
}

int main(void)
{
    every_way_and_family();
    what_was_captured_goes_back_as_it_came();
    each_record_has_its_status();
    bytes_behind_the_ip_length_stay_behind();
    an_empty_ipv4_checksum_is_computed_on_the_way_out();
    the_stacks_error_is_counted();
    so_many_bytes_in_the_stack_and_no_more();
    partial_checksums_are_completed();
    an_empty_ip_checksum_is_computed();
    the_receiver_is_told_of_valid_checksums();
    the_higher_priority_comes_first();
    of_equal_priorities_the_earlier_comes_first();
    a_packet_put_back_unseen_is_the_hosts_own_for_the_next();
    untouched_packets_go_on_as_what_they_were();
    a_sniffer_behind_sees_what_is_put_back();
    an_impostors_ttl_runs_out();
    looped_injections_meet_the_inbound_filters_but_not_twice();
    a_send_ring_that_lies_is_dead();
    many_rounds_through_the_send_ring();
    return check_result();
}
