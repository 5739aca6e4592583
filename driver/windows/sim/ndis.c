/* SPDX-License-Identifier: MIT */
/* Net buffers: data in chains of MDLs, with a start that moves. */
#include "net.h"

#include <stdlib.h>

struct nbl_pool {
    unsigned magic;
    long lists;
};
#define POOL_MAGIC 0x6c6f6f70u

static long generic_objects, pools, lists;

NDIS_HANDLE NdisAllocateGenericObject(PDRIVER_OBJECT driver, ULONG tag, USHORT size)
{
    (void)size;
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(driver != NULL && tag != 0, "a generic object of no driver, or without a tag");
    if (sim_fails(__func__))
        return NULL;
    __atomic_add_fetch(&generic_objects, 1, __ATOMIC_RELAXED);
    return calloc(1, 16);
}

void NdisFreeGenericObject(NDIS_HANDLE object)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(pools == 0, "a generic object goes before the pools that were made for it");
    __atomic_sub_fetch(&generic_objects, 1, __ATOMIC_RELAXED);
    free(object);
}

NDIS_HANDLE NdisAllocateNetBufferListPool(NDIS_HANDLE object,
                                          PNET_BUFFER_LIST_POOL_PARAMETERS parameters)
{
    SIM_REQUIRE(object != NULL, "a pool of net buffer lists without an object of NDIS");
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(parameters->Header.Type == NDIS_OBJECT_TYPE_DEFAULT &&
                    parameters->Header.Revision == NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1 &&
                    parameters->Header.Size ==
                        NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
                "the parameters of a pool of net buffer lists have another header");
    SIM_REQUIRE(parameters->fAllocateNetBuffer && parameters->PoolTag != 0 &&
                    parameters->DataSize == 0,
                "WFP wants pools whose lists come with a buffer, without data");
    if (sim_fails(__func__))
        return NULL;
    struct nbl_pool *pool = calloc(1, sizeof(*pool));
    pool->magic = POOL_MAGIC;
    __atomic_add_fetch(&pools, 1, __ATOMIC_RELAXED);
    return pool;
}

void NdisFreeNetBufferListPool(NDIS_HANDLE handle)
{
    struct nbl_pool *pool = handle;
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(pool->magic == POOL_MAGIC && __atomic_load_n(&pool->lists, __ATOMIC_RELAXED) == 0,
                "a pool is freed with %ld lists of it alive", pool->lists);
    __atomic_sub_fetch(&pools, 1, __ATOMIC_RELAXED);
    pool->magic = 0;
    free(pool);
}

struct sim_list *sim_list_new(void)
{
    struct sim_list *list = aligned_alloc(16, (sizeof(*list) + 15) / 16 * 16);
    if (list == NULL)
        abort();
    memset(list, 0, sizeof(*list));
    list->state = SIM_LIST_OURS;
    return list;
}

void sim_list_delete(struct sim_list *list)
{
    memset(list, SIM_POISON, sizeof(*list));
    free(list);
}

uint32_t sim_list_buffers(const NET_BUFFER_LIST *list)
{
    uint32_t count = 0;
    for (const NET_BUFFER *buffer = list->FirstNetBuffer; buffer != NULL; buffer = buffer->Next)
        count++;
    return count;
}

/* ---- lists of the driver ------------------------------------------------------ */

static SIZE_T chain_bytes(const MDL *mdl)
{
    SIZE_T bytes = 0;
    for (; mdl != NULL; mdl = mdl->Next)
        bytes += mdl->ByteCount;
    return bytes;
}

static void place(NET_BUFFER *buffer, MDL *chain, ULONG offset)
{
    buffer->MdlChain = chain;
    buffer->DataOffset = offset;
    while (offset >= chain->ByteCount && chain->Next != NULL) {
        offset -= chain->ByteCount;
        chain = chain->Next;
    }
    buffer->CurrentMdl = chain;
    buffer->CurrentMdlOffset = offset;
}

NTSTATUS FwpsAllocateNetBufferAndNetBufferList0(NDIS_HANDLE handle, USHORT context_size,
                                                USHORT back_fill, MDL *mdl, ULONG offset,
                                                SIZE_T length, NET_BUFFER_LIST **out)
{
    struct nbl_pool *pool = handle;

    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(pool->magic == POOL_MAGIC, "a list is allocated from what is no pool");
    SIM_REQUIRE(context_size == 0 && back_fill == 0, "list contexts are not simulated");
    SIM_REQUIRE(length <= 0xffffffff && offset + length <= chain_bytes(mdl),
                "a buffer of %zu bytes at %u in an MDL of %zu", length, offset, chain_bytes(mdl));
    if (sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES;
    struct sim_list *list = sim_list_new();
    list->list.FirstNetBuffer = &list->buffer;
    list->list.NdisPoolHandle = pool;
    list->buffer.DataLength = (ULONG)length;
    place(&list->buffer, mdl, offset);
    __atomic_add_fetch(&pool->lists, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&lists, 1, __ATOMIC_RELAXED);
    *out = &list->list;
    return STATUS_SUCCESS;
}

void FwpsFreeNetBufferList0(NET_BUFFER_LIST *out)
{
    struct sim_list *list = (struct sim_list *)out;
    struct nbl_pool *pool = out->NdisPoolHandle;

    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(list->state != SIM_LIST_STACK, "a list is freed that the stack still has");
    SIM_REQUIRE(pool != NULL && pool->magic == POOL_MAGIC,
                "a list is freed that was not allocated");
    sim_buffer_check(out->FirstNetBuffer);
    __atomic_sub_fetch(&pool->lists, 1, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&lists, 1, __ATOMIC_RELAXED);
    sim_list_delete(list);
}

void sim_check_ndis(void)
{
    SIM_REQUIRE(generic_objects == 0, "%ld generic objects of NDIS are left", generic_objects);
    SIM_REQUIRE(lists == 0, "%ld net buffer lists are left", lists);
    SIM_REQUIRE(pools == 0, "%ld pools of net buffer lists are left", pools);
}

/* ---- data ------------------------------------------------------------------------ */

void sim_buffer_check(const NET_BUFFER *buffer)
{
    const MDL *mdl = buffer->MdlChain;
    ULONG offset = buffer->DataOffset;

    while (offset >= mdl->ByteCount && mdl->Next != NULL) {
        offset -= mdl->ByteCount;
        mdl = mdl->Next;
    }
    SIM_REQUIRE(mdl == buffer->CurrentMdl && offset == buffer->CurrentMdlOffset,
                "a buffer's data offset and its current MDL do not agree");
    SIM_REQUIRE(buffer->DataOffset + buffer->DataLength <= chain_bytes(buffer->MdlChain),
                "a buffer's data goes past its MDLs");
}

static void gather(const NET_BUFFER *buffer, uint8_t *to, ULONG length)
{
    const MDL *mdl = buffer->CurrentMdl;
    ULONG offset = buffer->CurrentMdlOffset;

    while (length != 0) {
        ULONG here = mdl->ByteCount - offset < length ? mdl->ByteCount - offset : length;
        memcpy(to, (const uint8_t *)mdl->MappedSystemVa + offset, here);
        to += here;
        length -= here;
        mdl = mdl->Next;
        offset = 0;
    }
}

uint8_t *sim_buffer_copy(const NET_BUFFER *buffer)
{
    uint8_t *copy = malloc(buffer->DataLength + 1u);
    if (copy == NULL)
        abort();
    gather(buffer, copy, buffer->DataLength);
    return copy;
}

static unsigned calls_left;
static void (*interruption)(void);

void sim_interrupt(unsigned n, void (*other)(void))
{
    calls_left = n;
    interruption = other;
}

static void interrupt(void)
{
    if (interruption == NULL || --calls_left != 0)
        return;
    void (*other)(void) = interruption;
    interruption = NULL;
    other();
}

PVOID NdisGetDataBuffer(PNET_BUFFER buffer, ULONG length, PVOID storage, UINT multiple, UINT offset)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(multiple != 0 && (multiple & (multiple - 1)) == 0 && offset < multiple,
                "NdisGetDataBuffer: alignment %u, offset %u", multiple, offset);
    if (length == 0 || length > buffer->DataLength)
        return NULL;
    interrupt();
    if (sim_fails(__func__)) /* an MDL that cannot be mapped */
        return NULL;
    const MDL *mdl = buffer->CurrentMdl;
    uint8_t *at = (uint8_t *)mdl->MappedSystemVa + buffer->CurrentMdlOffset;
    if (mdl->ByteCount - buffer->CurrentMdlOffset >= length && (uintptr_t)at % multiple == offset)
        return at;
    if (storage == NULL)
        return NULL;
    gather(buffer, storage, length);
    return storage;
}

NDIS_STATUS NdisRetreatNetBufferDataStart(PNET_BUFFER buffer, ULONG delta, ULONG back_fill,
                                          PVOID allocate)
{
    (void)back_fill;
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(allocate == NULL, "MDLs of the caller are not simulated");
    if (sim_fails(__func__))
        return (NDIS_STATUS)STATUS_INSUFFICIENT_RESOURCES;
    if (buffer->DataOffset >= delta) {
        place(buffer, buffer->MdlChain, buffer->DataOffset - delta);
        buffer->DataLength += delta;
        return 0;
    }
    /* A new MDL in front: what lies in it is not the packet's old header. */
    MDL *mdl = malloc(sizeof(*mdl));
    uint8_t *bytes = malloc(delta);
    if (mdl == NULL || bytes == NULL)
        abort();
    memset(bytes, SIM_POISON, delta);
    *mdl = (MDL){.Next = buffer->MdlChain, .MappedSystemVa = bytes, .ByteCount = delta, .Size = -1};
    buffer->DataLength += delta;
    place(buffer, mdl, buffer->DataOffset);
    return 0;
}

void NdisAdvanceNetBufferDataStart(PNET_BUFFER buffer, ULONG delta, BOOLEAN free_mdl,
                                   PVOID free_handler)
{
    MDL *first = buffer->MdlChain;

    (void)free_handler;
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(delta <= buffer->DataLength, "a buffer of %u bytes is advanced by %u",
                buffer->DataLength, delta);
    buffer->DataLength -= delta;
    place(buffer, first, buffer->DataOffset + delta);
    SIM_REQUIRE(!free_mdl || first->Size == -1 || buffer->DataOffset < first->ByteCount,
                "an MDL of the stack's is freed");
    if (first->Size == -1) { /* what the retreat allocated */
        SIM_REQUIRE(free_mdl, "the MDL that a retreat allocated leaks");
        place(buffer, first->Next, buffer->DataOffset - first->ByteCount);
        free(first->MappedSystemVa);
        free(first);
    }
}
