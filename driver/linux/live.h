/* SPDX-License-Identifier: MIT */
/*
 * A handle on the host's traffic: its maps, its programs on every interface,
 * its queues, and the way back. This is what the extension binds; every other
 * header here is a part of it.
 */
#ifndef FD_LINUX_LIVE_H
#define FD_LINUX_LIVE_H

#include <stdint.h>

#include "../core/program.h"
#include "../core/ring.h"
#include "error.h"
#include "queues.h"
#include "shared.h"

struct fd_live;

struct fd_live_options {
    const struct fd_program *program; /* verified, of a packet layer */
    int32_t priority;                 /* -30000 to 30000 */
    uint32_t queue_length;
    uint32_t queue_time;
    uint64_t queue_size;
    uint32_t reassembles;    /* FD_REASSEMBLES and fragment kinds (shared.h), or 0 */
    uint8_t sniffs;          /* copy, and let the packet go on */
    uint8_t discards;        /* drop what matches, queue nothing */
    uint8_t captures;        /* 0: the handle only sends */
    uint8_t passes_overflow; /* let pass what finds no room, instead of dropping it */
    uint8_t by_socket;       /* put everything back by socket, for comparison */
    const char *text;        /* the rest is for the registry: the filter's, or NULL */
    uint32_t flags;          /* WinDivert's */
};

/* What the programs counted, over all CPUs. */
struct fd_live_stats {
    struct fd_producer_counters producer;
    struct fd_live_counters way_back;
    uint32_t interfaces;
    uint32_t attach_failures; /* interfaces that could not be attached to */
};

struct fd_live *fd_live_open(const struct fd_live_options *options, struct fd_error *error);

/* All of opening but for the interfaces: nothing is attached. 0 or -1. */
int fd_live_try(const struct fd_live_options *options, struct fd_error *error);

/* Closing has three steps. Stop: nothing new is captured, but what was put back
 * before still arrives; now drain the queues, and send what they held. Detach:
 * programs, links and sockets go; the queues stay mapped for whoever looks at
 * packets in them. Close: all goes. Each step does those before it. */
void fd_live_stop(struct fd_live *live);
void fd_live_detach(struct fd_live *live);
void fd_live_close(struct fd_live *live);

/* Swaps the filter: every packet is judged by the old one or by the new one. */
int fd_live_set_program(struct fd_live *live, const struct fd_program *program,
                        uint32_t reassembles, const char *text, struct fd_error *error);

const struct fd_queues *fd_live_queues(const struct fd_live *live);
void fd_live_set_policy(struct fd_live *live, uint32_t length, uint32_t time, uint64_t size);

/* Readable when a queue whose consumer slept has got a record; fd_live_silence
 * makes it wait again. */
int fd_live_doorbell(const struct fd_live *live);
void fd_live_silence(struct fd_live *live);

/* The clock of descriptors' timestamps, now: ns since the epoch, monotonic. */
int64_t fd_live_now(const struct fd_live *live);

/* See fd_inject. */
uint32_t fd_live_inject(struct fd_live *live, const struct fd_descriptor *descriptors,
                        const struct fd_record *records, uint32_t count, int untouched,
                        int32_t *faults);

/* The program of a direction (enum fd_direction), for BPF_PROG_TEST_RUN. */
int fd_live_program(const struct fd_live *live, int direction);

int fd_live_read_stats(struct fd_live *live, struct fd_live_stats *stats, struct fd_error *error);

#endif
