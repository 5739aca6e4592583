/* SPDX-License-Identifier: MIT */
/*
 * The memory of a handle's queues, which the driver locks and both sides map.
 * A section of the page file, not VirtualAlloc: to the driver it is the same,
 * and another process that holds the section can map it too, which the tests
 * under Wine need (their kernel is a process).
 */
#ifndef FD_WINDOWS_USER_SECTION_H
#define FD_WINDOWS_USER_SECTION_H

#include <stddef.h>
#include <stdint.h>

#include "windows/interface.h"

struct fd_memory {
    void *section;
    uint8_t *base;
    size_t size;
    uint32_t queue_count;
    struct fd_windows_queue *queues; /* addresses in this process */
};

/* Memory for so many queues of one geometry, and behind them, if sends, for one
 * that sends. 0, or a Win32 code. */
uint32_t fd_memory_create(struct fd_memory *memory, uint32_t receive_count,
                          uint32_t descriptor_count, uint64_t byte_size, int sends);

/* Only when no view of it is left. */
void fd_memory_free(struct fd_memory *memory);

#endif
