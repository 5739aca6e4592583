/* SPDX-License-Identifier: MIT */
#include "injection.h"

/* By layer and family: who injected a packet is asked by the same one. */
enum { NETWORK_V4, NETWORK_V6, FORWARD_V4, FORWARD_V6, INJECTION_HANDLES };

static HANDLE injection_handle[INJECTION_HANDLES];
static NDIS_HANDLE ndis_object;
static NDIS_HANDLE list_pool;
static volatile LONG64 in_stack; /* of all handles */

static HANDLE injection_handle_of(ULONG flags)
{
    return injection_handle[((flags & FD_FLAG_FORWARDED) != 0 ? FORWARD_V4 : NETWORK_V4) +
                            ((flags & FD_FLAG_IPV6) != 0)];
}

/* ---- with the driver ------------------------------------------------------------ */

static NTSTATUS create_pool(PDRIVER_OBJECT driver)
{
    NET_BUFFER_LIST_POOL_PARAMETERS parameters = {
        .Header = {.Type = NDIS_OBJECT_TYPE_DEFAULT,
                   .Revision = NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
                   .Size = NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1},
        .fAllocateNetBuffer = TRUE,
        .PoolTag = FD_TAG,
    };

    ndis_object = NdisAllocateGenericObject(driver, FD_TAG, 0);
    if (ndis_object == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    list_pool = NdisAllocateNetBufferListPool(ndis_object, &parameters);
    return list_pool != NULL ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

NTSTATUS fd_injection_start(PDRIVER_OBJECT driver)
{
    in_stack = 0;
    ndis_object = list_pool = NULL;
    RtlZeroMemory(injection_handle, sizeof(injection_handle));

    NTSTATUS status = create_pool(driver);
    for (ULONG which = 0; NT_SUCCESS(status) && which < INJECTION_HANDLES; which++)
        status = FwpsInjectionHandleCreate0(which % 2 == 0 ? AF_INET : AF_INET6,
                                            which < FORWARD_V4 ? FWPS_INJECTION_TYPE_NETWORK
                                                               : FWPS_INJECTION_TYPE_FORWARD,
                                            &injection_handle[which]);
    if (!NT_SUCCESS(status))
        fd_injection_stop();
    return status;
}

void fd_injection_stop(void)
{
    /* No handle is open any more, so that nobody adds to it. The stack may hold
     * a packet for as long as a neighbour does not answer. */
    while (InterlockedCompareExchange64(&in_stack, 0, 0) != 0) {
        LARGE_INTEGER wait = {.QuadPart = -10 * 10000}; /* 10 ms from now */
        (void)KeDelayExecutionThread(KernelMode, FALSE, &wait);
    }
    for (ULONG which = 0; which < INJECTION_HANDLES; which++) {
        if (injection_handle[which] != NULL)
            (void)FwpsInjectionHandleDestroy0(injection_handle[which]);
        injection_handle[which] = NULL;
    }
    if (list_pool != NULL)
        NdisFreeNetBufferListPool(list_pool);
    if (ndis_object != NULL)
        NdisFreeGenericObject(ndis_object);
    ndis_object = list_pool = NULL;
}

/* ---- one packet -------------------------------------------------------------------- */

struct fd_injection *fd_injection_create(struct fd_handle *handle, ULONG size)
{
    struct fd_injection *injection = ExAllocatePoolWithTag(
        NonPagedPoolNx, FIELD_OFFSET(struct fd_injection, bytes) + (SIZE_T)size, FD_TAG);

    if (injection == NULL)
        return NULL;
    injection->next = NULL;
    injection->handle = handle;
    injection->mdl = NULL;
    injection->list = NULL;
    injection->size = size;
    fd_handle_reference(handle);
    (void)InterlockedIncrement64(&handle->way_back.outstanding);
    (void)InterlockedExchangeAdd64(&handle->way_back.outstanding_size, size);
    (void)InterlockedIncrement64(&in_stack);
    return injection;
}

void fd_injection_destroy(struct fd_injection *injection)
{
    struct fd_handle *handle = injection->handle;

    (void)InterlockedDecrement64(&handle->way_back.outstanding);
    (void)InterlockedExchangeAdd64(&handle->way_back.outstanding_size, -(LONG64)injection->size);
    if (injection->list != NULL)
        FwpsFreeNetBufferList0(injection->list);
    if (injection->mdl != NULL)
        IoFreeMdl(injection->mdl);
    ExFreePoolWithTag(injection, FD_TAG);
    fd_handle_dereference(handle);
    (void)InterlockedDecrement64(&in_stack);
}

static VOID NTAPI injected(VOID *context, NET_BUFFER_LIST *list, BOOLEAN dispatch_level)
{
    struct fd_injection *injection = context;
    struct fd_way_back *way_back = &injection->handle->way_back;

    UNREFERENCED_PARAMETER(dispatch_level);
    (void)InterlockedIncrement64(NT_SUCCESS(NET_BUFFER_LIST_STATUS(list)) ? &way_back->completed
                                                                          : &way_back->failed);
    fd_injection_destroy(injection);
}

/* What the receiving end may believe of the checksums. */
static void note_checksums(NET_BUFFER_LIST *list, ULONG flags)
{
    NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO info = {.Value = NULL};

    if ((flags & FD_FLAG_OUTBOUND) != 0)
        return;
    info.Receive.IpChecksumSucceeded = (flags & FD_FLAG_IP_CHECKSUM_VALID) != 0;
    info.Receive.TcpChecksumSucceeded = (flags & FD_FLAG_TCP_CHECKSUM_VALID) != 0;
    info.Receive.UdpChecksumSucceeded = (flags & FD_FLAG_UDP_CHECKSUM_VALID) != 0;
    NET_BUFFER_LIST_INFO(list, TcpIpChecksumNetBufferListInfo) = info.Value;
}

HANDLE fd_injection_signature(const struct fd_handle *handle, BOOLEAN hosts)
{
    return (HANDLE)(ULONG_PTR)(handle->order << 1 | (hosts != FALSE));
}

NTSTATUS fd_injection_prepare(struct fd_injection *injection, ULONG length, ULONG flags)
{
    injection->mdl = IoAllocateMdl(injection->bytes, length, FALSE, FALSE, NULL);
    if (injection->mdl == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    MmBuildMdlForNonPagedPool(injection->mdl);
    NTSTATUS status = FwpsAllocateNetBufferAndNetBufferList0(list_pool, 0, 0, injection->mdl, 0,
                                                             length, &injection->list);
    if (NT_SUCCESS(status))
        note_checksums(injection->list, flags);
    else
        injection->list = NULL;
    return status;
}

static NTSTATUS inject(struct fd_injection *injection, const struct fd_way *way, HANDLE signed_by)
{
    HANDLE with = injection_handle_of(way->flags);
    NET_BUFFER_LIST *list = injection->list;

    if ((way->flags & FD_FLAG_FORWARDED) != 0)
        return FwpsInjectForwardAsync0(with, signed_by, 0,
                                       (way->flags & FD_FLAG_IPV6) != 0 ? AF_INET6 : AF_INET,
                                       way->compartment, way->ifindex, list, injected, injection);
    if ((way->flags & FD_FLAG_OUTBOUND) != 0)
        return FwpsInjectNetworkSendAsync0(with, signed_by, 0, way->compartment, list, injected,
                                           injection);
    return FwpsInjectNetworkReceiveAsync0(with, signed_by, 0, way->compartment, way->ifindex,
                                          way->subifindex, list, injected, injection);
}

NTSTATUS fd_injection_give(struct fd_injection *injection, const struct fd_way *way,
                           HANDLE signed_by)
{
    NTSTATUS status = inject(injection, way, signed_by);

    if (!NT_SUCCESS(status)) /* then nobody calls injected */
        fd_injection_destroy(injection);
    return status;
}

/* ---- who sent it ------------------------------------------------------------------- */

enum fd_origin fd_injection_origin(const struct fd_handle *handle, const NET_BUFFER_LIST *list,
                                   ULONG flags)
{
    HANDLE signed_by = NULL;

    switch (FwpsQueryPacketInjectionState0(injection_handle_of(flags), list, &signed_by)) {
    case FWPS_PACKET_INJECTED_BY_SELF:
    case FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF:
        if ((ULONG64)(ULONG_PTR)signed_by >> 1 <= handle->order)
            return FD_ORIGIN_PASSED;
        return ((ULONG_PTR)signed_by & 1) != 0 ? FD_ORIGIN_HOST : FD_ORIGIN_IMPOSTOR;
    case FWPS_PACKET_INJECTED_BY_OTHER:
        return FD_ORIGIN_IMPOSTOR;
    default:
        return FD_ORIGIN_HOST;
    }
}
