/* SPDX-License-Identifier: MIT */
#include "queues.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../core/ring.h"

static uint64_t power_of_two(uint64_t value)
{
    uint64_t power = 1;

    while (power < value)
        power *= 2;
    return power;
}

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
    if (value < least)
        return least;
    return value > most ? most : value;
}

static uint64_t whole_pages(uint64_t size)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

uint32_t fd_possible_cpus(void)
{
    FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
    unsigned last = 0;
    unsigned next;
    char between;

    if (file == NULL)
        return 0;
    /* "0-3,6": the numbers end with the highest. */
    int found = fscanf(file, "%u", &last) == 1;
    while (found && fscanf(file, "%c%u", &between, &next) == 2)
        last = next;
    (void)fclose(file);
    return found ? last + 1 : 0;
}

void fd_queues_size(struct fd_queues *queues, uint32_t queue_length, uint64_t queue_size)
{
    /* Twice what may wait, so that a full queue can fill up again while the
     * user has what was in it. */
    uint64_t count = clamp(2 * (uint64_t)queue_length, FD_DESCRIPTORS_MIN, FD_DESCRIPTORS_MAX);

    queues->descriptor_count = (uint32_t)power_of_two(count);
    queues->byte_size = power_of_two(clamp(2 * queue_size, FD_BYTES_MIN, FD_BYTES_MAX / 2));
    queues->descriptor_stride =
        (uint32_t)whole_pages(fd_ring_descriptor_region_size(queues->descriptor_count));
    queues->byte_stride = (uint32_t)whole_pages(fd_ring_byte_region_size(queues->byte_size));
}

static void *map_shared(int file, size_t size, uint64_t offset, int protection)
{
    void *at = mmap(NULL, size, protection, MAP_SHARED, file, (off_t)offset);

    return at == MAP_FAILED ? NULL : at;
}

static int map_queue(struct fd_queues *queues, uint32_t number, struct fd_error *error)
{
    struct fd_queue_region *region = &queues->regions[number];
    struct fd_ring ring;

    region->descriptors_size = fd_ring_descriptor_region_size(queues->descriptor_count);
    region->bytes_size = fd_ring_byte_region_size(queues->byte_size);
    region->descriptors =
        map_shared(queues->descriptor_map, queues->descriptor_stride,
                   (uint64_t)number * queues->descriptor_stride, PROT_READ | PROT_WRITE);
    region->bytes = map_shared(queues->byte_map, queues->byte_stride,
                               (uint64_t)number * queues->byte_stride, PROT_READ | PROT_WRITE);
    if (region->descriptors == NULL || region->bytes == NULL)
        return fd_fail_errno(error, "mapping a queue");
    if (fd_ring_format(&ring, region->descriptors, region->bytes, queues->descriptor_count,
                       queues->byte_size, number) != FD_RING_OK)
        return fd_fail(error, FD_ERROR_ARGUMENT, 0, "no ring has %u descriptors and %llu bytes",
                       queues->descriptor_count, (unsigned long long)queues->byte_size);
    return 0;
}

int fd_queues_map(struct fd_queues *queues, int descriptor_map, int byte_map, int doorbell,
                  struct fd_error *error)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    queues->descriptor_map = descriptor_map;
    queues->byte_map = byte_map;
    queues->doorbell = doorbell;
    queues->regions = calloc(queues->count, sizeof(*queues->regions));
    if (queues->regions == NULL)
        return fd_fail(error, FD_ERROR_MEMORY, 0, "no memory for %u queues", queues->count);
    for (uint32_t i = 0; i < queues->count; i++)
        if (map_queue(queues, i, error) < 0)
            return -1;
    /* A BPF ring buffer: a page that we write, a page that the kernel does. */
    queues->doorbell_consumer = map_shared(doorbell, page, 0, PROT_READ | PROT_WRITE);
    queues->doorbell_producer = map_shared(doorbell, page, page, PROT_READ);
    if (queues->doorbell_consumer == NULL || queues->doorbell_producer == NULL)
        return fd_fail_errno(error, "mapping the doorbell");
    return 0;
}

void fd_queues_unmap(struct fd_queues *queues)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    for (uint32_t i = 0; queues->regions != NULL && i < queues->count; i++) {
        if (queues->regions[i].descriptors != NULL)
            munmap(queues->regions[i].descriptors, queues->descriptor_stride);
        if (queues->regions[i].bytes != NULL)
            munmap(queues->regions[i].bytes, queues->byte_stride);
    }
    free(queues->regions);
    queues->regions = NULL;
    if (queues->doorbell_consumer != NULL)
        munmap(queues->doorbell_consumer, page);
    if (queues->doorbell_producer != NULL)
        munmap(queues->doorbell_producer, page);
    queues->doorbell_consumer = queues->doorbell_producer = NULL;
}

void fd_queues_set_policy(struct fd_queues *queues, uint32_t length, uint32_t time, uint64_t size)
{
    for (uint32_t i = 0; i < queues->count; i++) {
        struct fd_ring_header *header = queues->regions[i].descriptors;
        __atomic_store_n(&header->queue_length, length, __ATOMIC_RELAXED);
        __atomic_store_n(&header->queue_time, time, __ATOMIC_RELAXED);
        __atomic_store_n(&header->queue_size, size, __ATOMIC_RELAXED);
    }
}

void fd_queues_silence(struct fd_queues *queues)
{
    unsigned long *consumer = queues->doorbell_consumer;
    const unsigned long *producer = queues->doorbell_producer;

    __atomic_store_n(consumer, __atomic_load_n(producer, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
}
