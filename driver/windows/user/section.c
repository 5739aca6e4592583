/* SPDX-License-Identifier: MIT */
#include "section.h"

#include <stdlib.h>

#include <windows.h>

#include "core/ring.h"

#define PAGE 4096u

/* What one call sends at once; more goes in several. */
#define SEND_DESCRIPTORS 4096u
#define SEND_BYTES (4ull << 20)

static uint64_t page_up(uint64_t size)
{
    return (size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static uint64_t descriptors_size(const struct fd_windows_queue *queue)
{
    return page_up(fd_ring_descriptor_region_size(queue->descriptor_count));
}

static uint64_t bytes_size(const struct fd_windows_queue *queue)
{
    return page_up(fd_ring_byte_region_size(queue->byte_size));
}

uint32_t fd_memory_create(struct fd_memory *memory, uint32_t receive_count,
                          uint32_t descriptor_count, uint64_t byte_size, int sends)
{
    const uint32_t count = receive_count + (sends ? 1 : 0);
    uint64_t size = 0;

    *memory = (struct fd_memory){.queue_count = count};
    memory->queues = calloc(count != 0 ? count : 1, sizeof(memory->queues[0]));
    if (memory->queues == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        struct fd_windows_queue *queue = &memory->queues[i];
        queue->descriptor_count = i < receive_count ? descriptor_count : SEND_DESCRIPTORS;
        queue->byte_size = i < receive_count ? byte_size : SEND_BYTES;
        size += descriptors_size(queue) + bytes_size(queue);
    }
    if (count == 0)
        return 0;
    memory->section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE,
                                         (DWORD)(size >> 32), (DWORD)size, NULL);
    if (memory->section == NULL)
        return GetLastError();
    memory->base = MapViewOfFile(memory->section, FILE_MAP_WRITE, 0, 0, (SIZE_T)size);
    if (memory->base == NULL)
        return GetLastError();
    memory->size = (size_t)size;

    uint64_t address = (uint64_t)(uintptr_t)memory->base;
    for (uint32_t i = 0; i < count; i++) {
        struct fd_windows_queue *queue = &memory->queues[i];
        queue->descriptors = address;
        queue->bytes = address + descriptors_size(queue);
        address = queue->bytes + bytes_size(queue);
    }
    return 0;
}

void fd_memory_free(struct fd_memory *memory)
{
    if (memory->base != NULL)
        UnmapViewOfFile(memory->base);
    if (memory->section != NULL)
        CloseHandle(memory->section);
    free(memory->queues);
    *memory = (struct fd_memory){0};
}
