/* SPDX-License-Identifier: MIT */
/* A handle's queues: one for each CPU that this machine can have, and the bell
 * that they share. */
#ifndef FD_LINUX_QUEUES_H
#define FD_LINUX_QUEUES_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct fd_queue_region {
    void *descriptors;
    size_t descriptors_size;
    void *bytes;
    size_t bytes_size;
};

struct fd_queues {
    uint32_t count;
    uint32_t descriptor_count;
    uint64_t byte_size;
    uint32_t descriptor_stride; /* of the map elements: whole pages */
    uint32_t byte_stride;
    int descriptor_map; /* borrowed */
    int byte_map;
    int doorbell;
    void *doorbell_consumer;
    void *doorbell_producer;
    struct fd_queue_region *regions;
};

/* How many CPUs the kernel may ever bring up, or 0. */
uint32_t fd_possible_cpus(void);

/* Rounds the geometry up to what the ring needs. */
void fd_queues_size(struct fd_queues *queues, uint32_t queue_length, uint64_t queue_size);

/* Maps and formats all queues; the descriptors of the maps stay the caller's. */
int fd_queues_map(struct fd_queues *queues, int descriptor_map, int byte_map, int doorbell,
                  struct fd_error *error);
void fd_queues_unmap(struct fd_queues *queues);

void fd_queues_set_policy(struct fd_queues *queues, uint32_t length, uint32_t time, uint64_t size);

/* Forgets what rang, so that the bell's descriptor waits again. */
void fd_queues_silence(struct fd_queues *queues);

#endif
