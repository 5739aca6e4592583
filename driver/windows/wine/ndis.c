/* SPDX-License-Identifier: MIT */
#include "standin.h"

#include <stdlib.h>

static BYTE *mapped(const MDL *mdl)
{
    return mdl->MappedSystemVa != NULL ? mdl->MappedSystemVa
                                       : (BYTE *)mdl->StartVa + mdl->ByteOffset;
}

static void copy(const NET_BUFFER *buffer, BYTE *to, ULONG length)
{
    const MDL *mdl = buffer->CurrentMdl;
    ULONG offset = buffer->CurrentMdlOffset;

    for (ULONG done = 0; done < length; mdl = mdl->Next, offset = 0) {
        ULONG part = mdl->ByteCount - offset;
        if (part > length - done)
            part = length - done;
        memcpy(to + done, mapped(mdl) + offset, part);
        done += part;
    }
}

void fd_copy_buffer(const NET_BUFFER *buffer, BYTE *to)
{
    copy(buffer, to, buffer->DataLength);
}

NDIS_HANDLE NTAPI NdisAllocateGenericObject(PDRIVER_OBJECT driver, ULONG tag, USHORT size)
{
    (void)driver, (void)tag, (void)size;
    return malloc(1);
}

VOID NTAPI NdisFreeGenericObject(NDIS_HANDLE object)
{
    free(object);
}

NDIS_HANDLE NTAPI NdisAllocateNetBufferListPool(NDIS_HANDLE object,
                                                PNET_BUFFER_LIST_POOL_PARAMETERS parameters)
{
    if (object == NULL || !parameters->fAllocateNetBuffer || parameters->DataSize != 0)
        fd_complain("a pool for FwpsAllocateNetBufferAndNetBufferList0 has buffers without data");
    return malloc(1);
}

VOID NTAPI NdisFreeNetBufferListPool(NDIS_HANDLE pool)
{
    free(pool);
}

/* Contiguous bytes as they lie, others into storage. */
PVOID NTAPI NdisGetDataBuffer(PNET_BUFFER buffer, ULONG length, PVOID storage,
                              unsigned int alignment, unsigned int offset)
{
    (void)alignment, (void)offset;
    if (length == 0 || length > buffer->DataLength)
        return NULL;
    if (buffer->CurrentMdl->ByteCount - buffer->CurrentMdlOffset >= length)
        return mapped(buffer->CurrentMdl) + buffer->CurrentMdlOffset;
    if (storage != NULL)
        copy(buffer, storage, length);
    return storage;
}

NDIS_STATUS NTAPI NdisRetreatNetBufferDataStart(PNET_BUFFER buffer, ULONG delta, ULONG backfill,
                                                PVOID allocate)
{
    (void)backfill, (void)allocate;
    if (buffer->DataOffset < delta)
        return (NDIS_STATUS)0xC000009A; /* here it would allocate an MDL */
    buffer->DataOffset -= delta;
    buffer->DataLength += delta;
    /* From the first MDL on: the start may lie in one before. */
    ULONG offset = buffer->DataOffset;
    MDL *mdl = buffer->MdlChain;
    for (; offset >= mdl->ByteCount && mdl->Next != NULL; mdl = mdl->Next)
        offset -= mdl->ByteCount;
    buffer->CurrentMdl = mdl;
    buffer->CurrentMdlOffset = offset;
    return 0;
}

VOID NTAPI NdisAdvanceNetBufferDataStart(PNET_BUFFER buffer, ULONG delta, BOOLEAN free_mdl,
                                         PVOID free_with)
{
    (void)free_mdl, (void)free_with;
    buffer->DataOffset += delta;
    buffer->DataLength -= delta;
    ULONG offset = buffer->DataOffset;
    MDL *mdl = buffer->MdlChain;
    for (; offset >= mdl->ByteCount && mdl->Next != NULL; mdl = mdl->Next)
        offset -= mdl->ByteCount;
    buffer->CurrentMdl = mdl;
    buffer->CurrentMdlOffset = offset;
}
