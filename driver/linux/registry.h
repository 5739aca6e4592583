/* SPDX-License-Identifier: MIT */
/*
 * Which handles are open on this host. Each handle owns one map of one element,
 * named fdv_handle and frozen: its record. Whoever may list maps can read it,
 * from any network, PID or mount namespace; and the kernel takes it away with
 * the process, however that ends, so there is nothing to clean up.
 */
#ifndef FD_LINUX_REGISTRY_H
#define FD_LINUX_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include "../core/program.h"
#include "error.h"

#define FD_REGISTRY_NAME "fdv_handle"
#define FD_REGISTRY_MAGIC 0x31646e6876646601ull
#define FD_REGISTRY_VERSION 1u

/* Of a longer filter text only so much is kept; its program is always whole. */
#define FD_REGISTRY_TEXT_MAX 65536u

/* The element: this, then text_length bytes of UTF-8, then program_length
 * bytes of struct fd_program. */
struct fd_handle_record {
    uint64_t magic;
    uint32_t version;
    uint32_t revision; /* a swapped filter makes a new record, one higher */
    uint64_t identity; /* random: records that share it are of one handle */
    int64_t opened;    /* ns since the epoch */
    uint64_t net_namespace;
    uint64_t pid_namespace; /* both by inode, as /proc/PID/ns tells them */
    uint32_t pid;           /* as the initial PID namespace counts */
    uint32_t own_pid;       /* as the process itself counts */
    uint32_t user;
    int32_t priority;
    uint32_t layer; /* enum fd_layer */
    uint32_t flags; /* WinDivert's, as the handle was opened with them */
    uint32_t mark;  /* of packets that it puts back; 0: it puts none back */
    uint32_t queue_count;
    uint32_t queue_stride; /* of the elements of this map, which are its queues: */
    uint32_t queues_map;   /* id, or 0 */
    uint32_t control_map;  /* id of a map of struct fd_live_control, or 0 */
    uint32_t text_length;
    uint32_t program_length;
    uint32_t padding;
    char command[16];
};

/* A handle's own entry. */
struct fd_registration {
    int map; /* -1: none */
    struct fd_handle_record record;
};

/* Fills in who opens a handle, where and when; the rest is the caller's. */
int fd_registration_begin(struct fd_registration *registration, struct fd_error *error);

/* Publishes the record, in place of the one before it. */
int fd_registration_publish(struct fd_registration *registration, const char *text,
                            const struct fd_program *program, struct fd_error *error);
void fd_registration_end(struct fd_registration *registration);

/* The id of a map that we have open, or 0. */
uint32_t fd_registry_map_id(int map);

/* ---- reading ------------------------------------------------------------- */

/* What its queues hold and have counted, added up. */
struct fd_registry_queues {
    uint64_t length;  /* QUEUE_LENGTH of each queue */
    uint64_t waiting; /* records not received yet */
    uint64_t fullest; /* the same of the queue that has most */
    uint64_t held;    /* received, not given back yet */
    struct fd_producer_counters producer;
    struct fd_consumer_counters consumer;
};

struct fd_registry_entry {
    struct fd_handle_record record;
    uint8_t *element;       /* malloc'ed: what the map holds, record included */
    const char *text;       /* in it; not terminated */
    const uint8_t *program; /* in it, at any alignment, not verified */
    uint8_t closed;         /* its process closed it, and a child still has it open */
    uint8_t has_queues;     /* the rest was readable */
    struct fd_registry_queues queues;
};

/* The next record after map *id, which starts at 0 and is moved on. Returns 1,
 * or 0 at the end, or -1. Records that are going away, or make no sense, are
 * passed over. */
int fd_registry_next(uint32_t *id, struct fd_registry_entry *entry, struct fd_error *error);
void fd_registry_entry_free(struct fd_registry_entry *entry);

#endif
