/* SPDX-License-Identifier: MIT */
/*
 * What fastdivert.sys is measured against: a callout driver of the plain kind,
 * that copies each packet into a block of pool, queues it under a lock, and
 * hands it out by one request of the process for each packet; and takes one back
 * by one request also. Outbound IPv4 only, no filter program, no parsing: it
 * does less for a packet than ours.
 */
#include "../../nt.h"
#include "peer.h"

#define TAG 0x72656570u
#define MOST_WAITING 4096

struct block {
    LIST_ENTRY link;
    PMDL mdl;
    ULONG length;
    UCHAR bytes[];
};

static const GUID sublayer_key = {0x70656572, 1, 1, {1}};
static const GUID callout_key = {0x70656572, 1, 1, {2}};

static PDEVICE_OBJECT device;
static HANDLE engine, injection;
static NDIS_HANDLE object, pool;
static UINT32 callout_id;
static KSPIN_LOCK lock;
static LIST_ENTRY waiting;
static ULONG waiting_count;

static void queue_packet(PNET_BUFFER buffer)
{
    ULONG length = NET_BUFFER_DATA_LENGTH(buffer);
    KLOCK_QUEUE_HANDLE held;
    struct block *block = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*block) + length, TAG);

    if (block == NULL)
        return;
    block->length = length;
    const UCHAR *from = NdisGetDataBuffer(buffer, length, block->bytes, 1, 0);
    if (from != NULL && from != block->bytes)
        RtlCopyMemory(block->bytes, from, length);
    KeAcquireInStackQueuedSpinLock(&lock, &held);
    if (from != NULL && waiting_count < MOST_WAITING) {
        InsertTailList(&waiting, &block->link);
        waiting_count++;
        block = NULL;
    }
    KeReleaseInStackQueuedSpinLock(&held);
    if (block != NULL)
        ExFreePoolWithTag(block, TAG);
}

static VOID NTAPI classify(const FWPS_INCOMING_VALUES0 *values,
                           const FWPS_INCOMING_METADATA_VALUES0 *metadata, VOID *lists,
                           const VOID *context, const FWPS_FILTER1 *filter, UINT64 flow,
                           FWPS_CLASSIFY_OUT0 *out)
{
    (void)values, (void)metadata, (void)context, (void)filter, (void)flow;
    if (!(out->rights & FWPS_RIGHT_ACTION_WRITE))
        return;
    out->actionType = FWP_ACTION_CONTINUE;
    if (FwpsQueryPacketInjectionState0(injection, lists, NULL) != FWPS_PACKET_NOT_INJECTED)
        return;
    for (NET_BUFFER_LIST *list = lists; list != NULL; list = NET_BUFFER_LIST_NEXT_NBL(list))
        for (PNET_BUFFER buffer = NET_BUFFER_LIST_FIRST_NB(list); buffer != NULL;
             buffer = NET_BUFFER_NEXT_NB(buffer))
            queue_packet(buffer);
    out->actionType = FWP_ACTION_BLOCK;
    out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
}

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, FWPS_FILTER1 *filter)
{
    (void)type, (void)key, (void)filter;
    return STATUS_SUCCESS;
}

static NTSTATUS complete(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS receive(PIRP irp, PIO_STACK_LOCATION location)
{
    KLOCK_QUEUE_HANDLE held;
    struct block *block = NULL;
    ULONG room = location->Parameters.DeviceIoControl.OutputBufferLength;

    KeAcquireInStackQueuedSpinLock(&lock, &held);
    if (!IsListEmpty(&waiting)) {
        block = CONTAINING_RECORD(RemoveHeadList(&waiting), struct block, link);
        waiting_count--;
    }
    KeReleaseInStackQueuedSpinLock(&held);
    if (block == NULL)
        return complete(irp, STATUS_DEVICE_NOT_READY, 0);
    ULONG length = block->length < room ? block->length : room;
    RtlCopyMemory(irp->AssociatedIrp.SystemBuffer, block->bytes, length);
    ExFreePoolWithTag(block, TAG);
    return complete(irp, STATUS_SUCCESS, length);
}

static VOID NTAPI sent(VOID *context, NET_BUFFER_LIST *list, BOOLEAN dispatch)
{
    struct block *block = context;
    (void)dispatch;
    FwpsFreeNetBufferList0(list);
    IoFreeMdl(block->mdl);
    ExFreePoolWithTag(block, TAG);
}

static NTSTATUS send(PIRP irp, PIO_STACK_LOCATION location)
{
    ULONG length = location->Parameters.DeviceIoControl.InputBufferLength;
    struct block *block = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*block) + length, TAG);
    NET_BUFFER_LIST *list;

    if (block == NULL)
        return complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    RtlCopyMemory(block->bytes, irp->AssociatedIrp.SystemBuffer, length);
    block->mdl = IoAllocateMdl(block->bytes, length, FALSE, FALSE, NULL);
    if (block->mdl == NULL)
        goto free_block;
    MmBuildMdlForNonPagedPool(block->mdl);
    if (!NT_SUCCESS(
            FwpsAllocateNetBufferAndNetBufferList0(pool, 0, 0, block->mdl, 0, length, &list)))
        goto free_mdl;
    NTSTATUS status = FwpsInjectNetworkSendAsync0(injection, NULL, 0, 0, list, sent, block);
    if (!NT_SUCCESS(status))
        sent(block, list, FALSE);
    return complete(irp, status, 0);

free_mdl:
    IoFreeMdl(block->mdl);
free_block:
    ExFreePoolWithTag(block, TAG);
    return complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
}

static NTSTATUS on_control(PDEVICE_OBJECT from, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    (void)from;
    switch (location->Parameters.DeviceIoControl.IoControlCode) {
    case PEER_RECEIVE:
        return receive(irp, location);
    case PEER_SEND:
        return send(irp, location);
    default:
        return complete(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static NTSTATUS on_file(PDEVICE_OBJECT from, PIRP irp)
{
    (void)from;
    return complete(irp, STATUS_SUCCESS, 0);
}

static void unload(PDRIVER_OBJECT driver)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\??\\peer");
    (void)driver;
    (void)FwpmEngineClose0(engine);
    (void)FwpsCalloutUnregisterById0(callout_id);
    (void)FwpsInjectionHandleDestroy0(injection);
    NdisFreeNetBufferListPool(pool);
    NdisFreeGenericObject(object);
    while (!IsListEmpty(&waiting))
        ExFreePoolWithTag(CONTAINING_RECORD(RemoveHeadList(&waiting), struct block, link), TAG);
    (void)IoDeleteSymbolicLink(&link);
    IoDeleteDevice(device);
}

NTSTATUS PeerEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\peer");
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\??\\peer");
    FWPM_SESSION0 session = {.flags = FWPM_SESSION_FLAG_DYNAMIC};
    FWPM_SUBLAYER0 sublayer = {.subLayerKey = sublayer_key, .displayData = {.name = L"peer"}};
    FWPS_CALLOUT1 callout = {.calloutKey = callout_key, .classifyFn = classify, .notifyFn = notify};
    FWPM_CALLOUT0 added = {.calloutKey = callout_key,
                           .displayData = {.name = L"peer"},
                           .applicableLayer = FWPM_LAYER_OUTBOUND_IPPACKET_V4};
    FWPM_FILTER0 filter = {
        .displayData = {.name = L"peer"},
        .layerKey = FWPM_LAYER_OUTBOUND_IPPACKET_V4,
        .subLayerKey = sublayer_key,
        .action = {.type = FWP_ACTION_CALLOUT_UNKNOWN, .calloutKey = callout_key},
    };
    NET_BUFFER_LIST_POOL_PARAMETERS parameters = {
        .Header = {NDIS_OBJECT_TYPE_DEFAULT, NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
                   NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1},
        .fAllocateNetBuffer = TRUE,
        .PoolTag = TAG,
    };

    (void)registry;
    KeInitializeSpinLock(&lock);
    InitializeListHead(&waiting);
    waiting_count = 0;
    /* It measures; what fails here ends the measurement. */
    NTSTATUS status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_NETWORK, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    driver->MajorFunction[IRP_MJ_CREATE] = on_file;
    driver->MajorFunction[IRP_MJ_CLEANUP] = on_file;
    driver->MajorFunction[IRP_MJ_CLOSE] = on_file;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = on_control;
    driver->DriverUnload = unload;
    object = NdisAllocateGenericObject(driver, TAG, 0);
    pool = NdisAllocateNetBufferListPool(object, &parameters);
    status = FwpsInjectionHandleCreate0(AF_INET, FWPS_INJECTION_TYPE_NETWORK, &injection);
    if (NT_SUCCESS(status))
        status = FwpsCalloutRegister1(device, &callout, &callout_id);
    if (NT_SUCCESS(status))
        status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &engine);
    if (NT_SUCCESS(status))
        status = FwpmSubLayerAdd0(engine, &sublayer, NULL);
    if (NT_SUCCESS(status))
        status = FwpmCalloutAdd0(engine, &added, NULL, NULL);
    if (NT_SUCCESS(status))
        status = FwpmFilterAdd0(engine, &filter, NULL, NULL);
    if (NT_SUCCESS(status))
        status = IoCreateSymbolicLink(&link, &name);
    return status;
}
