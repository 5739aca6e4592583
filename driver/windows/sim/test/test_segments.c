/* SPDX-License-Identifier: MIT */
/* Super-packets: shown whole, brought back as the packets that a card would
 * have made of them, whoever brings them back. */
#include "../../../core/bytes.h"
#include "../../../core/checksum.h"
#include "../../../core/segment.h"
#include "packets.h"
#include "world.h"

#include "check.h"

#define SIZE 300u /* payload of a segment */
#define FIN_PSH 0x09
#define CWR 0x80

static struct user_handle handle;

/* IP options or an extension header, 12 bytes of TCP options, FIN, PSH and CWR;
 * identifications that wrap. As the stack gives it to a card: without checksums. */
static void make_super(struct packet *packet, int ipv6, uint8_t protocol, uint32_t payload)
{
    if (ipv6) {
        begin_ipv6(packet, FD_PROTOCOL_DESTINATION);
        add_extension(packet, protocol, 0, 8);
    } else {
        begin_ipv4(packet, 6, protocol);
        memset(packet->bytes + 20, 1, 4);
        put_be16(packet->bytes + 4, 0xffff);
    }
    uint32_t l4 = packet->length;
    if (protocol == FD_PROTOCOL_TCP)
        add_tcp(packet, 8, 0x10 | FIN_PSH | CWR);
    else
        add_udp(packet);
    add_payload(packet, payload);
    if (protocol == FD_PROTOCOL_UDP)
        put_be16(packet->bytes + l4 + 4, packet->length - l4);
}

static uint32_t kind_of(uint8_t protocol)
{
    return protocol == FD_PROTOCOL_TCP ? FD_FLAG_GSO_TCP | FD_FLAG_TCP_CHECKSUM_PARTIAL
                                       : FD_FLAG_GSO_UDP | FD_FLAG_UDP_CHECKSUM_PARTIAL;
}

/* One segment, of a packet whose length its IP header may not say. */
static void check_segment(const struct sim_arrival *arrival, const struct packet *packet,
                          uint32_t number, uint32_t count)
{
    struct fd_parsed parsed, whole;
    uint8_t original[sizeof(packet->bytes)];

    if (arrival == NULL) {
        CHECK(!"arrived");
        return;
    }
    memcpy(original, packet->bytes, packet->length);
    (void)fd_super_parse(original, packet->length, &whole);
    CHECK(arrival->injected);
    CHECK_EQ(fd_parse(arrival->bytes, arrival->length, &parsed), whole.headers);
    CHECK_EQ(parsed.length, arrival->length);
    CHECK_EQ(parsed.payload_offset, whole.payload_offset);
    CHECK_EQ(parsed.payload_length,
             number + 1 == count ? whole.payload_length - number * SIZE : SIZE);
    CHECK(memcmp(arrival->bytes + parsed.payload_offset,
                 packet->bytes + parsed.payload_offset + number * SIZE,
                 parsed.payload_length) == 0);
    unsigned sums = fd_checksum_verify(arrival->bytes, &parsed);
    CHECK(sums & FD_CHECKSUM_L4_RIGHT);
    if (!arrival->ipv6) {
        CHECK(sums & FD_CHECKSUM_IP_RIGHT);
        CHECK_EQ(fd_be16(arrival->bytes + 4), (fd_be16(packet->bytes + 4) + number) & 0xffff);
    }
    const uint8_t *l4 = arrival->bytes + parsed.l4_offset;
    if (parsed.protocol == FD_PROTOCOL_UDP) {
        CHECK_EQ(fd_be16(l4 + 4), FD_UDP_LENGTH + parsed.payload_length);
        return;
    }
    CHECK_EQ(fd_be32(l4 + 4), fd_be32(packet->bytes + parsed.l4_offset + 4) + number * SIZE);
    CHECK_EQ(l4[FD_TCP_FLAGS],
             0x10 | (number + 1 == count ? FIN_PSH : 0) | (number == 0 ? CWR : 0));
}

static void check_segments(const struct packet *packet, uint32_t payload)
{
    uint32_t count = (payload + SIZE - 1) / SIZE;

    CHECK_EQ(sim_arrival_count(), count);
    for (uint32_t number = 0; number < count; number++)
        check_segment(sim_arrival(number), packet, number, count);
}

/* Everything that has left is counted once, and nothing is left. */
static void check_balance(uint64_t injected, uint64_t returned, uint64_t segments)
{
    struct fd_windows_injection_counters counters = stats(&handle).injection;

    CHECK_EQ(counters.injected, injected);
    CHECK_EQ(counters.returned, returned);
    CHECK_EQ(counters.segments, segments);
    CHECK_EQ(counters.completed + counters.failed, injected + returned + segments);
    CHECK_EQ(counters.outstanding | counters.outstanding_size, 0);
}

static NTSTATUS send_super(const struct packet *packet, uint32_t flags, uint32_t size)
{
    struct flush result;
    struct fd_descriptor *descriptor = put_record(&handle, packet->bytes, packet->length, flags);

    if (descriptor == NULL)
        return STATUS_UNSUCCESSFUL;
    descriptor->gso_size = (uint16_t)size;
    NTSTATUS status = flush(&handle, 0, &result);
    if (status != STATUS_SUCCESS)
        return status;
    CHECK_EQ(result.head.consumed, 1);
    return result.status[0];
}

/* ---- flush ---------------------------------------------------------------------- */

static void what_a_process_sends_arrives_as_segments(void)
{
    static const uint32_t payloads[] = {SIZE + 1, 2 * SIZE, 5 * SIZE - 1, 6 * SIZE};
    static const uint8_t protocols[] = {FD_PROTOCOL_TCP, FD_PROTOCOL_UDP};

    for (unsigned i = 0; i < 4 * 2 * 2 * 3; i++) {
        uint32_t payload = payloads[i % 4];
        uint8_t protocol = protocols[i / 4 % 2];
        int ipv6 = i / 8 % 2;
        enum sim_way way = (enum sim_way)(i / 16);
        struct packet packet;
        world_begin();
        sim_completion_set(i % 3 == 0 ? SIM_DEFERRED : SIM_INLINE);
        handle_open(&handle, &(struct options){.layer = way == SIM_FORWARDED});
        make_super(&packet, ipv6, protocol, payload);
        CHECK_EQ(send_super(&packet,
                            kind_of(protocol) | (way == SIM_OUTBOUND ? FD_FLAG_OUTBOUND : 0), SIZE),
                 STATUS_SUCCESS);
        sim_complete(~0u);
        check_segments(&packet, payload);
        CHECK(sim_arrival(0) != NULL && sim_arrival(0)->way == way && sim_arrival(0)->ipv6 == ipv6);
        check_balance(1, 0, (payload + SIZE - 1) / SIZE - 1);
        handle_close(&handle);
        world_end();
    }
}

/* The filter engine sees each segment; this handle lets its own pass. */
static void a_diverted_one_is_shown_whole_and_flushed_as_segments(int ipv6)
{
    struct sim_traffic how = {.way = SIM_OUTBOUND, .ipv6 = ipv6, .segment_size = SIZE};
    struct packet packet;
    struct taken taken;

    world_begin();
    handle_open(&handle, &(struct options){0});
    make_super(&packet, ipv6, FD_PROTOCOL_TCP, 1700);
    CHECK(!sim_packet(&how, packet.bytes, packet.length));
    CHECK_EQ(take(&handle, 0, &taken, 1), 1);
    CHECK_EQ(taken.record.captured, packet.length);
    CHECK(memcmp(taken.record.packet, packet.bytes, packet.length) == 0);
    CHECK_EQ(taken.descriptor.gso_size, SIZE);
    CHECK_EQ(taken.descriptor.flags & (FD_FLAG_GSO_TCP | FD_FLAG_TCP_CHECKSUM_PARTIAL),
             FD_FLAG_GSO_TCP | FD_FLAG_TCP_CHECKSUM_PARTIAL);
    CHECK_EQ(send_super(&packet, taken.descriptor.flags, taken.descriptor.gso_size),
             STATUS_SUCCESS);
    check_segments(&packet, 1700);
    check_balance(1, 0, 5);
    CHECK_EQ(stats(&handle).queues.queued, 1);
    give_back(&handle, 0);
    handle_close(&handle);
    world_end();
}

static void an_impostors_segments_are_a_hop_nearer_to_the_end(void)
{
    struct packet packet;

    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        uint32_t ttl_at = ipv6 ? 7 : 8;
        world_begin();
        handle_open(&handle, &(struct options){0});
        make_super(&packet, ipv6, FD_PROTOCOL_TCP, 700);
        CHECK_EQ(send_super(&packet, kind_of(FD_PROTOCOL_TCP) | FD_FLAG_IMPOSTOR, SIZE),
                 STATUS_SUCCESS);
        check_segments(&packet, 700);
        for (unsigned i = 0; i < sim_arrival_count(); i++)
            CHECK_EQ(sim_arrival(i)->bytes[ttl_at], 63);
        packet.bytes[ttl_at] = 1;
        CHECK_EQ(send_super(&packet, kind_of(FD_PROTOCOL_TCP) | FD_FLAG_IMPOSTOR, SIZE),
                 STATUS_HOST_UNREACHABLE);
        handle_close(&handle);
        world_end();
    }
}

/* ---- what a process may not say ---------------------------------------------------- */

static void what_is_no_super_packet_goes_as_it_is(void)
{
    struct packet packet;

    world_begin();
    handle_open(&handle, &(struct options){0});
    make_super(&packet, 1, FD_PROTOCOL_TCP, 900);
    CHECK_EQ(send_super(&packet, 0, SIZE), STATUS_SUCCESS);              /* not said to be one */
    CHECK_EQ(send_super(&packet, FD_FLAG_GSO_TCP, 0), STATUS_SUCCESS);   /* no size */
    CHECK_EQ(send_super(&packet, FD_FLAG_GSO_TCP, 900), STATUS_SUCCESS); /* fits into one */
    CHECK_EQ(send_super(&packet, FD_FLAG_GSO_TCP, 0xffff), STATUS_SUCCESS);
    CHECK_EQ(sim_arrival_count(), 4);
    for (unsigned i = 0; i < sim_arrival_count(); i++)
        CHECK(sim_arrival(i)->length == packet.length &&
              memcmp(sim_arrival(i)->bytes, packet.bytes, packet.length) == 0);
    check_balance(4, 0, 0);
    handle_close(&handle);
    world_end();
}

static void lies_about_a_super_packet_are_refused(void)
{
    struct packet tcp, udp, icmp;

    world_begin();
    handle_open(&handle, &(struct options){0});
    make_super(&tcp, 0, FD_PROTOCOL_TCP, 900);
    make_super(&udp, 1, FD_PROTOCOL_UDP, 900);
    begin_ipv4(&icmp, 5, FD_PROTOCOL_ICMP);
    add_icmp(&icmp, 8);
    add_payload(&icmp, 900);
    const uint32_t both = FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP;
    CHECK_EQ(send_super(&tcp, FD_FLAG_GSO_UDP, SIZE), STATUS_INVALID_PARAMETER);
    CHECK_EQ(send_super(&udp, FD_FLAG_GSO_TCP, SIZE), STATUS_INVALID_PARAMETER);
    CHECK_EQ(send_super(&tcp, both, SIZE), STATUS_INVALID_PARAMETER);
    CHECK_EQ(send_super(&icmp, FD_FLAG_GSO_TCP, SIZE), STATUS_INVALID_PARAMETER);
    CHECK_EQ(stats(&handle).injection.refused, 4);
    CHECK_EQ(sim_arrival_count(), 0);
    handle_close(&handle);
    world_end();
}

/* Memory that a process could make the kernel take for one record. */
static void more_segments_than_a_packet_has_are_refused(void)
{
    static uint8_t large[65535];
    static struct packet longest;
    struct flush result;

    world_begin();
    handle_open(&handle, &(struct options){0});
    begin_ipv4(&longest, 5, FD_PROTOCOL_UDP);
    add_udp(&longest);
    for (uint32_t payload = FD_WINDOWS_SEGMENTS_MAX; payload < FD_WINDOWS_SEGMENTS_MAX + 2;
         payload++) {
        memcpy(large, longest.bytes, longest.length);
        put_be16(large + 2, 28 + payload);
        put_record(&handle, large, 28 + payload, FD_FLAG_GSO_UDP)->gso_size = 1;
    }
    CHECK_EQ(flush(&handle, 0, &result), STATUS_SUCCESS);
    CHECK_EQ(result.status[0], STATUS_SUCCESS);
    CHECK_EQ(result.status[1], STATUS_INVALID_PARAMETER);
    CHECK_EQ(sim_arrival_count(), FD_WINDOWS_SEGMENTS_MAX);

    /* Headers of 2 KiB, which every segment would repeat. */
    sim_arrivals_clear();
    begin_ipv6(&longest, FD_PROTOCOL_DESTINATION);
    add_extension(&longest, FD_PROTOCOL_UDP, 249, 2000);
    memset(large, 0, sizeof(large));
    memcpy(large, longest.bytes, longest.length);
    for (uint32_t payload = 127; payload < 129; payload++) {
        put_be16(large + 4, 2000 + 8 + payload);
        put_record(&handle, large, 2048 + payload, FD_FLAG_GSO_UDP)->gso_size = 1;
    }
    CHECK_EQ(flush(&handle, 0, &result), STATUS_SUCCESS);
    CHECK_EQ(result.status[0], STATUS_SUCCESS);
    CHECK_EQ(result.status[1], STATUS_INVALID_PARAMETER);
    CHECK_EQ(sim_arrival_count(), 127);
    handle_close(&handle);
    world_end();
}

/* ---- unseen, and back --------------------------------------------------------------- */

static void one_that_waits_when_a_handle_closes_goes_back_as_segments(void)
{
    for (int dies = 0; dies < 2; dies++)
        for (int ipv6 = 0; ipv6 < 2; ipv6++) {
            struct sim_traffic how = {.way = SIM_OUTBOUND, .ipv6 = ipv6, .segment_size = SIZE};
            struct packet packet;
            world_begin();
            handle_open(&handle, &(struct options){0});
            make_super(&packet, ipv6, FD_PROTOCOL_TCP, 1500);
            CHECK(!sim_packet(&how, packet.bytes, packet.length));
            if (dies)
                world_process_dies();
            else
                handle_close(&handle);
            check_segments(&packet, 1500);
            world_end();
        }
}

static void one_that_is_not_wanted_in_a_taken_list_goes_back_as_segments(void)
{
    for (unsigned i = 0; i < 8; i++) {
        int ipv6 = i & 1, is_first = i & 2, says_no_length = i & 4;
        struct fd_program program =
            program_of(test_of(FD_FIELD_TCP_DSTPORT, FD_OPERATOR_EQ, 444), FD_LAYER_NETWORK);
        struct sim_traffic how = {
            .way = SIM_OUTBOUND, .ipv6 = ipv6, .segment_size = SIZE, .mdl_size = 200};
        struct packet super, small;
        world_begin();
        handle_open(&handle, &(struct options){.program = &program});
        make_super(&super, ipv6, FD_PROTOCOL_TCP, 1400);
        make_super(&small, ipv6, FD_PROTOCOL_TCP, 10);
        put_be16(small.bytes + (ipv6 ? 48 : 24) + 2, 444);
        if (says_no_length)
            put_be16(super.bytes + (ipv6 ? 4 : 2), 0);
        struct sim_bytes both[2] = {{super.bytes, super.length}, {small.bytes, small.length}};
        if (!is_first) {
            both[1] = both[0];
            both[0] = (struct sim_bytes){small.bytes, small.length};
        }
        CHECK(!sim_packets(&how, both, 2, 2));
        check_segments(&super, 1400);
        check_balance(0, 1, 4);
        CHECK_EQ(drain(&handle), 1);
        handle_close(&handle);
        world_end();
    }
}

/* ---- a length that nobody has written --------------------------------------------- */

static void one_without_a_length_is_shown_as_segments(void)
{
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        struct sim_traffic how = {.way = SIM_OUTBOUND, .ipv6 = ipv6, .segment_size = SIZE};
        struct packet packet;
        struct taken taken[8];
        world_begin();
        handle_open(&handle, &(struct options){0});
        make_super(&packet, ipv6, FD_PROTOCOL_TCP, 1400);
        put_be16(packet.bytes + (ipv6 ? 4 : 2), 0);
        CHECK(!sim_packet(&how, packet.bytes, packet.length));
        CHECK_EQ(stats(&handle).queues.seen, 5);
        CHECK_EQ(take(&handle, 0, taken, 8), 5);
        for (uint32_t i = 0; i < 5; i++) {
            struct sim_arrival as_if = {.injected = 1,
                                        .ipv6 = ipv6,
                                        .length = taken[i].record.captured,
                                        .bytes = (uint8_t *)(uintptr_t)taken[i].record.packet};
            check_segment(&as_if, &packet, i, 5);
            CHECK_EQ(taken[i].descriptor.gso_size, 0);
            CHECK_EQ(taken[i].descriptor.flags & (FD_FLAG_GSO_TCP | FD_FLAG_TCP_CHECKSUM_PARTIAL),
                     0);
        }
        check_conserved(&handle);
        give_back(&handle, 0);
        handle_close(&handle);
        world_end();
    }
}

/* 90,000 bytes, which no IPv4 header could say. */
static void one_longer_than_a_header_can_say_is_shown_as_segments(void)
{
    static uint8_t large[90040];
    struct packet head;
    struct sim_traffic how = {.way = SIM_OUTBOUND, .segment_size = 1460};
    uint64_t payload = 0;
    struct taken taken;

    world_begin();
    handle_open(&handle, &(struct options){0});
    begin_ipv4(&head, 5, FD_PROTOCOL_TCP);
    add_tcp(&head, 5, 0x10);
    memcpy(large, head.bytes, head.length);
    put_be16(large + 2, 0);
    CHECK(!sim_packet(&how, large, sizeof(large)));
    while (take(&handle, 0, &taken, 1) == 1)
        payload += taken.record.captured - 40;
    CHECK_EQ(payload, 90000);
    CHECK_EQ(stats(&handle).queues.queued, (90000 + 1459) / 1460);
    give_back(&handle, 0);
    handle_close(&handle);
    world_end();
}

/* One answer for the whole buffer: what the filter does not want of it goes back. */
static void of_one_without_a_length_the_filter_may_want_a_part(void)
{
    struct fd_program program =
        program_of(test_of(FD_FIELD_TCP_PSH, FD_OPERATOR_EQ, 1), FD_LAYER_NETWORK);
    struct sim_traffic how = {.way = SIM_OUTBOUND, .segment_size = SIZE};
    struct packet packet;
    struct taken taken[2];

    world_begin();
    handle_open(&handle, &(struct options){.program = &program});
    make_super(&packet, 0, FD_PROTOCOL_TCP, 1400);
    put_be16(packet.bytes + 2, 0);
    CHECK(!sim_packet(&how, packet.bytes, packet.length));
    CHECK_EQ(sim_arrival_count(), 4);
    for (uint32_t i = 0; i < 4; i++)
        check_segment(sim_arrival(i), &packet, i, 5);
    CHECK_EQ(take(&handle, 0, taken, 2), 1); /* the last one */
    CHECK_EQ(stats(&handle).injection.returned, 4);
    check_conserved(&handle);
    give_back(&handle, 0);
    handle_close(&handle);
    world_end();
}

static void a_sniffer_takes_nothing_and_sees_it_whole(void)
{
    struct sim_traffic how = {.way = SIM_OUTBOUND, .segment_size = SIZE};
    struct packet packet;

    world_begin();
    handle_open(&handle, &(struct options){.flags = FD_WINDOWS_SNIFF});
    make_super(&packet, 0, FD_PROTOCOL_TCP, 1400);
    CHECK(sim_packet(&how, packet.bytes, packet.length));
    CHECK_EQ(drain(&handle), 1);
    put_be16(packet.bytes + 2, 0);
    CHECK(sim_packet(&how, packet.bytes, packet.length));
    CHECK_EQ(drain(&handle), 5);
    CHECK_EQ(sim_arrival_count(), 2);
    CHECK(sim_arrival(0)->length == packet.length && sim_arrival(1)->length == packet.length);
    check_balance(0, 0, 0);
    handle_close(&handle);
    world_end();
}

int main(void)
{
    what_a_process_sends_arrives_as_segments();
    a_diverted_one_is_shown_whole_and_flushed_as_segments(0);
    a_diverted_one_is_shown_whole_and_flushed_as_segments(1);
    an_impostors_segments_are_a_hop_nearer_to_the_end();
    what_is_no_super_packet_goes_as_it_is();
    lies_about_a_super_packet_are_refused();
    more_segments_than_a_packet_has_are_refused();
    one_that_waits_when_a_handle_closes_goes_back_as_segments();
    one_that_is_not_wanted_in_a_taken_list_goes_back_as_segments();
    one_without_a_length_is_shown_as_segments();
    one_longer_than_a_header_can_say_is_shown_as_segments();
    of_one_without_a_length_the_filter_may_want_a_part();
    a_sniffer_takes_nothing_and_sees_it_whole();
    return check_result();
}
