/* SPDX-License-Identifier: MIT */
/*
 * Every call that can fail does, one at a time, in scenarios that together make
 * all of them. Whatever failed: the driver says so or goes on, nothing leaks
 * (world_end looks), and every packet is accounted for.
 */
#include "packets.h"
#include "world.h"

#include "check.h"

#define PACKETS 6u

static struct user_handle handle;

/* Each scenario has set up what it needs without failures, then calls
 * sim_fail_after(n) and goes on; it switches failures off before it looks. */
typedef void scenario(long n);

static void load(long n)
{
    sim_fail_after(n);
    NTSTATUS status = sim_driver_load(DriverEntry); /* checks by itself that nothing is left */
    int failed = sim_failed();
    sim_fail_after(-1);
    CHECK_EQ(NT_SUCCESS(status), !failed);
    if (NT_SUCCESS(status))
        sim_driver_unload();
}

static void open_with(long n, const struct options *options)
{
    world_begin();
    sim_fail_after(n);
    NTSTATUS status = handle_try(&handle, options);
    int failed = sim_failed();
    sim_fail_after(-1);
    CHECK_EQ(NT_SUCCESS(status), !failed);
    if (NT_SUCCESS(status))
        handle_close(&handle);
    CHECK_EQ(sim_filter_count(), 0);
    /* And nothing is in the way of the next one. */
    handle_open(&handle, options);
    handle_close(&handle);
    world_end();
}

static void open_plain(long n)
{
    open_with(n, &(struct options){0});
}

static void open_many_queues(long n)
{
    open_with(n, &(struct options){.receive_count = 5, .byte_size = FD_BYTES_MIN});
}

static void open_forward(long n)
{
    open_with(n, &(struct options){.layer = FD_LAYER_NETWORK_FORWARD});
}

static void open_second(long n)
{
    struct user_handle first;
    struct packet packet;
    world_begin();
    handle_open(&first, &(struct options){0});
    sim_fail_after(n);
    NTSTATUS status = handle_try(&handle, &(struct options){.priority = 3});
    int failed = sim_failed();
    sim_fail_after(-1);
    CHECK_EQ(NT_SUCCESS(status), !failed);
    if (NT_SUCCESS(status))
        handle_close(&handle);
    numbered(&packet, 0, 100, 1); /* the first one does not notice */
    CHECK(!sim_packet(&(struct sim_traffic){.way = SIM_INBOUND}, packet.bytes, packet.length));
    CHECK_EQ(drain(&first), 1);
    handle_close(&first);
    world_end();
}

static void retry_each_step(long n)
{
    world_begin();
    sim_fail_after(n);
    NTSTATUS status = handle_create(&handle, &(struct options){0});
    if (!NT_SUCCESS(status))
        status = handle_create(&handle, &(struct options){0});
    CHECK_EQ(status, STATUS_SUCCESS);
    if (!NT_SUCCESS(handle_configure(&handle)))
        CHECK_EQ(handle_configure(&handle), STATUS_SUCCESS);
    handle_allocate(&handle);
    if (!NT_SUCCESS(handle_register(&handle)))
        CHECK_EQ(handle_register(&handle), STATUS_SUCCESS);
    if (!NT_SUCCESS(handle_startup(&handle)))
        CHECK_EQ(handle_startup(&handle), STATUS_SUCCESS);
    CHECK_EQ(set_param(&handle, FD_WINDOWS_QUEUE_TIME, 1000), STATUS_SUCCESS);
    (void)stats(&handle);
    handle_close(&handle);
    sim_fail_after(-1);
    world_end();
}

/* ---- packets ------------------------------------------------------------------- */

static void make(struct packet *packets, struct sim_bytes *bytes, int ipv6)
{
    for (uint32_t i = 0; i < PACKETS; i++) {
        numbered(&packets[i], ipv6, 80 + i, i);
        bytes[i] = (struct sim_bytes){packets[i].bytes, packets[i].length};
    }
}

/* Every packet is in the queue, at its goal, or counted as lost. */
static void account(uint32_t passed_whole)
{
    struct totals totals = stats(&handle);
    check_conserved(&handle);
    uint64_t lost = dropped(&totals) + totals.injection.returned_failed;
    CHECK_EQ(drain(&handle) + sim_arrival_count() + lost, PACKETS);
    if (passed_whole)
        CHECK_EQ(totals.queues.queued, 0);
}

static void capture_with(long n, const struct sim_traffic *how, const struct fd_program *program)
{
    struct packet packets[PACKETS];
    struct sim_bytes bytes[PACKETS];

    world_begin();
    handle_open(&handle, &(struct options){.program = program, .layer = how->way == SIM_FORWARDED});
    make(packets, bytes, how->ipv6);
    sim_fail_after(n);
    int passed = sim_packets(how, bytes, PACKETS, 2);
    sim_fail_after(-1);
    account(passed != 0);
    handle_close(&handle);
    world_end();
}

static void capture_inbound(long n)
{
    capture_with(n, &(struct sim_traffic){.way = SIM_INBOUND}, NULL);
}

static void capture_pieces(long n)
{
    capture_with(n, &(struct sim_traffic){.way = SIM_INBOUND, .ipv6 = 1, .mdl_size = 16}, NULL);
}

static void capture_forwarded_pieces(long n)
{
    capture_with(n, &(struct sim_traffic){.way = SIM_FORWARDED, .mdl_size = 30}, NULL);
}

static void split(long n)
{
    struct fd_program some =
        program_of(test_of(FD_FIELD_UDP_DSTPORT, FD_OPERATOR_GE, PACKETS / 2), FD_LAYER_NETWORK);
    capture_with(n, &(struct sim_traffic){.way = SIM_INBOUND}, &some);
}

static void split_pieces(long n)
{
    struct fd_program some =
        program_of(test_of(FD_FIELD_UDP_DSTPORT, FD_OPERATOR_NE, 1), FD_LAYER_NETWORK);
    capture_with(n, &(struct sim_traffic){.way = SIM_OUTBOUND, .mdl_size = 25}, &some);
}

static void send_with(long n, enum sim_completion when)
{
    struct packet packet;
    struct flush result;
    uint32_t good = 0;

    world_begin();
    sim_completion_set(when);
    handle_open(&handle, &(struct options){0});
    for (uint32_t i = 0; i < PACKETS; i++) {
        numbered(&packet, i & 1, 90, i);
        put_record(&handle, packet.bytes, packet.length, i & 2 ? FD_FLAG_OUTBOUND : 0);
    }
    sim_fail_after(n);
    CHECK_EQ(flush(&handle, 0, &result), STATUS_SUCCESS);
    sim_fail_after(-1);
    CHECK_EQ(result.head.consumed, PACKETS);
    for (uint32_t i = 0; i < PACKETS; i++) {
        CHECK(result.status[i] == STATUS_SUCCESS ||
              result.status[i] == STATUS_INSUFFICIENT_RESOURCES);
        good += result.status[i] == STATUS_SUCCESS;
    }
    sim_complete(~0u);
    CHECK_EQ(good, result.head.injected);
    CHECK_EQ(sim_arrival_count(), good);
    struct totals totals = stats(&handle);
    CHECK_EQ(totals.injection.injected, good);
    CHECK_EQ(totals.injection.refused, PACKETS - good);
    CHECK_EQ(totals.injection.outstanding | totals.injection.outstanding_size, 0);
    handle_close(&handle);
    world_end();
}

static void send_inline(long n)
{
    send_with(n, SIM_INLINE);
}

static void send_deferred(long n)
{
    send_with(n, SIM_DEFERRED);
}

/* A super-packet: whole or not at all for want of memory, one status in any
 * case, and nothing is left of those segments that were made. */
static void send_super(long n)
{
    const uint32_t payload = 1000, size = 300, segments = 4;
    struct packet packet;
    struct flush result;

    world_begin();
    handle_open(&handle, &(struct options){0});
    begin_ipv4(&packet, 5, FD_PROTOCOL_TCP);
    add_tcp(&packet, 5, 0x18);
    add_payload(&packet, payload);
    put_record(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND | FD_FLAG_GSO_TCP)->gso_size =
        (uint16_t)size;
    sim_fail_after(n);
    CHECK_EQ(flush(&handle, 0, &result), STATUS_SUCCESS);
    int failed = sim_failed();
    int refused = failed && strncmp(sim_failed_call(), "FwpsInject", 10) == 0;
    sim_fail_after(-1);
    CHECK_EQ(result.head.consumed, 1);
    CHECK_EQ(result.head.injected, !failed);
    CHECK_EQ(NT_SUCCESS(result.status[0]), !failed);
    CHECK_EQ(sim_arrival_count(), !failed ? segments : refused ? segments - 1 : 0);
    struct fd_windows_injection_counters counters = stats(&handle).injection;
    CHECK_EQ(counters.injected, !failed);
    CHECK_EQ(counters.refused, failed);
    CHECK_EQ(counters.injected + counters.segments, sim_arrival_count());
    CHECK_EQ(counters.completed, sim_arrival_count());
    CHECK_EQ(counters.outstanding | counters.outstanding_size, 0);
    handle_close(&handle);
    world_end();
}

/* One that shows in its segments, of which some are wanted: each of them is in
 * the queue, at its goal, or counted. */
static void capture_super(long n)
{
    struct fd_program program =
        program_of(test_of(FD_FIELD_TCP_PSH, FD_OPERATOR_EQ, 1), FD_LAYER_NETWORK);
    struct sim_traffic how = {.way = SIM_OUTBOUND, .segment_size = 300, .mdl_size = 100};
    struct packet packet;

    world_begin();
    handle_open(&handle, &(struct options){.program = &program});
    begin_ipv4(&packet, 5, FD_PROTOCOL_TCP);
    add_tcp(&packet, 5, 0x18);
    add_payload(&packet, 1000);
    put_be16(packet.bytes + 2, 0);
    sim_fail_after(n);
    int passed = sim_packet(&how, packet.bytes, packet.length);
    int failed = sim_failed();
    /* That the buffer is not in one piece is no news. */
    int harmless = failed && strcmp(sim_failed_call(), "NdisGetDataBuffer") == 0;
    sim_fail_after(-1);
    CHECK(!passed);
    struct totals totals = stats(&handle);
    check_conserved(&handle);
    /* Lost before it was cut, or one segment on its way back. */
    uint64_t lost = dropped(&totals) + totals.injection.returned_failed;
    CHECK(lost == (uint64_t)failed || harmless);
    CHECK(dropped(&totals) == 1 || drain(&handle) + sim_arrival_count() + lost == 4);
    handle_close(&handle);
    world_end();
}

static void close_with_super(long n)
{
    struct sim_traffic how = {.way = SIM_OUTBOUND, .segment_size = 300};
    struct packet packet;

    world_begin();
    handle_open(&handle, &(struct options){0});
    begin_ipv4(&packet, 5, FD_PROTOCOL_TCP);
    add_tcp(&packet, 5, 0x18);
    add_payload(&packet, 1000);
    CHECK(!sim_packet(&how, packet.bytes, packet.length));
    sim_fail_after(n);
    handle_close(&handle);
    int failed = sim_failed();
    int refused = failed && strncmp(sim_failed_call(), "FwpsInject", 10) == 0;
    sim_fail_after(-1);
    CHECK_EQ(sim_arrival_count(), !failed ? 4 : refused ? 3 : 0);
    world_end();
}

/* What cannot go back at the end is lost, but nothing else is. */
static void close_with_packets(long n)
{
    struct packet packets[PACKETS];
    struct sim_bytes bytes[PACKETS];

    world_begin();
    handle_open(&handle, &(struct options){0});
    make(packets, bytes, 0);
    CHECK(!sim_packets(&(struct sim_traffic){.way = SIM_OUTBOUND}, bytes, PACKETS, 2));
    sim_fail_after(n);
    handle_close(&handle);
    int failed = sim_failed();
    sim_fail_after(-1);
    CHECK_EQ(sim_arrival_count(), PACKETS - (unsigned)failed);
    world_end();
}

static void die_with_packets(long n)
{
    struct packet packets[PACKETS];
    struct sim_bytes bytes[PACKETS];

    world_begin();
    handle_open(&handle, &(struct options){0});
    make(packets, bytes, 1);
    CHECK(!sim_packets(&(struct sim_traffic){.way = SIM_INBOUND, .ipv6 = 1}, bytes, PACKETS, 1));
    sim_fail_after(n);
    world_process_dies();
    int failed = sim_failed();
    sim_fail_after(-1);
    CHECK_EQ(sim_arrival_count(), PACKETS - (unsigned)failed);
    world_end();
}

static void change_filter(long n)
{
    struct fd_program none = nothing(FD_LAYER_NETWORK);
    struct packet packet;
    world_begin();
    handle_open(&handle, &(struct options){0});
    sim_fail_after(n);
    NTSTATUS status = set_filter(&handle, &none);
    sim_fail_after(-1);
    numbered(&packet, 0, 100, 1);
    int passed = sim_packet(&(struct sim_traffic){.way = SIM_INBOUND}, packet.bytes, packet.length);
    CHECK_EQ(passed, NT_SUCCESS(status)); /* the old one or the new one */
    handle_close(&handle);
    world_end();
}

static void run(const char *name, scenario *scenario)
{
    long n = 0, failures = sim_failures();
    for (;; n++) {
        scenario(n);
        if (sim_failures() == failures)
            break; /* it makes no more calls than n */
        failures = sim_failures();
    }
    printf("%s: each of %ld calls failed once\n", name, n);
}

#define RUN(scenario) run(#scenario, scenario)

int main(void)
{
    RUN(load);
    RUN(open_plain);
    RUN(open_many_queues);
    RUN(open_forward);
    RUN(open_second);
    RUN(retry_each_step);
    RUN(capture_inbound);
    RUN(capture_pieces);
    RUN(capture_forwarded_pieces);
    RUN(split);
    RUN(split_pieces);
    RUN(send_inline);
    RUN(send_deferred);
    RUN(send_super);
    RUN(capture_super);
    RUN(close_with_packets);
    RUN(close_with_super);
    RUN(die_with_packets);
    RUN(change_filter);
    return check_result();
}
