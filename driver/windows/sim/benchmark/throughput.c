/* SPDX-License-Identifier: MIT */
/*
 * Packets through the simulated kernel on one core, by our ring and by one
 * request for each packet, in the same harness: the stack classifies a list of
 * packets, the process takes each of them and looks at its first bytes; and puts
 * each of them back. Sends go through the whole simulated stack, which costs
 * both drivers the same and more than the drivers themselves.
 *
 * Before them the ring by itself: what of a received packet's time is its queue's.
 *
 * A request here is a function call. On Windows it is a system call besides, so
 * the ratio there is larger than what is seen here.
 */
#include "packets.h"
#include "../test/world.h"

#include "peer.h"
#include "ring_alone.h"

#include <stdio.h>
#include <time.h>

#define BATCH 64u
#define SECONDS 0.6
#define REPEATS 5

static struct user_handle handle;
static HANDLE peer;
static NET_BUFFER_LIST *list;
static uint8_t packet_bytes[1500];
static uint32_t packet_length;
static volatile uint32_t sink;
static const struct sim_traffic outbound = {.way = SIM_OUTBOUND, .irql = DISPATCH_LEVEL};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void need(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "the measurement needs: %s\n", what);
    exit(1);
}

static void make_packet(uint32_t length)
{
    memset(packet_bytes, 0x5a, sizeof(packet_bytes));
    memcpy(packet_bytes, "\x45\0\0\0\0\0\0\0\x40\x11\0\0\x0a\x01\x02\x03\xc0\xa8\x07\x09", 20);
    packet_bytes[2] = (uint8_t)(length >> 8);
    packet_bytes[3] = (uint8_t)length;
    memset(packet_bytes + 20, 0, 8);
    packet_bytes[25] = (uint8_t)(length - 20);
    packet_length = length;
    struct sim_bytes packets[BATCH];
    for (unsigned i = 0; i < BATCH; i++)
        packets[i] = (struct sim_bytes){packet_bytes, length};
    list = sim_list_build(&outbound, packets, BATCH, 1);
}

/* ---- a batch each -------------------------------------------------------------- */

static void ring_capture(void)
{
    need(!sim_list_classify(&outbound, list), "that the driver takes the packets");
}

static void ring_receive(void)
{
    struct fd_record records[BATCH];
    uint32_t first, count = 0, got;
    struct fd_consumer *consumer = &handle.receive[0].consumer;

    ring_capture();
    while ((got = fd_consumer_take(consumer, BATCH, INT64_MIN, records, &first)) != 0) {
        for (uint32_t i = 0; i < got; i++)
            sink += records[i].packet[16];
        count += got;
    }
    fd_consumer_release(consumer, consumer->taken, consumer->byte_taken);
    need(count == BATCH, "every packet of the batch");
}

static void ring_send(void)
{
    struct flush result;
    for (unsigned i = 0; i < BATCH; i++)
        need(put_record(&handle, packet_bytes, packet_length, FD_FLAG_OUTBOUND) != NULL, "room");
    need(NT_SUCCESS(flush(&handle, 0, &result)) && result.head.injected == BATCH,
         "every packet sent");
}

static void ring_alone(void)
{
    ring_alone_produce();
    ring_alone_consume();
}

static void peer_receive(void)
{
    static uint8_t out[2048];
    ULONG_PTR got;

    ring_capture();
    for (unsigned i = 0; i < BATCH; i++) {
        need(sim_ioctl(peer, PEER_RECEIVE, NULL, 0, out, sizeof(out), &got) == STATUS_SUCCESS &&
                 got == packet_length,
             "every packet of the batch");
        sink += out[16];
    }
}

static void peer_send(void)
{
    for (unsigned i = 0; i < BATCH; i++)
        need(sim_ioctl(peer, PEER_SEND, packet_bytes, packet_length, NULL, 0, NULL) ==
                 STATUS_SUCCESS,
             "every packet sent");
}

static double median(double rates[REPEATS])
{
    for (int i = 1; i < REPEATS; i++)
        for (int j = i; j > 0 && rates[j] < rates[j - 1]; j--) {
            double swap = rates[j];
            rates[j] = rates[j - 1];
            rates[j - 1] = swap;
        }
    return rates[REPEATS / 2];
}

/* Millions of packets a second: the median of some runs. */
static double measure(void (*batch)(void))
{
    double rates[REPEATS];

    for (int run = 0; run < REPEATS; run++) {
        unsigned long batches = 0;
        double begin = now(), end;
        do {
            for (int i = 0; i < 64; i++)
                batch();
            batches += 64;
            end = now();
        } while (end - begin < SECONDS);
        rates[run] = (double)batches * BATCH / (end - begin) / 1e6;
    }
    return median(rates);
}

/* The driver's end alone: the clock stands while the process takes. */
static double measure_producer(void)
{
    double rates[REPEATS];

    for (int run = 0; run < REPEATS; run++) {
        unsigned long batches = 0;
        double spent = 0;
        do {
            double begin = now();
            ring_alone_produce();
            spent += now() - begin;
            ring_alone_consume();
            batches++;
        } while (spent < SECONDS);
        rates[run] = (double)batches * BATCH / spent / 1e6;
    }
    return median(rates);
}

static void measure_ring_alone(uint32_t length)
{
    ring_alone_begin(packet_bytes, length, BATCH);
    double copy = measure(ring_alone_copy);
    double producer = measure_producer(), both = measure(ring_alone);
    ring_alone_end();
    printf("%6u %14.2f %14.2f %14.2f\n", length, copy, producer, both);
}

int main(void)
{
    static const uint32_t lengths[] = {64, 512, 1500};

    printf("the ring alone, million packets a second on one core, published by %u\n", BATCH);
    printf("%6s %14s %14s %14s\n", "bytes", "copying alone", "driver's end", "both ends");
    for (unsigned i = 0; i < 3; i++) {
        make_packet(lengths[i]);
        sim_list_free(list);
        measure_ring_alone(lengths[i]);
    }

    printf("million packets a second on one core, lists of %u\n", BATCH);
    printf("%6s %14s %14s %7s %14s %14s %7s\n", "bytes", "ring, receive", "request each", "ratio",
           "ring, send", "request each", "ratio");
    for (unsigned i = 0; i < 3; i++) {
        make_packet(lengths[i]);
        world_begin();
        sim_arrivals_keep(0);
        handle_open(&handle, &(struct options){.descriptor_count = 4096, .byte_size = 1u << 22});
        double receive = measure(ring_receive), send = measure(ring_send);
        handle_close(&handle);
        world_end();

        need(NT_SUCCESS(sim_driver_load(PeerEntry)), "the other driver");
        need(NT_SUCCESS(sim_open(PEER_PATH, SIM_SYSTEM, &peer)), "its device");
        sim_arrivals_keep(0);
        double peer_received = measure(peer_receive), peer_sent = measure(peer_send);
        sim_handle_close(peer);
        sim_driver_unload();
        sim_list_free(list);
        printf("%6u %14.2f %14.2f %7.1f %14.2f %14.2f %7.1f\n", lengths[i], receive, peer_received,
               receive / peer_received, send, peer_sent, send / peer_sent);
    }
    return 0;
}
