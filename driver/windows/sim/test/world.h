/* SPDX-License-Identifier: MIT */
/*
 * The user's side for the tests: a process that loads the driver, opens
 * handles by its IOCTLs, and works at the other ends of the rings with the core
 * that the extension uses.
 */
#ifndef FD_SIM_WORLD_H
#define FD_SIM_WORLD_H

#include "../../../core/ring.h"
#include "../../interface.h"
#include "../stack.h"
#include "programs.h"

#define DEVICE_PATH L"\\\\.\\fastdivert-1"

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry);

/* Loads the driver, and enters a new process. */
void world_begin(void);
/* Ends the process if it is still there, unloads, and nothing may be left. */
void world_end(void);
PEPROCESS world_process(void);
/* The process dies as it stands; handles must not be used any more. */
void world_process_dies(void);

/* ---- programs --------------------------------------------------------------- */

struct fd_program program_of(struct fd_filter_test test, uint32_t layer);
struct fd_program everything(uint32_t layer);
struct fd_program nothing(uint32_t layer);

/* ---- handles ------------------------------------------------------------------ */

struct user_queue {
    void *descriptors, *bytes;
    uint32_t descriptor_count;
    uint64_t byte_size;
    struct fd_ring ring;
    struct fd_consumer consumer;
    struct fd_producer producer;
};

/* Zero is a default that diverts everything at the network layer. */
struct options {
    uint32_t layer, flags;
    int32_t priority;
    uint32_t queue_length, queue_time;
    uint64_t queue_size;
    const struct fd_program *program;
    uint32_t receive_count; /* 0: 1, if the flags allow any */
    int no_send_queue;
    uint32_t descriptor_count;
    uint64_t byte_size;
};

struct user_handle {
    HANDLE file, doorbell;
    struct options options;
    uint32_t receive_count, send_count;
    struct user_queue receive[FD_WINDOWS_QUEUES_MAX];
    struct user_queue send;
};

NTSTATUS handle_create(struct user_handle *handle, const struct options *options);
NTSTATUS handle_configure(struct user_handle *handle); /* OPEN */
void handle_allocate(struct user_handle *handle);      /* the queues' memory */
NTSTATUS handle_register(struct user_handle *handle);
NTSTATUS handle_startup(struct user_handle *handle);
/* All of these; ends the test if one fails. */
void handle_open(struct user_handle *handle, const struct options *options);
/* All of these; the first failure, and then everything is closed and freed. */
NTSTATUS handle_try(struct user_handle *handle, const struct options *options);
void handle_close(struct user_handle *handle);
void handle_free(struct user_handle *handle); /* the memory, if it was closed otherwise */

NTSTATUS request(const struct user_handle *handle, uint32_t code, uint32_t argument);
NTSTATUS set_filter(const struct user_handle *handle, const struct fd_program *program);
NTSTATUS set_param(const struct user_handle *handle, uint32_t parameter, uint64_t value);
NTSTATUS get_param(const struct user_handle *handle, uint32_t parameter, uint64_t *value);

struct totals {
    struct fd_windows_injection_counters injection;
    struct fd_producer_counters queues; /* summed up */
    uint32_t queue_count;
};
struct totals stats(const struct user_handle *handle);
uint64_t dropped(const struct totals *totals);
/* matched = queued + dropped, and the rings' headers show the same. */
void check_conserved(const struct user_handle *handle);

/* ---- packets ---------------------------------------------------------------------- */

struct taken {
    struct fd_descriptor descriptor;
    struct fd_record record;
};

/* Takes up to most records of a queue, without giving them back. */
uint32_t take(struct user_handle *handle, uint32_t queue, struct taken *taken, uint32_t most);
void give_back(struct user_handle *handle, uint32_t queue);
/* Takes and gives back everything in all queues; how many records. */
uint32_t drain(struct user_handle *handle);

/* A record into the send queue, not yet published; NULL if it does not fit. */
struct fd_descriptor *put_record(struct user_handle *handle, const uint8_t *bytes, uint32_t length,
                                 uint32_t flags);
/* Publishes, and flushes up to most; fills flushed and up to 256 statuses. */
struct flush {
    struct fd_windows_flushed head;
    int32_t status[256];
};
NTSTATUS flush(struct user_handle *handle, uint32_t most, struct flush *result);
/* One packet: its status. */
NTSTATUS send_one(struct user_handle *handle, const uint8_t *bytes, uint32_t length,
                  uint32_t flags);

/* A UDP packet of this length (at least 28, 48 for IPv6) that is told from
 * others by its number. */
struct packet;
void numbered(struct packet *packet, int ipv6, uint32_t length, uint32_t number);
uint32_t number_of(const uint8_t *bytes, int ipv6);

#endif
