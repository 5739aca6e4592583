/* SPDX-License-Identifier: MIT */
/* Where a record lies: one rule, used by both ends of the ring. */
#ifndef FD_CORE_RECORD_H
#define FD_CORE_RECORD_H

#include "../abi/ring.h"

static inline uint32_t fd_align_up(uint32_t value, uint32_t align)
{
    return (value + align - 1) & ~(align - 1);
}

/* From the record's first byte to its packet. l2_length <= FD_L2_MAX. */
static inline uint32_t fd_record_packet_at(uint32_t l2_length)
{
    return fd_align_up(l2_length, FD_PACKET_ALIGN);
}

/* From the record's first byte to the next record; also captured <=
 * FD_CAPTURED_MAX. */
static inline uint32_t fd_record_size(uint32_t l2_length, uint32_t captured)
{
    return fd_align_up(fd_record_packet_at(l2_length) + captured, FD_RECORD_ALIGN);
}

static inline int fd_record_is_oversize(uint32_t l2_length, uint32_t captured)
{
    return l2_length > FD_L2_MAX || captured > FD_CAPTURED_MAX;
}

#endif
