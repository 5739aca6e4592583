/* SPDX-License-Identifier: MIT */
/* Loads and stores at any alignment, in a named byte order. */
#ifndef FD_CORE_BYTES_H
#define FD_CORE_BYTES_H

#include "../abi/ring.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <stdlib.h>
#include <string.h>
#define fd_copy(to, from, size) memcpy((to), (from), (size))
#define fd_swap16(value) _byteswap_ushort(value)
#define fd_swap32(value) _byteswap_ulong(value)
#define fd_swap64(value) _byteswap_uint64(value)
#define FD_BIG_ENDIAN 0
#define FD_LIKELY(condition) (condition)
#define fd_keep_branch() ((void)0)
#else
#define fd_copy(to, from, size) __builtin_memcpy((to), (from), (size))
#define fd_swap16(value) __builtin_bswap16(value)
#define fd_swap32(value) __builtin_bswap32(value)
#define fd_swap64(value) __builtin_bswap64(value)
#define FD_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
#define FD_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define fd_keep_branch() __asm__ volatile("") /* the compiler may not turn this arm into a move */
#endif

static inline uint16_t fd_host16(const void *bytes)
{
    uint16_t value;
    fd_copy(&value, bytes, sizeof(value));
    return value;
}

static inline uint32_t fd_host32(const void *bytes)
{
    uint32_t value;
    fd_copy(&value, bytes, sizeof(value));
    return value;
}

static inline uint64_t fd_host64(const void *bytes)
{
    uint64_t value;
    fd_copy(&value, bytes, sizeof(value));
    return value;
}

/* Between host order and network order, in either direction. */
static inline uint16_t fd_network16(uint16_t value)
{
    return FD_BIG_ENDIAN ? value : fd_swap16(value);
}

static inline uint32_t fd_network32(uint32_t value)
{
    return FD_BIG_ENDIAN ? value : fd_swap32(value);
}

static inline uint16_t fd_be16(const uint8_t *bytes)
{
    return fd_network16(fd_host16(bytes));
}

static inline uint32_t fd_be32(const uint8_t *bytes)
{
    return fd_network32(fd_host32(bytes));
}

static inline void fd_put_be16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline uint32_t fd_le32(const uint8_t *bytes)
{
    uint32_t value = fd_host32(bytes);
    return FD_BIG_ENDIAN ? fd_swap32(value) : value;
}

static inline uint64_t fd_le64(const uint8_t *bytes)
{
    uint64_t value = fd_host64(bytes);
    return FD_BIG_ENDIAN ? fd_swap64(value) : value;
}

#endif
