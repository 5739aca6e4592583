/* SPDX-License-Identifier: MIT */
/* Pool: each block an allocation of its own, so that AddressSanitizer guards
 * its ends, poisoned before use and after, and known by address and tag. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define BUCKETS 1024

struct block {
    struct block *next;
    void *address;
    size_t size;
    ULONG tag;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct block *buckets[BUCKETS];
static long blocks;

#ifndef FD_SIM_MEASURE
static struct block **bucket_of(const void *address)
{
    return &buckets[((uintptr_t)address >> 4) % BUCKETS];
}
#endif

#ifdef FD_SIM_MEASURE
static PVOID allocate(size_t size, ULONG tag, size_t alignment)
{
    (void)tag;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void release(PVOID address, ULONG tag)
{
    (void)tag;
    free(address);
}
#else
static PVOID allocate(size_t size, ULONG tag, size_t alignment)
{
    SIM_REQUIRE(size != 0 && tag != 0, "pool: %zu bytes with tag 0x%x", size, tag);
    void *address = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    struct block *block = malloc(sizeof(*block));
    if (address == NULL || block == NULL)
        abort();
    memset(address, SIM_POISON, size);
    *block = (struct block){.address = address, .size = size, .tag = tag};
    pthread_mutex_lock(&mutex);
    block->next = *bucket_of(address);
    *bucket_of(address) = block;
    blocks++;
    pthread_mutex_unlock(&mutex);
    return address;
}

static void release(PVOID address, ULONG tag)
{
    pthread_mutex_lock(&mutex);
    struct block **at = bucket_of(address);
    while (*at != NULL && (*at)->address != address)
        at = &(*at)->next;
    struct block *block = *at;
    SIM_REQUIRE(block != NULL, "pool: %p is freed twice, or is none", address);
    SIM_REQUIRE(block->tag == tag, "pool: freed with tag 0x%x, allocated with 0x%x", tag,
                block->tag);
    *at = block->next;
    blocks--;
    pthread_mutex_unlock(&mutex);
    memset(address, SIM_POISON, block->size);
    free(block);
    free(address);
}

#endif

PVOID ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T size, ULONG tag)
{
    SIM_IRQL_AT_MOST(type & PagedPool ? APC_LEVEL : DISPATCH_LEVEL);
    SIM_REQUIRE((type & ~(POOL_TYPE)4) == NonPagedPoolNx || type == PagedPool,
                "pool of type %d is executable", type);
    if (sim_fails(__func__))
        return NULL;
    return allocate(size, tag, type & 4 ? 64 : 16);
}

PVOID ExAllocatePool2(POOL_FLAGS flags, SIZE_T size, ULONG tag)
{
    SIM_IRQL_AT_MOST(flags & POOL_FLAG_PAGED ? APC_LEVEL : DISPATCH_LEVEL);
    SIM_REQUIRE(!(flags & POOL_FLAG_PAGED) != !(flags & POOL_FLAG_NON_PAGED),
                "ExAllocatePool2 must be told one kind of pool");
    if (sim_fails(__func__))
        return NULL;
    PVOID address = allocate(size, tag, flags & POOL_FLAG_CACHE_ALIGNED ? 64 : 16);
    if (!(flags & POOL_FLAG_UNINITIALIZED))
        memset(address, 0, size);
    return address;
}

void ExFreePoolWithTag(PVOID address, ULONG tag)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    release(address, tag);
}

long sim_pool_blocks(void)
{
    pthread_mutex_lock(&mutex);
    long count = blocks;
    pthread_mutex_unlock(&mutex);
    return count;
}

void sim_check_pool(void)
{
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < BUCKETS && blocks != 0; i++)
        for (const struct block *block = buckets[i]; block != NULL; block = block->next)
            fprintf(stderr, "leaked: %zu bytes of pool, tag %.4s\n", block->size,
                    (const char *)&block->tag);
    SIM_REQUIRE(blocks == 0, "%ld pool blocks are left", blocks);
    pthread_mutex_unlock(&mutex);
}
