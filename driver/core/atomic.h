/* SPDX-License-Identifier: MIT */
/*
 * The few atomic operations that a ring needs, on memory that a hostile peer
 * may write at any time: every one of them reads or writes exactly once.
 */
#ifndef FD_CORE_ATOMIC_H
#define FD_CORE_ATOMIC_H

#include "../abi/ring.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>

#if defined(_M_ARM64)
#define fd_order_() __dmb(_ARM64_BARRIER_ISH)
#else
#define fd_order_() _ReadWriteBarrier() /* x86 orders loads and stores itself */
#endif

static inline uint8_t fd_load8(const uint8_t *from)
{
    return (uint8_t)__iso_volatile_load8((const volatile __int8 *)from);
}

static inline uint16_t fd_load16(const uint16_t *from)
{
    return (uint16_t)__iso_volatile_load16((const volatile __int16 *)from);
}

static inline uint32_t fd_load32(const uint32_t *from)
{
    return (uint32_t)__iso_volatile_load32((const volatile __int32 *)from);
}

static inline uint64_t fd_load64(const uint64_t *from)
{
    return (uint64_t)__iso_volatile_load64((const volatile __int64 *)from);
}

static inline void fd_store32(uint32_t *to, uint32_t value)
{
    __iso_volatile_store32((volatile __int32 *)to, (__int32)value);
}

static inline void fd_store64(uint64_t *to, uint64_t value)
{
    __iso_volatile_store64((volatile __int64 *)to, (__int64)value);
}

static inline uint32_t fd_load32_acquire(const uint32_t *from)
{
    uint32_t value = fd_load32(from);
    fd_order_();
    return value;
}

static inline uint64_t fd_load64_acquire(const uint64_t *from)
{
    uint64_t value = fd_load64(from);
    fd_order_();
    return value;
}

static inline void fd_store32_release(uint32_t *to, uint32_t value)
{
    fd_order_();
    fd_store32(to, value);
}

static inline void fd_store64_release(uint64_t *to, uint64_t value)
{
    fd_order_();
    fd_store64(to, value);
}

static inline uint32_t fd_exchange32(uint32_t *to, uint32_t value)
{
    return (uint32_t)_InterlockedExchange((volatile long *)to, (long)value);
}

static inline void fd_fence(void)
{
#if defined(_M_ARM64)
    __dmb(_ARM64_BARRIER_ISH);
#else
    volatile long full = 0;
    (void)_InterlockedExchange(&full, 1);
#endif
}

#else /* gcc and clang, for every target */

/* 64-bit values lie at multiples of 8 in the ring, which 32-bit x86 does not
 * assume of them. */
typedef uint64_t fd_aligned64 __attribute__((aligned(8)));

/* Relaxed. */
static inline uint8_t fd_load8(const uint8_t *from)
{
    return __atomic_load_n(from, __ATOMIC_RELAXED);
}

static inline uint16_t fd_load16(const uint16_t *from)
{
    return __atomic_load_n(from, __ATOMIC_RELAXED);
}

static inline uint32_t fd_load32(const uint32_t *from)
{
    return __atomic_load_n(from, __ATOMIC_RELAXED);
}

static inline uint64_t fd_load64(const uint64_t *from)
{
    return __atomic_load_n((const fd_aligned64 *)from, __ATOMIC_RELAXED);
}

static inline void fd_store32(uint32_t *to, uint32_t value)
{
    __atomic_store_n(to, value, __ATOMIC_RELAXED);
}

static inline void fd_store64(uint64_t *to, uint64_t value)
{
    __atomic_store_n((fd_aligned64 *)to, value, __ATOMIC_RELAXED);
}

static inline uint32_t fd_load32_acquire(const uint32_t *from)
{
    return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

static inline uint64_t fd_load64_acquire(const uint64_t *from)
{
    return __atomic_load_n((const fd_aligned64 *)from, __ATOMIC_ACQUIRE);
}

static inline void fd_store32_release(uint32_t *to, uint32_t value)
{
    __atomic_store_n(to, value, __ATOMIC_RELEASE);
}

static inline void fd_store64_release(uint64_t *to, uint64_t value)
{
    __atomic_store_n((fd_aligned64 *)to, value, __ATOMIC_RELEASE);
}

/* Sequentially consistent. */
static inline uint32_t fd_exchange32(uint32_t *to, uint32_t value)
{
    return __atomic_exchange_n(to, value, __ATOMIC_SEQ_CST);
}

/* A full fence: no load after it may pass a store before it. */
static inline void fd_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif

#endif
