/* SPDX-License-Identifier: MIT */
/* STARTUP, FLUSH, parameters, STATS and SHUTDOWN as IOCTLs: states, fields,
 * lengths. What they do to packets is in the tests of packets. */
#include "packets.h"
#include "patches.h"

static const uint32_t with_request[] = {FD_IOCTL_STARTUP, FD_IOCTL_FLUSH, FD_IOCTL_STATS,
                                        FD_IOCTL_SHUTDOWN};

static void check_request_fields(HANDLE file)
{
    struct fd_windows_request input = {sizeof(input), FD_WINDOWS_SHUTDOWN_SEND};
    for (unsigned i = 0; i < 4; i++)
        check_lengths(file, with_request[i], &input, sizeof(input));
    input.size = 9;
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(sim_ioctl(file, with_request[i], &input, sizeof(input), NULL, 0, NULL),
                 STATUS_INFO_LENGTH_MISMATCH);
}

static void each_ioctl_has_its_states(void)
{
    struct user_handle handle;
    struct flush flushed;
    uint64_t value;
    struct fd_program all = everything(FD_LAYER_NETWORK);

    world_begin();
    CHECK_EQ(handle_create(&handle, &(struct options){0}), STATUS_SUCCESS);
    check_request_fields(handle.file);
    CHECK_EQ(handle_startup(&handle), STATUS_INVALID_DEVICE_STATE);
    CHECK_EQ(request(&handle, FD_IOCTL_SHUTDOWN, 1), STATUS_INVALID_DEVICE_STATE);
    CHECK_EQ(get_param(&handle, FD_WINDOWS_QUEUE_TIME, &value), STATUS_INVALID_DEVICE_STATE);
    CHECK_EQ(set_param(&handle, FD_WINDOWS_QUEUE_TIME, 1000), STATUS_INVALID_DEVICE_STATE);
    CHECK_EQ(set_filter(&handle, &all), STATUS_INVALID_DEVICE_STATE);
    struct fd_windows_request ask = {sizeof(ask), 0};
    CHECK_EQ(
        sim_ioctl(handle.file, FD_IOCTL_STATS, &ask, sizeof(ask), &flushed, sizeof(flushed), NULL),
        STATUS_INVALID_DEVICE_STATE);
    CHECK_EQ(
        sim_ioctl(handle.file, FD_IOCTL_FLUSH, &ask, sizeof(ask), &flushed, sizeof(flushed), NULL),
        STATUS_INVALID_DEVICE_STATE);

    CHECK_EQ(handle_configure(&handle), STATUS_SUCCESS);
    CHECK_EQ(handle_startup(&handle), STATUS_INVALID_DEVICE_STATE);
    CHECK_EQ(set_param(&handle, FD_WINDOWS_QUEUE_TIME, 1000), STATUS_SUCCESS);
    CHECK_EQ(get_param(&handle, FD_WINDOWS_QUEUE_TIME, &value), STATUS_SUCCESS);
    CHECK_EQ(value, 1000);
    CHECK_EQ(stats(&handle).queue_count, 1);
    CHECK_EQ(
        sim_ioctl(handle.file, FD_IOCTL_FLUSH, &ask, sizeof(ask), &flushed, sizeof(flushed), NULL),
        STATUS_INVALID_DEVICE_STATE);

    handle_allocate(&handle);
    CHECK_EQ(handle_register(&handle), STATUS_SUCCESS);
    CHECK_EQ(handle.receive[0].ring.header->queue_time, 1000);
    CHECK_EQ(flush(&handle, 0, &flushed), STATUS_INVALID_DEVICE_STATE);
    CHECK_EQ(handle_startup(&handle), STATUS_SUCCESS);
    CHECK_EQ(handle_startup(&handle), STATUS_INVALID_DEVICE_STATE);
    CHECK_EQ(handle_configure(&handle), STATUS_INVALID_DEVICE_STATE);
    CHECK_EQ(flush(&handle, 0, &flushed), STATUS_SUCCESS);
    CHECK_EQ(flushed.head.consumed | flushed.head.injected | flushed.head.fault, 0);
    check_request_fields(handle.file);
    handle_close(&handle);
    world_end();
}

static void startup_takes_no_argument(void)
{
    struct user_handle handle;
    world_begin();
    CHECK_EQ(handle_create(&handle, &(struct options){0}), STATUS_SUCCESS);
    CHECK_EQ(handle_configure(&handle), STATUS_SUCCESS);
    handle_allocate(&handle);
    CHECK_EQ(handle_register(&handle), STATUS_SUCCESS);
    CHECK_EQ(request(&handle, FD_IOCTL_STARTUP, 1), STATUS_INVALID_PARAMETER);
    CHECK_EQ(handle_startup(&handle), STATUS_SUCCESS);
    CHECK_EQ(sim_filter_count(), 4); /* in and out, both families */
    handle_close(&handle);
    CHECK_EQ(sim_filter_count(), 0);
    handle_open(&handle, &(struct options){.layer = FD_LAYER_NETWORK_FORWARD});
    CHECK_EQ(sim_filter_count(), 2);
    handle_close(&handle);
    world_end();
}

/* ---- parameters ----------------------------------------------------------------- */

static void parameters_have_their_ranges(void)
{
    static const struct {
        uint32_t parameter;
        uint64_t least, most;
    } ranges[] = {
        {FD_WINDOWS_QUEUE_LENGTH, FD_QUEUE_LENGTH_MIN, FD_QUEUE_LENGTH_MAX},
        {FD_WINDOWS_QUEUE_TIME, FD_QUEUE_TIME_MIN, FD_QUEUE_TIME_MAX},
        {FD_WINDOWS_QUEUE_SIZE, FD_QUEUE_SIZE_MIN, FD_QUEUE_SIZE_MAX},
    };
    struct user_handle handle;
    uint64_t value;

    world_begin();
    handle_open(&handle, &(struct options){0});
    for (unsigned i = 0; i < 3; i++) {
        uint32_t parameter = ranges[i].parameter;
        CHECK_EQ(set_param(&handle, parameter, ranges[i].least), STATUS_SUCCESS);
        CHECK_EQ(set_param(&handle, parameter, ranges[i].least - 1), STATUS_INVALID_PARAMETER);
        CHECK_EQ(get_param(&handle, parameter, &value), STATUS_SUCCESS);
        CHECK_EQ(value, ranges[i].least);
        CHECK_EQ(set_param(&handle, parameter, ranges[i].most), STATUS_SUCCESS);
        CHECK_EQ(set_param(&handle, parameter, ranges[i].most + 1), STATUS_INVALID_PARAMETER);
        CHECK_EQ(set_param(&handle, parameter, UINT64_MAX), STATUS_INVALID_PARAMETER);
        CHECK_EQ(set_param(&handle, parameter, (1ull << 32) + ranges[i].least),
                 STATUS_INVALID_PARAMETER);
        CHECK_EQ(get_param(&handle, parameter, &value), STATUS_SUCCESS);
        CHECK_EQ(value, ranges[i].most);
    }
    CHECK_EQ(handle.receive[0].ring.header->queue_length, FD_QUEUE_LENGTH_MAX);
    CHECK_EQ(handle.receive[0].ring.header->queue_size, FD_QUEUE_SIZE_MAX);
    CHECK_EQ(get_param(&handle, FD_WINDOWS_VERSION_MAJOR, &value), STATUS_SUCCESS);
    CHECK_EQ(value, FD_WINDOWS_MAJOR);
    CHECK_EQ(get_param(&handle, FD_WINDOWS_VERSION_MINOR, &value), STATUS_SUCCESS);
    CHECK_EQ(value, FD_WINDOWS_MINOR);
    CHECK_EQ(set_param(&handle, FD_WINDOWS_VERSION_MAJOR, 1), STATUS_INVALID_PARAMETER);
    CHECK_EQ(set_param(&handle, FD_WINDOWS_VERSION_MINOR, 0), STATUS_INVALID_PARAMETER);
    CHECK_EQ(get_param(&handle, 5, &value), STATUS_INVALID_PARAMETER);
    CHECK_EQ(set_param(&handle, 5, 1000), STATUS_INVALID_PARAMETER);
    CHECK_EQ(get_param(&handle, 0xffffffff, &value), STATUS_INVALID_PARAMETER);
    handle_close(&handle);
    world_end();
}

static void parameters_have_their_lengths(void)
{
    struct fd_windows_parameter input = {sizeof(input), FD_WINDOWS_QUEUE_TIME, 1000}, output;
    struct user_handle handle;

    world_begin();
    handle_open(&handle, &(struct options){0});
    check_lengths(handle.file, FD_IOCTL_SET_PARAM, &input, sizeof(input));
    input.value = 0;
    check_lengths(handle.file, FD_IOCTL_GET_PARAM, &input, sizeof(input));
    for (ULONG size = 0; size < sizeof(output); size++)
        CHECK_EQ(
            sim_ioctl(handle.file, FD_IOCTL_GET_PARAM, &input, sizeof(input), &output, size, NULL),
            STATUS_BUFFER_TOO_SMALL);
    input.value = 1;
    CHECK_EQ(sim_ioctl(handle.file, FD_IOCTL_GET_PARAM, &input, sizeof(input), &output,
                       sizeof(output), NULL),
             STATUS_INVALID_PARAMETER);
    handle_close(&handle);
    world_end();
}

/* ---- results ----------------------------------------------------------------------- */

static void stats_need_room_for_every_queue(void)
{
    struct fd_windows_request input = {sizeof(input), 0};
    struct user_handle handle;
    static uint8_t output[8192];
    ULONG whole = sizeof(struct fd_windows_stats) + 3 * sizeof(struct fd_producer_counters);
    ULONG_PTR got;

    world_begin();
    handle_open(&handle, &(struct options){.receive_count = 3, .byte_size = FD_BYTES_MIN});
    for (ULONG size = 0; size < whole; size++)
        CHECK_EQ(sim_ioctl(handle.file, FD_IOCTL_STATS, &input, sizeof(input), output, size, &got),
                 STATUS_BUFFER_TOO_SMALL);
    CHECK_EQ(sim_ioctl(handle.file, FD_IOCTL_STATS, &input, sizeof(input), output, whole, &got),
             STATUS_SUCCESS);
    CHECK_EQ(got, whole);
    CHECK_EQ(((struct fd_windows_stats *)output)->queue_count, 3);
    input.argument = 1;
    CHECK_EQ(sim_ioctl(handle.file, FD_IOCTL_STATS, &input, sizeof(input), output, whole, &got),
             STATUS_INVALID_PARAMETER);
    handle_close(&handle);
    world_end();
}

static void flush_consumes_what_its_statuses_have_room_for(void)
{
    struct fd_windows_request input = {sizeof(input), 0};
    struct user_handle handle;
    struct packet packet;
    uint8_t output[sizeof(struct fd_windows_flushed) + 3 * sizeof(int32_t) + 3];
    struct fd_windows_flushed head;
    ULONG_PTR got;

    world_begin();
    handle_open(&handle, &(struct options){0});
    for (uint32_t i = 0; i < 10; i++) {
        numbered(&packet, 0, 64, i);
        CHECK(put_record(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND) != NULL);
    }
    fd_producer_publish(&handle.send.producer);
    for (ULONG size = 0; size < sizeof(head); size++)
        CHECK_EQ(sim_ioctl(handle.file, FD_IOCTL_FLUSH, &input, sizeof(input), output, size, &got),
                 STATUS_BUFFER_TOO_SMALL);
    CHECK_EQ(sim_arrival_count(), 0);
    CHECK_EQ(
        sim_ioctl(handle.file, FD_IOCTL_FLUSH, &input, sizeof(input), output, sizeof(output), &got),
        STATUS_SUCCESS);
    memcpy(&head, output, sizeof(head));
    CHECK_EQ(head.consumed, 3);
    CHECK_EQ(got, sizeof(head) + 3 * sizeof(int32_t));
    input.argument = 2; /* fewer than there is room for */
    CHECK_EQ(
        sim_ioctl(handle.file, FD_IOCTL_FLUSH, &input, sizeof(input), output, sizeof(output), &got),
        STATUS_SUCCESS);
    memcpy(&head, output, sizeof(head));
    CHECK_EQ(head.consumed, 2);
    CHECK_EQ(sim_arrival_count(), 5);
    struct flush rest;
    CHECK_EQ(flush(&handle, 0, &rest), STATUS_SUCCESS);
    CHECK_EQ(rest.head.consumed, 5);
    for (unsigned i = 0; i < 10; i++)
        CHECK_EQ(number_of(sim_arrival(i)->bytes, 0), i);
    handle_close(&handle);
    world_end();
}

/* ---- shutdown ------------------------------------------------------------------------- */

static void shutdown_wants_to_know_of_what(void)
{
    struct user_handle handle;
    world_begin();
    handle_open(&handle, &(struct options){0});
    CHECK_EQ(request(&handle, FD_IOCTL_SHUTDOWN, 0), STATUS_INVALID_PARAMETER);
    CHECK_EQ(request(&handle, FD_IOCTL_SHUTDOWN, 4), STATUS_INVALID_PARAMETER);
    CHECK_EQ(request(&handle, FD_IOCTL_SHUTDOWN, 0xffffffff), STATUS_INVALID_PARAMETER);
    handle_close(&handle);
    world_end();
}

static void after_shutdown_of_receiving_packets_pass(void)
{
    struct user_handle handle;
    struct packet packet;
    struct taken taken;

    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 64, 1);
    CHECK(!sim_packet(&(struct sim_traffic){.way = SIM_OUTBOUND}, packet.bytes, packet.length));
    CHECK(!sim_event_take(handle.doorbell));
    CHECK_EQ(request(&handle, FD_IOCTL_SHUTDOWN, FD_WINDOWS_SHUTDOWN_RECV), STATUS_SUCCESS);
    CHECK(sim_event_take(handle.doorbell)); /* whoever waits, wakes up */
    CHECK(sim_packet(&(struct sim_traffic){.way = SIM_OUTBOUND}, packet.bytes, packet.length));
    CHECK_EQ(take(&handle, 0, &taken, 1), 1); /* what waited is still there */
    CHECK_EQ(take(&handle, 0, &taken, 1), 0);
    CHECK_EQ(send_one(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND), STATUS_SUCCESS);
    CHECK_EQ(request(&handle, FD_IOCTL_SHUTDOWN, FD_WINDOWS_SHUTDOWN_RECV), STATUS_SUCCESS);
    handle_close(&handle);
    world_end();
}

static void after_shutdown_of_sending_flush_is_refused(void)
{
    struct user_handle handle;
    struct packet packet;
    struct flush result;

    world_begin();
    handle_open(&handle, &(struct options){0});
    numbered(&packet, 0, 64, 1);
    put_record(&handle, packet.bytes, packet.length, FD_FLAG_OUTBOUND);
    CHECK_EQ(request(&handle, FD_IOCTL_SHUTDOWN, FD_WINDOWS_SHUTDOWN_SEND), STATUS_SUCCESS);
    CHECK_EQ(flush(&handle, 0, &result), STATUS_PIPE_DISCONNECTED);
    CHECK_EQ(sim_arrival_count(), 0);
    CHECK(!sim_packet(&(struct sim_traffic){.way = SIM_OUTBOUND}, packet.bytes, packet.length));
    CHECK_EQ(drain(&handle), 1);
    CHECK_EQ(request(&handle, FD_IOCTL_SHUTDOWN, FD_WINDOWS_SHUTDOWN_BOTH), STATUS_SUCCESS);
    CHECK(sim_packet(&(struct sim_traffic){.way = SIM_OUTBOUND}, packet.bytes, packet.length));
    handle_close(&handle);
    world_end();
}

int main(void)
{
    each_ioctl_has_its_states();
    startup_takes_no_argument();
    parameters_have_their_ranges();
    parameters_have_their_lengths();
    stats_need_room_for_every_queue();
    flush_consumes_what_its_statuses_have_room_for();
    shutdown_wants_to_know_of_what();
    after_shutdown_of_receiving_packets_pass();
    after_shutdown_of_sending_flush_is_refused();
    return check_result();
}
