/* SPDX-License-Identifier: MIT */
/*
 * A whole user of the driver in C: takes packets from every queue in the order
 * in which they came, and puts them back. The live tests and benchmarks run it
 * in namespaces of their own.
 *
 *   pump PROGRAM [name=value ...]
 *
 * PROGRAM is a file with a struct fd_program. Prints "ready", and at the end
 * (SIGTERM, SIGINT, or after seconds=) one line of counters as JSON.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../live.h"

#define BATCH_MAX 1024u

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

struct settings {
    long layer, priority, length, size, sniff, discard, pass, captures;
    long batch;    /* most packets taken at once */
    long hold;     /* microseconds to sit on every batch */
    long reinject; /* 0: what is taken is lost */
    long spin;     /* polls before it sleeps */
    long stall;    /* milliseconds before the first packet is taken */
    long milliseconds;
    long socket; /* put everything back by socket */
};

static int parse_settings(int count, char **texts, struct settings *settings)
{
    const struct {
        const char *name;
        long *value;
    } known[] = {{"priority", &settings->priority},
                 {"length", &settings->length},
                 {"size", &settings->size},
                 {"sniff", &settings->sniff},
                 {"discard", &settings->discard},
                 {"pass", &settings->pass},
                 {"captures", &settings->captures},
                 {"batch", &settings->batch},
                 {"hold", &settings->hold},
                 {"reinject", &settings->reinject},
                 {"spin", &settings->spin},
                 {"stall", &settings->stall},
                 {"milliseconds", &settings->milliseconds},
                 {"socket", &settings->socket}};

    for (int i = 0; i < count; i++) {
        const char *equals = strchr(texts[i], '=');
        size_t j = 0;
        while (equals != NULL && j < sizeof(known) / sizeof(known[0]) &&
               (strlen(known[j].name) != (size_t)(equals - texts[i]) ||
                strncmp(known[j].name, texts[i], (size_t)(equals - texts[i])) != 0))
            j++;
        if (equals == NULL || j == sizeof(known) / sizeof(known[0])) {
            (void)fprintf(stderr, "pump: unknown setting %s\n", texts[i]);
            return 0;
        }
        *known[j].value = strtol(equals + 1, NULL, 0);
    }
    return settings->batch >= 1 && settings->batch <= (long)BATCH_MAX;
}

static int read_program(const char *path, struct fd_program *program)
{
    uint32_t test;
    FILE *file = fopen(path, "rbe");

    if (file == NULL)
        return 0;
    size_t size = fread(program, 1, sizeof(*program), file);
    (void)fclose(file);
    return fd_program_verify(program, size, &test) == FD_PROGRAM_OK;
}

/* ---- taking in order ----------------------------------------------------- */

struct tap {
    struct fd_consumer *consumers;
    uint32_t count;
    /* One batch: descriptors are copied, bytes stay where they are. */
    struct fd_descriptor descriptors[BATCH_MAX];
    struct fd_record records[BATCH_MAX];
};

static const struct fd_descriptor *front(const struct fd_consumer *consumer)
{
    return &consumer->ring.descriptors[consumer->taken & (consumer->ring.descriptor_count - 1)];
}

/* One packet at a time from the queue whose next one is the oldest. */
static uint32_t take(struct tap *tap, uint32_t most)
{
    uint32_t taken = 0;

    while (taken < most) {
        struct fd_consumer *oldest = NULL;
        uint32_t first;
        for (uint32_t i = 0; i < tap->count; i++)
            if (fd_consumer_waiting(&tap->consumers[i]) != 0 &&
                (oldest == NULL || front(&tap->consumers[i])->timestamp < front(oldest)->timestamp))
                oldest = &tap->consumers[i];
        if (oldest == NULL ||
            fd_consumer_take(oldest, 1, INT64_MIN, &tap->records[taken], &first) == 0)
            break;
        tap->descriptors[taken++] = oldest->ring.descriptors[first];
    }
    return taken;
}

static void release(struct tap *tap)
{
    for (uint32_t i = 0; i < tap->count; i++)
        fd_consumer_release(&tap->consumers[i], tap->consumers[i].taken,
                            tap->consumers[i].byte_taken);
}

static void wait_for_bell(struct tap *tap, struct fd_live *live, int milliseconds)
{
    struct pollfd bell = {.fd = fd_live_doorbell(live), .events = POLLIN};
    int sleeps = 1;

    for (uint32_t i = 0; i < tap->count; i++)
        sleeps &= fd_consumer_sleep(&tap->consumers[i]);
    if (sleeps)
        (void)poll(&bell, 1, milliseconds);
    for (uint32_t i = 0; i < tap->count; i++)
        fd_consumer_wake(&tap->consumers[i]);
    fd_live_silence(live);
}

/* ---- the loop ------------------------------------------------------------ */

struct tally {
    uint64_t taken, bytes, sent, faults, batches, super, gso, partial, late, waits;
    int64_t last;
    int fault; /* the last errno */
};

static void count(struct tally *tally, const struct tap *tap, uint32_t number)
{
    for (uint32_t i = 0; i < number; i++) {
        const struct fd_descriptor *descriptor = &tap->descriptors[i];
        tally->bytes += descriptor->captured;
        tally->super += descriptor->captured > 65535 + 40;
        tally->gso += descriptor->gso_size != 0;
        tally->partial += (descriptor->flags &
                           (FD_FLAG_TCP_CHECKSUM_PARTIAL | FD_FLAG_UDP_CHECKSUM_PARTIAL)) != 0;
        tally->late += descriptor->timestamp < tally->last;
        tally->last = descriptor->timestamp;
    }
    tally->taken += number;
    tally->batches++;
}

static void put_back(struct tally *tally, struct tap *tap, struct fd_live *live, uint32_t number)
{
    static int32_t faults[BATCH_MAX];

    tally->sent += fd_live_inject(live, tap->descriptors, tap->records, number, 0, faults);
    for (uint32_t i = 0; i < number; i++) {
        if (faults[i] != 0) {
            tally->faults++;
            tally->fault = faults[i];
        }
    }
}

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void pump(const struct settings *settings, struct tap *tap, struct fd_live *live,
                 struct tally *tally)
{
    int64_t end = settings->milliseconds ? now() + settings->milliseconds * 1000000 : INT64_MAX;
    long idle = 0;
    int draining = 0;

    if (settings->stall)
        (void)usleep((useconds_t)settings->stall * 1000);
    for (;;) {
        uint32_t number = take(tap, (uint32_t)settings->batch);
        if (number == 0 && draining)
            return;
        if ((stopped || now() > end) && !draining) {
            fd_live_stop(live);
            draining = 1;
        }
        if (number == 0) {
            if (++idle > settings->spin && !draining) {
                tally->waits++;
                wait_for_bell(tap, live, 100);
            }
            continue;
        }
        idle = 0;
        count(tally, tap, number);
        if (settings->hold)
            (void)usleep((useconds_t)settings->hold);
        if (settings->reinject && !settings->sniff)
            put_back(tally, tap, live, number);
        release(tap);
    }
}

static void report(struct fd_live *live, const struct tally *tally)
{
    struct fd_live_stats stats;
    struct rusage usage;
    struct fd_error error = {0};

    if (fd_live_read_stats(live, &stats, &error) < 0)
        (void)fprintf(stderr, "pump: %s\n", error.message);
    getrusage(RUSAGE_SELF, &usage);
    (void)printf("{\"taken\": %llu, \"bytes\": %llu, \"sent\": %llu, \"faults\": %llu, "
                 "\"fault\": \"%s\", \"batches\": %llu, \"oversized\": %llu, \"gso\": %llu, "
                 "\"partial\": %llu, \"late\": %llu, \"waits\": %llu, ",
                 (unsigned long long)tally->taken, (unsigned long long)tally->bytes,
                 (unsigned long long)tally->sent, (unsigned long long)tally->faults,
                 tally->fault ? strerror(tally->fault) : "", (unsigned long long)tally->batches,
                 (unsigned long long)tally->super, (unsigned long long)tally->gso,
                 (unsigned long long)tally->partial, (unsigned long long)tally->late,
                 (unsigned long long)tally->waits);
    (void)printf(
        "\"seen\": %llu, \"matched\": %llu, \"queued\": %llu, \"malformed\": %llu, "
        "\"doorbells\": %llu, \"dropped\": [",
        (unsigned long long)stats.producer.seen, (unsigned long long)stats.producer.matched,
        (unsigned long long)stats.producer.queued, (unsigned long long)stats.producer.malformed,
        (unsigned long long)stats.producer.doorbells);
    for (unsigned i = 0; i < FD_DROP_COUNT; i++)
        (void)printf("%s%llu", i ? ", " : "", (unsigned long long)stats.producer.dropped[i]);
    (void)printf(
        "], \"restored\": %llu, \"turned\": %llu, \"routed\": %llu, \"foreign\": %llu, "
        "\"stray\": %llu, \"super\": %llu, \"framed\": %llu, \"interfaces\": %u, \"user\": %.3f, "
        "\"system\": %.3f}\n",
        (unsigned long long)stats.way_back.restored, (unsigned long long)stats.way_back.turned,
        (unsigned long long)stats.way_back.routed, (unsigned long long)stats.way_back.foreign,
        (unsigned long long)stats.way_back.stray, (unsigned long long)stats.way_back.super,
        (unsigned long long)stats.way_back.framed, stats.interfaces,
        (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
        (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6);
}

static int attach_consumers(struct tap *tap, const struct fd_queues *queues)
{
    tap->count = queues->count;
    tap->consumers = calloc(tap->count, sizeof(*tap->consumers));
    for (uint32_t i = 0; tap->consumers != NULL && i < tap->count; i++) {
        const struct fd_queue_region *region = &queues->regions[i];
        struct fd_ring ring;
        if (fd_ring_attach(&ring, region->descriptors, region->descriptors_size, region->bytes,
                           region->bytes_size) != FD_RING_OK)
            return 0;
        fd_consumer_attach(&tap->consumers[i], &ring);
    }
    return tap->consumers != NULL;
}

int main(int count, char **texts)
{
    static struct tap tap;
    static struct fd_program program;
    struct settings settings = {
        .length = 4096, .size = 4 << 20, .captures = 1, .batch = 256, .reinject = 1, .spin = 200};
    struct fd_error error = {0};
    struct tally tally = {0};
    struct sigaction action = {.sa_handler = on_signal};

    if (count < 2 || !parse_settings(count - 2, texts + 2, &settings) ||
        !read_program(texts[1], &program)) {
        (void)fprintf(stderr, "usage: pump PROGRAM [name=value ...]\n");
        return 2;
    }
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    struct fd_live_options options = {.program = &program,
                                      .priority = (int32_t)settings.priority,
                                      .queue_length = (uint32_t)settings.length,
                                      .queue_time = FD_QUEUE_TIME_DEFAULT,
                                      .queue_size = (uint64_t)settings.size,
                                      .sniffs = settings.sniff != 0,
                                      .discards = settings.discard != 0,
                                      .captures = settings.captures != 0,
                                      .passes_overflow = settings.pass != 0,
                                      .by_socket = settings.socket != 0};
    struct fd_live *live = fd_live_open(&options, &error);
    if (live == NULL || !attach_consumers(&tap, fd_live_queues(live))) {
        (void)fprintf(stderr, "pump: %s\n", error.message);
        return 1;
    }
    (void)puts("ready");
    (void)fflush(stdout);
    pump(&settings, &tap, live, &tally);
    report(live, &tally);
    fd_live_close(live);
    free(tap.consumers);
    return 0;
}
