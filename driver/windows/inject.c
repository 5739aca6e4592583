/* SPDX-License-Identifier: MIT */
#include "inject.h"

#include "../core/atomic.h"
#include "../core/checksum.h"
#include "../core/protocol.h"

/* A packet on its way: its bytes are a copy, which no process can reach. */
struct injection {
    struct fd_handle *handle;
    PMDL mdl;
    ULONG size;
    DECLSPEC_ALIGN(16) UCHAR bytes[];
};

#define LONGEST (40u + 65535u) /* an IPv6 header and its payload */
#define TAKE_AT_ONCE 8u

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

static struct injection *create(struct fd_handle *handle, ULONG size)
{
    struct injection *injection = ExAllocatePoolWithTag(
        NonPagedPoolNx, FIELD_OFFSET(struct injection, bytes) + (SIZE_T)size, FD_TAG);

    if (injection == NULL)
        return NULL;
    injection->handle = handle;
    injection->mdl = NULL;
    injection->size = size;
    fd_handle_reference(handle);
    (void)InterlockedIncrement64(&handle->way_back.outstanding);
    (void)InterlockedExchangeAdd64(&handle->way_back.outstanding_size, size);
    (void)InterlockedIncrement64(&in_stack);
    return injection;
}

static void destroy(struct injection *injection)
{
    struct fd_handle *handle = injection->handle;

    (void)InterlockedDecrement64(&handle->way_back.outstanding);
    (void)InterlockedExchangeAdd64(&handle->way_back.outstanding_size, -(LONG64)injection->size);
    if (injection->mdl != NULL)
        IoFreeMdl(injection->mdl);
    ExFreePoolWithTag(injection, FD_TAG);
    fd_handle_dereference(handle);
    (void)InterlockedDecrement64(&in_stack);
}

static VOID NTAPI injected(VOID *context, NET_BUFFER_LIST *list, BOOLEAN dispatch_level)
{
    struct injection *injection = context;
    struct fd_way_back *way_back = &injection->handle->way_back;

    UNREFERENCED_PARAMETER(dispatch_level);
    (void)InterlockedIncrement64(NT_SUCCESS(NET_BUFFER_LIST_STATUS(list)) ? &way_back->completed
                                                                          : &way_back->failed);
    FwpsFreeNetBufferList0(list);
    destroy(injection);
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

/* Whose it is, as fd_inject_origin reads it: the order of the handle, and
 * whether the packet is the host's own, which no program has made or changed. */
static HANDLE signature(const struct fd_handle *handle, BOOLEAN hosts)
{
    return (HANDLE)(ULONG_PTR)(handle->order << 1 | (hosts != FALSE));
}

static NTSTATUS inject(struct injection *injection, NET_BUFFER_LIST *list, const struct fd_way *way,
                       HANDLE signed_by)
{
    HANDLE with = injection_handle_of(way->flags);

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

/* Consumes the injection, whatever becomes of it. */
static NTSTATUS send(struct injection *injection, ULONG length, const struct fd_way *way,
                     HANDLE signed_by)
{
    NET_BUFFER_LIST *list;

    injection->mdl = IoAllocateMdl(injection->bytes, length, FALSE, FALSE, NULL);
    if (injection->mdl == NULL) {
        destroy(injection);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    MmBuildMdlForNonPagedPool(injection->mdl);
    NTSTATUS status =
        FwpsAllocateNetBufferAndNetBufferList0(list_pool, 0, 0, injection->mdl, 0, length, &list);
    if (!NT_SUCCESS(status)) {
        destroy(injection);
        return status;
    }
    note_checksums(list, way->flags);
    status = inject(injection, list, way, signed_by);
    if (!NT_SUCCESS(status)) { /* then nobody calls injected */
        FwpsFreeNetBufferList0(list);
        destroy(injection);
    }
    return status;
}

/* Outbound loopback leaves the field empty, and says so nowhere. Where zero is
 * the right checksum, computing it gives zero. */
static BOOLEAN has_no_ip_checksum(const UCHAR *packet, const struct fd_parsed *parsed, ULONG flags)
{
    return (flags & FD_FLAG_OUTBOUND) != 0 && (parsed->headers & FD_HAS(FD_HEADER_IP)) != 0 &&
           (packet[FD_IPV4_CHECKSUM] | packet[FD_IPV4_CHECKSUM + 1]) == 0;
}

/* Checksums that nobody has computed yet, because a card would have. The stack
 * takes no packet without. */
static void finish_checksums(UCHAR *packet, const struct fd_parsed *parsed, ULONG flags)
{
    ULONG leave = FD_CHECKSUM_FLAGS_ALL;
    uint32_t written;

    if ((flags & FD_FLAG_IP_CHECKSUM_PARTIAL) != 0 || has_no_ip_checksum(packet, parsed, flags))
        leave &= ~(ULONG)FD_CHECKSUM_NO_IP;
    if ((flags & FD_FLAG_TCP_CHECKSUM_PARTIAL) != 0)
        leave &= ~(ULONG)FD_CHECKSUM_NO_TCP;
    if ((flags & FD_FLAG_UDP_CHECKSUM_PARTIAL) != 0)
        leave &= ~(ULONG)FD_CHECKSUM_NO_UDP;
    if (leave != FD_CHECKSUM_FLAGS_ALL)
        (void)fd_checksum_update(packet, parsed, leave, &written);
}

/* The copy is complete: is it a packet, and may it go on? Consumes it. */
static NTSTATUS check_and_send(struct injection *injection, struct fd_way *way, HANDLE signed_by,
                               BOOLEAN guards_ttl)
{
    struct fd_parsed parsed;
    unsigned headers = fd_parse(injection->bytes, injection->size, &parsed);

    if (headers == 0 || (parsed.state & FD_PARSED_TRUNCATED) != 0) {
        destroy(injection);
        return STATUS_INVALID_PARAMETER;
    }
    /* The last defence against two programs that feed each other. */
    if (guards_ttl && (way->flags & FD_FLAG_IMPOSTOR) != 0 &&
        !fd_decrement_ttl(injection->bytes, &parsed)) {
        destroy(injection);
        return STATUS_HOST_UNREACHABLE;
    }
    finish_checksums(injection->bytes, &parsed, way->flags);
    way->flags &= ~(ULONG)FD_FLAG_IPV6;
    if ((headers & FD_HAS(FD_HEADER_IPV6)) != 0)
        way->flags |= FD_FLAG_IPV6;
    return send(injection, parsed.length, way, signed_by);
}

/* ---- out of a ring ------------------------------------------------------------------- */

/* Each value is read once: it may change while we look. */
static struct fd_way way_of(const struct fd_handle *handle, const struct fd_descriptor *descriptor)
{
    struct fd_way way = {
        .flags = fd_load32(&descriptor->flags) & ~(ULONG)FD_FLAG_FORWARDED,
        .ifindex = fd_load32(&descriptor->ifindex),
        .subifindex = fd_load32(&descriptor->subifindex),
        .compartment = fd_load32(&descriptor->mark),
    };

    if (handle->layer == FD_LAYER_NETWORK_FORWARD)
        way.flags = (way.flags & ~(ULONG)FD_FLAG_OUTBOUND) | FD_FLAG_FORWARDED;
    return way;
}

static NTSTATUS send_record(struct fd_handle *handle, const struct fd_record *record,
                            const struct fd_descriptor *descriptor, BOOLEAN untouched)
{
    struct fd_way way = way_of(handle, descriptor);

    if (record->layer != handle->layer)
        return STATUS_INVALID_ADDRESS_COMPONENT;
    if (record->opaque || record->captured == 0 || record->captured > LONGEST)
        return STATUS_INVALID_PARAMETER;
    if (fd_load16(&descriptor->gso_size) != 0)
        return STATUS_NOT_SUPPORTED;
    struct injection *injection = create(handle, record->captured);
    if (injection == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlCopyMemory(injection->bytes, record->packet, record->captured);
    BOOLEAN hosts = untouched && (way.flags & FD_FLAG_IMPOSTOR) == 0;
    return check_and_send(injection, &way, signature(handle, hosts), !untouched);
}

static BOOLEAN has_too_much_in_the_stack(struct fd_way_back *way_back)
{
    return InterlockedCompareExchange64(&way_back->outstanding_size, 0, 0) >=
           FD_WINDOWS_OUTSTANDING_MAX;
}

static NTSTATUS flush_record(struct fd_handle *handle, const struct fd_record *record,
                             const struct fd_descriptor *descriptor, BOOLEAN untouched)
{
    struct fd_way_back *way_back = &handle->way_back;

    if (fd_load8(&descriptor->verdict) == FD_VERDICT_DROP) {
        (void)InterlockedIncrement64(&way_back->passed_over);
        return STATUS_SUCCESS;
    }
    NTSTATUS status = has_too_much_in_the_stack(way_back)
                          ? STATUS_DEVICE_BUSY
                          : send_record(handle, record, descriptor, untouched);
    (void)InterlockedIncrement64(NT_SUCCESS(status) ? &way_back->injected : &way_back->refused);
    return status;
}

void fd_inject_flush(struct fd_handle *handle, ULONG count, BOOLEAN untouched,
                     struct fd_windows_flushed *flushed, LONG *statuses)
{
    struct fd_consumer *consumer = &handle->send.consumer;
    struct fd_record records[TAKE_AT_ONCE];
    LONG64 before = handle->way_back.injected;
    ULONG done = 0;

    while (done < count) {
        uint32_t first;
        ULONG most = count - done < TAKE_AT_ONCE ? count - done : TAKE_AT_ONCE;
        ULONG taken = fd_consumer_take(consumer, most, INT64_MIN, records, &first);
        if (taken == 0)
            break;
        for (ULONG i = 0; i < taken; i++)
            statuses[done++] = flush_record(handle, &records[i],
                                            &consumer->ring.descriptors[first + i], untouched);
        fd_consumer_release(consumer, consumer->taken, consumer->byte_taken);
    }
    *flushed = (struct fd_windows_flushed){
        .size = (ULONG)sizeof(*flushed) + done * (ULONG)sizeof(*statuses),
        .consumed = done,
        .injected = (ULONG)(handle->way_back.injected - before),
        .fault = (ULONG)consumer->fault,
    };
}

static void count_returned(struct fd_handle *handle, NTSTATUS status)
{
    (void)InterlockedIncrement64(NT_SUCCESS(status) ? &handle->way_back.returned
                                                    : &handle->way_back.returned_failed);
}

/* As the consumer that the process was: from where it says that it has got to,
 * and with every check, because all that lies in the ring it could write. */
void fd_inject_undelivered(struct fd_handle *handle, struct fd_queue *queue)
{
    const struct fd_producer *producer = &queue->producer;
    struct fd_ring_header *header = producer->ring.header;
    struct fd_consumer consumer = {.ring = producer->ring};
    struct fd_record records[TAKE_AT_ONCE];
    uint32_t first;

    consumer.taken = consumer.released = consumer.handed = fd_load32(&header->descriptor_taken);
    consumer.byte_taken = consumer.byte_released = fd_load64(&header->byte_taken);
    fd_store64_release(&header->byte_head, producer->byte_published);
    fd_store32_release(&header->descriptor_head, producer->published);

    /* No more than there can be: the process could move the head for ever. */
    ULONG left = producer->published - consumer.taken;
    if (left > producer->ring.descriptor_count)
        return;
    while (left != 0) {
        ULONG most = left < TAKE_AT_ONCE ? left : TAKE_AT_ONCE;
        ULONG taken = fd_consumer_take(&consumer, most, INT64_MIN, records, &first);
        if (taken == 0)
            break;
        for (ULONG i = 0; i < taken; i++)
            count_returned(handle, send_record(handle, &records[i],
                                               &consumer.ring.descriptors[first + i], TRUE));
        left -= taken;
    }
}

/* ---- out of the stack, and back ---------------------------------------------------------- */

/* As it came, whatever it is: nothing here has to be understood, but where the
 * checksums are that a card was to compute. */
static NTSTATUS send_back(struct fd_handle *handle, PNET_BUFFER buffer, const struct fd_way *way)
{
    ULONG length = NET_BUFFER_DATA_LENGTH(buffer);
    struct fd_parsed parsed;

    struct injection *injection = create(handle, length);
    if (injection == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    const UCHAR *bytes = NdisGetDataBuffer(buffer, length, injection->bytes, 1, 0);
    if (bytes == NULL) {
        destroy(injection);
        return STATUS_DATA_ERROR;
    }
    if (bytes != injection->bytes)
        RtlCopyMemory(injection->bytes, bytes, length);
    if (fd_parse(injection->bytes, length, &parsed) != 0)
        finish_checksums(injection->bytes, &parsed, way->flags);
    return send(injection, length, way, signature(handle, (way->flags & FD_FLAG_IMPOSTOR) == 0));
}

void fd_inject_unmatched(struct fd_handle *handle, PNET_BUFFER buffer, const struct fd_way *way)
{
    count_returned(handle, send_back(handle, buffer, way));
}

enum fd_origin fd_inject_origin(const struct fd_handle *handle, const NET_BUFFER_LIST *list,
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
