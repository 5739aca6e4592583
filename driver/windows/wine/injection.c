/* SPDX-License-Identifier: MIT */
/*
 * Packets that the driver puts back. Each is copied, completed by a thread of
 * its own as the stack would, and comes to its layer again, marked with who
 * injected it; so handles of lower priority see it. What no filter takes waits
 * for the test.
 */
#include "standin.h"

#include <stdlib.h>

/* A packet on its way: to be completed and offered, or delivered and waiting. */
struct packet {
    struct packet *next;
    NET_BUFFER_LIST *list;
    FWPS_INJECT_COMPLETE0 complete;
    HANDLE complete_context;
    HANDLE injection;
    HANDLE context;
    BOOLEAN injected;
    struct fd_wire_request request; /* cut off after its data */
};

struct queue {
    struct packet *first;
    struct packet **last;
    LONG count;
};

static SRWLOCK lock = SRWLOCK_INIT;
static CONDITION_VARIABLE moved = CONDITION_VARIABLE_INIT;
static struct queue flying, delivered;
static BOOLEAN running;
static HANDLE thread;
static LONG handles, lists, total;
static UINT16 family_of_handle[16];

static void clear(struct queue *queue)
{
    while (queue->first != NULL) {
        struct packet *packet = queue->first;
        queue->first = packet->next;
        free(packet);
    }
    *queue = (struct queue){.last = &queue->first};
}

/* Under the lock. */
static void append(struct queue *queue, struct packet *packet)
{
    packet->next = NULL;
    *queue->last = packet;
    queue->last = &packet->next;
    queue->count++;
    WakeAllConditionVariable(&moved);
}

static struct packet *pop(struct queue *queue)
{
    struct packet *packet = queue->first;

    if (packet == NULL)
        return NULL;
    queue->first = packet->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    queue->count--;
    return packet;
}

static struct packet *make_packet(const struct fd_wire_request *request)
{
    struct packet *packet =
        malloc(FIELD_OFFSET(struct packet, request) + FD_WIRE_REQUEST_HEAD + request->length);

    if (packet == NULL)
        return NULL;
    memset(packet, 0, FIELD_OFFSET(struct packet, request));
    memcpy(&packet->request, request, FD_WIRE_REQUEST_HEAD + request->length);
    return packet;
}

/* ---- the stack's side -------------------------------------------------------------- */

static DWORD WINAPI fly(void *unused)
{
    (void)unused;
    AcquireSRWLockExclusive(&lock);
    for (;;) {
        struct packet *packet = pop(&flying);
        if (packet == NULL) {
            if (!running)
                break;
            (void)SleepConditionVariableSRW(&moved, &lock, INFINITE, 0);
            continue;
        }
        ReleaseSRWLockExclusive(&lock);
        if (fd_engine_offer(&packet->request, packet->injection, packet->context) == FD_WIRE_PASSED)
            fd_injection_deliver(&packet->request, TRUE);
        packet->list->Status = 0;
        packet->complete(packet->complete_context, packet->list, FALSE);
        free(packet);
        AcquireSRWLockExclusive(&lock);
    }
    ReleaseSRWLockExclusive(&lock);
    return 0;
}

NTSTATUS NTAPI FwpsInjectionHandleCreate0(UINT16 family, UINT32 flags, HANDLE *handle)
{
    (void)flags;
    AcquireSRWLockExclusive(&lock);
    if (handles == 0) {
        clear(&flying);
        clear(&delivered);
        running = TRUE;
        thread = CreateThread(NULL, 0, fly, NULL, 0, NULL);
    }
    handles++;
    for (ULONG i = 1; i < 16; i++) {
        if (family_of_handle[i] != 0)
            continue;
        family_of_handle[i] = family;
        *handle = (HANDLE)(ULONG_PTR)i;
        break;
    }
    ReleaseSRWLockExclusive(&lock);
    return 0;
}

NTSTATUS NTAPI FwpsInjectionHandleDestroy0(HANDLE handle)
{
    HANDLE ended = NULL;

    AcquireSRWLockExclusive(&lock);
    family_of_handle[(ULONG_PTR)handle] = 0;
    if (--handles == 0) {
        running = FALSE;
        ended = thread;
        WakeAllConditionVariable(&moved);
    }
    ReleaseSRWLockExclusive(&lock);
    if (ended != NULL) {
        (void)WaitForSingleObject(ended, INFINITE); /* with what still flies, as in Windows */
        CloseHandle(ended);
        if (lists != 0)
            fd_complain("lists that were never freed");
    }
    return 0;
}

void fd_injection_deliver(const struct fd_wire_request *request, BOOLEAN injected)
{
    struct packet *packet = make_packet(request);

    if (packet == NULL)
        return;
    packet->injected = injected;
    AcquireSRWLockExclusive(&lock);
    append(&delivered, packet);
    ReleaseSRWLockExclusive(&lock);
}

BOOLEAN fd_injection_take(struct fd_wire_reply *reply, DWORD patience)
{
    ULONGLONG end = GetTickCount64() + patience;
    struct packet *packet;

    AcquireSRWLockExclusive(&lock);
    while ((packet = pop(&delivered)) == NULL) {
        ULONGLONG now = GetTickCount64();
        if (now >= end || !running ||
            !SleepConditionVariableSRW(&moved, &lock, (DWORD)(end - now), 0))
            break;
    }
    ReleaseSRWLockExclusive(&lock);
    if (packet == NULL)
        return FALSE;
    reply->layer = packet->request.layer;
    reply->ifindex = packet->request.ifindex;
    reply->subifindex = packet->request.subifindex;
    reply->injected = packet->injected;
    reply->length = packet->request.length;
    memcpy(reply->data, packet->request.data, reply->length);
    free(packet);
    return TRUE;
}

void fd_injection_describe(struct fd_wire_state *state)
{
    AcquireSRWLockShared(&lock);
    state->injection_handles = (uint32_t)handles;
    state->lists = (uint32_t)lists;
    state->in_flight = (uint32_t)flying.count;
    state->injected = (uint32_t)total;
    state->waiting = (uint32_t)delivered.count;
    ReleaseSRWLockShared(&lock);
}

/* ---- the driver's side ---------------------------------------------------------------- */

NTSTATUS NTAPI FwpsAllocateNetBufferAndNetBufferList0(NDIS_HANDLE pool, USHORT context_size,
                                                      USHORT context_backfill, MDL *chain,
                                                      ULONG offset, SIZE_T length,
                                                      NET_BUFFER_LIST **list)
{
    struct fd_list *made = calloc(1, sizeof(*made));

    (void)context_size, (void)context_backfill;
    if (made == NULL)
        return (NTSTATUS)0xC000009A;
    if (pool == NULL)
        fd_complain("a list without a pool");
    made->first = (NET_BUFFER){.MdlChain = chain,
                               .CurrentMdl = chain,
                               .CurrentMdlOffset = offset,
                               .DataOffset = offset,
                               .DataLength = (ULONG)length};
    made->list.FirstNetBuffer = &made->first;
    (void)InterlockedIncrement(&lists);
    *list = &made->list;
    return 0;
}

VOID NTAPI FwpsFreeNetBufferList0(NET_BUFFER_LIST *list)
{
    free(list);
    (void)InterlockedDecrement(&lists);
}

static NTSTATUS inject(HANDLE injection, HANDLE context, enum fd_wire_layer layer, UINT32 ifindex,
                       UINT32 subifindex, NET_BUFFER_LIST *list, FWPS_INJECT_COMPLETE0 complete,
                       HANDLE complete_context)
{
    NET_BUFFER *buffer = list->FirstNetBuffer;
    struct fd_wire_request request = {
        .layer = layer, .ifindex = ifindex, .subifindex = subifindex, .length = buffer->DataLength};
    struct packet *packet;

    if (buffer->DataLength > FD_WIRE_PACKET_MOST || buffer->DataLength < 20)
        return (NTSTATUS)0xC000000D;
    if ((ULONG_PTR)injection >= 16 || family_of_handle[(ULONG_PTR)injection] == 0)
        fd_complain("an injection without its handle");
    fd_copy_buffer(buffer, request.data);
    if ((request.data[0] >> 4) != (layer % 2 != 0 ? 6 : 4) ||
        family_of_handle[(ULONG_PTR)injection] != (layer % 2 != 0 ? AF_INET6 : AF_INET))
        fd_complain("an injection of the other family");
    packet = make_packet(&request);
    if (packet == NULL)
        return (NTSTATUS)0xC000009A;
    packet->list = list;
    packet->complete = complete;
    packet->complete_context = complete_context;
    packet->injection = injection;
    packet->context = context;
    AcquireSRWLockExclusive(&lock);
    total++;
    append(&flying, packet);
    ReleaseSRWLockExclusive(&lock);
    return 0;
}

static BOOLEAN is_v6(HANDLE injection)
{
    return family_of_handle[(ULONG_PTR)injection & 15] == AF_INET6;
}

NTSTATUS NTAPI FwpsInjectNetworkSendAsync0(HANDLE injection, HANDLE injection_context, UINT32 flags,
                                           UINT32 compartment, NET_BUFFER_LIST *list,
                                           FWPS_INJECT_COMPLETE0 complete, HANDLE context)
{
    (void)flags, (void)compartment;
    return inject(injection, injection_context,
                  is_v6(injection) ? FD_WIRE_OUTBOUND_V6 : FD_WIRE_OUTBOUND_V4, 0, 0, list,
                  complete, context);
}

NTSTATUS NTAPI FwpsInjectNetworkReceiveAsync0(HANDLE injection, HANDLE injection_context,
                                              UINT32 flags, UINT32 compartment,
                                              UINT32 interface_index, UINT32 sub_interface_index,
                                              NET_BUFFER_LIST *list, FWPS_INJECT_COMPLETE0 complete,
                                              HANDLE context)
{
    (void)flags, (void)compartment;
    return inject(injection, injection_context,
                  is_v6(injection) ? FD_WIRE_INBOUND_V6 : FD_WIRE_INBOUND_V4, interface_index,
                  sub_interface_index, list, complete, context);
}

NTSTATUS NTAPI FwpsInjectForwardAsync0(HANDLE injection, HANDLE injection_context, UINT32 flags,
                                       UINT16 family, UINT32 compartment, UINT32 interface_index,
                                       NET_BUFFER_LIST *list, FWPS_INJECT_COMPLETE0 complete,
                                       HANDLE context)
{
    (void)flags, (void)compartment;
    return inject(injection, injection_context,
                  family == AF_INET6 ? FD_WIRE_FORWARD_V6 : FD_WIRE_FORWARD_V4, interface_index, 0,
                  list, complete, context);
}

FWPS_PACKET_INJECTION_STATE NTAPI FwpsQueryPacketInjectionState0(HANDLE injection,
                                                                 const NET_BUFFER_LIST *list,
                                                                 HANDLE *injection_context)
{
    const struct fd_list *ours = (const struct fd_list *)list;

    if (ours->injection == NULL)
        return FWPS_PACKET_NOT_INJECTED;
    if (ours->injection != injection)
        return FWPS_PACKET_INJECTED_BY_OTHER;
    if (injection_context != NULL)
        *injection_context = ours->context;
    return FWPS_PACKET_INJECTED_BY_SELF;
}
