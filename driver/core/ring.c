/* SPDX-License-Identifier: MIT */
/* The geometry of a queue: laid out once by its owner, checked once by each
 * side, and from then on taken from the side's own copy. */
#include "ring.h"

#include "atomic.h"
#include "record.h"

static int is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static int geometry_is_bad(uint32_t descriptor_count, uint64_t byte_size)
{
    return !is_power_of_two(descriptor_count) || descriptor_count < FD_DESCRIPTORS_MIN ||
           descriptor_count > FD_DESCRIPTORS_MAX || !is_power_of_two(byte_size) ||
           byte_size < FD_BYTES_MIN || byte_size > FD_BYTES_MAX;
}

/* Records are aligned in the region, so the region must be too. */
static int is_misaligned(const void *region)
{
    return region == 0 || ((uintptr_t)region & (FD_RECORD_ALIGN - 1)) != 0;
}

uint64_t fd_ring_descriptor_region_size(uint32_t descriptor_count)
{
    return sizeof(struct fd_ring_header) +
           (uint64_t)descriptor_count * sizeof(struct fd_descriptor);
}

uint64_t fd_ring_byte_region_size(uint64_t byte_size)
{
    return byte_size + FD_GUARD_SIZE;
}

static void place(struct fd_ring *ring, void *descriptor_region, void *byte_region,
                  uint32_t descriptor_count, uint64_t byte_size)
{
    ring->header = (struct fd_ring_header *)descriptor_region;
    ring->descriptors =
        (struct fd_descriptor *)((uint8_t *)descriptor_region + sizeof(struct fd_ring_header));
    ring->bytes = (uint8_t *)byte_region;
    ring->descriptor_count = descriptor_count;
    ring->byte_size = byte_size;
}

enum fd_ring_fault fd_ring_format(struct fd_ring *ring, void *descriptor_region, void *byte_region,
                                  uint32_t descriptor_count, uint64_t byte_size, uint32_t queue)
{
    if (is_misaligned(descriptor_region) || is_misaligned(byte_region) ||
        geometry_is_bad(descriptor_count, byte_size))
        return FD_RING_BAD_HEADER;

    place(ring, descriptor_region, byte_region, descriptor_count, byte_size);
    struct fd_ring_header *header = ring->header;
    header->magic = FD_RING_MAGIC;
    header->abi_major = FD_ABI_MAJOR;
    header->abi_minor = FD_ABI_MINOR;
    header->descriptor_count = descriptor_count;
    header->descriptor_size = sizeof(struct fd_descriptor);
    header->byte_size = byte_size;
    header->guard_size = FD_GUARD_SIZE;
    header->queue = queue;
    fd_store32(&header->queue_length, descriptor_count < FD_QUEUE_LENGTH_DEFAULT
                                          ? descriptor_count
                                          : FD_QUEUE_LENGTH_DEFAULT);
    fd_store32(&header->queue_time, FD_QUEUE_TIME_DEFAULT);
    fd_store64(&header->queue_size,
               byte_size < FD_QUEUE_SIZE_DEFAULT ? byte_size : FD_QUEUE_SIZE_DEFAULT);
    return FD_RING_OK;
}

enum fd_ring_fault fd_ring_attach(struct fd_ring *ring, void *descriptor_region,
                                  uint64_t descriptor_region_size, void *byte_region,
                                  uint64_t byte_region_size)
{
    if (is_misaligned(descriptor_region) || is_misaligned(byte_region) ||
        descriptor_region_size < sizeof(struct fd_ring_header))
        return FD_RING_BAD_HEADER;

    /* One read of each value; what is checked is what is kept. */
    const struct fd_ring_header *header = (const struct fd_ring_header *)descriptor_region;
    uint32_t magic = fd_load32(&header->magic);
    uint16_t abi_major = fd_load16(&header->abi_major);
    uint32_t descriptor_count = fd_load32(&header->descriptor_count);
    uint32_t descriptor_size = fd_load32(&header->descriptor_size);
    uint64_t byte_size = fd_load64(&header->byte_size);
    uint32_t guard_size = fd_load32(&header->guard_size);

    if (magic != FD_RING_MAGIC || abi_major != FD_ABI_MAJOR ||
        descriptor_size != sizeof(struct fd_descriptor) || guard_size != FD_GUARD_SIZE ||
        geometry_is_bad(descriptor_count, byte_size) ||
        descriptor_region_size < fd_ring_descriptor_region_size(descriptor_count) ||
        byte_region_size < fd_ring_byte_region_size(byte_size))
        return FD_RING_BAD_HEADER;

    place(ring, descriptor_region, byte_region, descriptor_count, byte_size);
    return FD_RING_OK;
}
