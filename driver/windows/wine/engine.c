/* SPDX-License-Identifier: MIT */
/*
 * Callouts live as long as the driver, filters as long as the session that
 * added them. No lock is held while a callout classifies: as in Windows, a
 * filter that was just deleted may still be called.
 */
#include "standin.h"

#include <stdio.h>
#include <stdlib.h>

#define CALLOUTS_MOST 16
#define SESSIONS_MOST 1024
#define FILTERS_MOST 4096
#define VALUES 12 /* incoming values of a layer, at the most that we have */

static const GUID *const layers[FD_WIRE_LAYER_COUNT] = {
    &FWPM_LAYER_INBOUND_IPPACKET_V4,  &FWPM_LAYER_INBOUND_IPPACKET_V6,
    &FWPM_LAYER_OUTBOUND_IPPACKET_V4, &FWPM_LAYER_OUTBOUND_IPPACKET_V6,
    &FWPM_LAYER_IPFORWARD_V4,         &FWPM_LAYER_IPFORWARD_V6,
};

struct callout {
    BOOLEAN used;
    FWPS_CALLOUT1 callout;
    int layer; /* once FwpmCalloutAdd0 has told, else -1 */
};

struct filter {
    ULONG session; /* 0: free */
    int layer;
    GUID callout;
    UINT64 weight;
    UINT64 context;
};

static SRWLOCK lock = SRWLOCK_INIT;
static struct callout callouts[CALLOUTS_MOST];
static ULONG callout_count;
static BOOLEAN sessions[SESSIONS_MOST];
static BOOLEAN in_transaction[SESSIONS_MOST];
static struct filter filters[FILTERS_MOST];
static volatile LONG classifying;
static LONG complaints;
static char last_complaint[96];

void fd_complain(const char *what)
{
    AcquireSRWLockExclusive(&lock);
    complaints++;
    (void)snprintf(last_complaint, sizeof(last_complaint), "%s", what);
    ReleaseSRWLockExclusive(&lock);
}

static int layer_of(const GUID *key)
{
    for (int layer = 0; layer < FD_WIRE_LAYER_COUNT; layer++)
        if (IsEqualGUID(layers[layer], key))
            return layer;
    return -1;
}

/* ---- callouts ------------------------------------------------------------------- */

NTSTATUS NTAPI FwpsCalloutRegister1(VOID *device, const FWPS_CALLOUT1 *callout, UINT32 *id)
{
    NTSTATUS status = STATUS_NOT_FOUND_;
    BOOLEAN first;

    (void)device;
    AcquireSRWLockExclusive(&lock);
    first = callout_count == 0;
    for (ULONG i = 0; i < CALLOUTS_MOST && status != 0; i++) {
        if (callouts[i].used)
            continue;
        callouts[i] = (struct callout){.used = TRUE, .callout = *callout, .layer = -1};
        callout_count++;
        *id = i + 1;
        status = 0;
    }
    ReleaseSRWLockExclusive(&lock);
    if (first && status == 0)
        fd_wire_begin();
    return status;
}

/* The driver's code goes after this: nobody may be in it any more. */
NTSTATUS NTAPI FwpsCalloutUnregisterById0(UINT32 id)
{
    BOOLEAN last;

    AcquireSRWLockExclusive(&lock);
    if (id == 0 || id > CALLOUTS_MOST || !callouts[id - 1].used) {
        ReleaseSRWLockExclusive(&lock);
        return STATUS_NOT_FOUND_;
    }
    callouts[id - 1].used = FALSE;
    last = --callout_count == 0;
    ReleaseSRWLockExclusive(&lock);
    if (last)
        fd_wire_end();
    while (InterlockedCompareExchange(&classifying, 0, 0) != 0)
        Sleep(1);
    return 0;
}

/* ---- sessions --------------------------------------------------------------------- */

NTSTATUS NTAPI FwpmEngineOpen0(const wchar_t *server, UINT32 service, VOID *identity,
                               const FWPM_SESSION0 *session, HANDLE *engine)
{
    NTSTATUS status = STATUS_NOT_FOUND_;

    (void)server, (void)service, (void)identity;
    if (session == NULL || (session->flags & FWPM_SESSION_FLAG_DYNAMIC) == 0)
        fd_complain("a session that is not dynamic leaves its filters behind");
    AcquireSRWLockExclusive(&lock);
    for (ULONG i = 1; i < SESSIONS_MOST && status != 0; i++) {
        if (sessions[i])
            continue;
        sessions[i] = TRUE;
        in_transaction[i] = FALSE;
        *engine = (HANDLE)(ULONG_PTR)i;
        status = 0;
    }
    ReleaseSRWLockExclusive(&lock);
    return status;
}

NTSTATUS NTAPI FwpmEngineClose0(HANDLE engine)
{
    ULONG session = (ULONG)(ULONG_PTR)engine;

    AcquireSRWLockExclusive(&lock);
    sessions[session] = FALSE;
    for (ULONG i = 0; i < FILTERS_MOST; i++)
        if (filters[i].session == session)
            filters[i].session = 0;
    ReleaseSRWLockExclusive(&lock);
    return 0;
}

static NTSTATUS transaction(HANDLE engine, BOOLEAN before, BOOLEAN after)
{
    ULONG session = (ULONG)(ULONG_PTR)engine;

    if (!sessions[session] || in_transaction[session] != before) {
        fd_complain("a transaction begins in one, or ends without one");
        return (NTSTATUS)0xC022000D; /* FWP_E_NO_TXN_IN_PROGRESS */
    }
    in_transaction[session] = after;
    return 0;
}

NTSTATUS NTAPI FwpmTransactionBegin0(HANDLE engine, UINT32 flags)
{
    (void)flags;
    return transaction(engine, FALSE, TRUE);
}

NTSTATUS NTAPI FwpmTransactionCommit0(HANDLE engine)
{
    return transaction(engine, TRUE, FALSE);
}

NTSTATUS NTAPI FwpmTransactionAbort0(HANDLE engine)
{
    return transaction(engine, TRUE, FALSE);
}

NTSTATUS NTAPI FwpmSubLayerAdd0(HANDLE engine, const FWPM_SUBLAYER0 *layer, VOID *security)
{
    (void)engine, (void)layer, (void)security;
    return 0;
}

NTSTATUS NTAPI FwpmCalloutAdd0(HANDLE engine, const FWPM_CALLOUT0 *added, VOID *security,
                               UINT32 *id)
{
    NTSTATUS status = STATUS_NOT_FOUND_;

    (void)engine, (void)security, (void)id;
    AcquireSRWLockExclusive(&lock);
    for (ULONG i = 0; i < CALLOUTS_MOST; i++) {
        if (!callouts[i].used || !IsEqualGUID(&callouts[i].callout.calloutKey, &added->calloutKey))
            continue;
        callouts[i].layer = layer_of(&added->applicableLayer);
        status = 0;
    }
    ReleaseSRWLockExclusive(&lock);
    return status;
}

NTSTATUS NTAPI FwpmFilterAdd0(HANDLE engine, const FWPM_FILTER0 *added, VOID *security, UINT64 *id)
{
    NTSTATUS status = STATUS_NOT_FOUND_;
    int layer = layer_of(&added->layerKey);

    (void)security;
    if (layer < 0 || added->weight.type != FWP_UINT64 ||
        added->action.type != FWP_ACTION_CALLOUT_UNKNOWN) {
        fd_complain("a filter without layer, weight or callout");
        return status;
    }
    AcquireSRWLockExclusive(&lock);
    for (ULONG i = 0; i < FILTERS_MOST && status != 0; i++) {
        if (filters[i].session != 0)
            continue;
        filters[i] = (struct filter){
            .session = (ULONG)(ULONG_PTR)engine,
            .layer = layer,
            .callout = added->action.calloutKey,
            .weight = *added->weight.uint64,
            .context = added->rawContext,
        };
        if (id != NULL)
            *id = i + 1;
        status = 0;
    }
    ReleaseSRWLockExclusive(&lock);
    return status;
}

/* ---- a packet at a layer -------------------------------------------------------------- */

static int heavier_first(const void *a, const void *b)
{
    UINT64 one = ((const struct filter *)a)->weight, other = ((const struct filter *)b)->weight;

    return one > other ? -1 : one < other;
}

static ULONG filters_at(int layer, struct filter *found)
{
    ULONG count = 0;

    AcquireSRWLockShared(&lock);
    for (ULONG i = 0; i < FILTERS_MOST; i++)
        if (filters[i].session != 0 && filters[i].layer == layer)
            found[count++] = filters[i];
    ReleaseSRWLockShared(&lock);
    qsort(found, count, sizeof(*found), heavier_first);
    return count;
}

static FWPS_CALLOUT_CLASSIFY_FN1 callout_of(const GUID *key)
{
    FWPS_CALLOUT_CLASSIFY_FN1 found = NULL;

    AcquireSRWLockShared(&lock);
    for (ULONG i = 0; i < CALLOUTS_MOST; i++)
        if (callouts[i].used && IsEqualGUID(&callouts[i].callout.calloutKey, key))
            found = callouts[i].callout.classifyFn;
    ReleaseSRWLockShared(&lock);
    return found;
}

/* The chain of lists that a request describes. */
struct chain {
    struct fd_list *lists;
    NET_BUFFER *buffers;
    MDL *mdls;
    BYTE *bytes[2];
    ULONG list_count;
    ULONG buffer_count; /* of each list */
    ULONG begin;        /* where buffers begin: behind the IP header of inbound packets */
    ULONG length;
};

static void free_chain(struct chain *chain)
{
    free(chain->lists);
    free(chain->buffers);
    free(chain->mdls);
    free(chain->bytes[0]);
    free(chain->bytes[1]);
}

static void build_buffer(struct chain *chain, NET_BUFFER *buffer, MDL *mdl, ULONG first)
{
    mdl[0] = (MDL){.MappedSystemVa = chain->bytes[0], .ByteCount = first};
    if (first < chain->length) {
        mdl[1] = (MDL){.MappedSystemVa = chain->bytes[1], .ByteCount = chain->length - first};
        mdl[0].Next = &mdl[1];
    }
    buffer->MdlChain = buffer->CurrentMdl = mdl;
    buffer->DataLength = chain->length;
    NdisAdvanceNetBufferDataStart(buffer, chain->begin, FALSE, NULL);
}

static BOOLEAN build_chain(struct chain *chain, const struct fd_wire_request *packet, ULONG begin,
                           HANDLE injection, HANDLE context)
{
    ULONG lists = packet->lists != 0 ? packet->lists : 1;
    ULONG buffers = packet->buffers != 0 ? packet->buffers : 1;
    ULONG first =
        packet->split != 0 && packet->split < packet->length ? packet->split : packet->length;

    *chain = (struct chain){
        .lists = calloc(lists, sizeof(*chain->lists)),
        .buffers = calloc((size_t)lists * buffers, sizeof(*chain->buffers)),
        .mdls = calloc((size_t)lists * buffers * 2, sizeof(*chain->mdls)),
        .bytes = {malloc(packet->length + 1), malloc(packet->length + 1)},
        .list_count = lists,
        .buffer_count = buffers,
        .begin = begin,
        .length = packet->length,
    };
    if (chain->lists == NULL || chain->buffers == NULL || chain->mdls == NULL ||
        chain->bytes[0] == NULL || chain->bytes[1] == NULL)
        return FALSE;
    memcpy(chain->bytes[0], packet->data, first);
    memcpy(chain->bytes[1], packet->data + first, packet->length - first);
    for (ULONG i = 0; i < lists; i++) {
        struct fd_list *list = &chain->lists[i];
        list->injection = injection;
        list->context = context;
        list->list.Next = i + 1 < lists ? &chain->lists[i + 1].list : NULL;
        list->list.FirstNetBuffer = &chain->buffers[i * buffers];
        list->list.NetBufferListInfo[TcpIpChecksumNetBufferListInfo] =
            (PVOID)(ULONG_PTR)packet->info;
        for (ULONG j = 0; j < buffers; j++) {
            ULONG at = i * buffers + j;
            chain->buffers[at].Next = j + 1 < buffers ? &chain->buffers[at + 1] : NULL;
            build_buffer(chain, &chain->buffers[at], &chain->mdls[2 * at], first);
        }
    }
    return TRUE;
}

/* A callout gives buffers back as they were. */
static void check_chain(const struct chain *chain)
{
    for (ULONG i = 0; i < chain->list_count * chain->buffer_count; i++)
        if (chain->buffers[i].DataLength != chain->length - chain->begin ||
            chain->buffers[i].DataOffset != chain->begin)
            fd_complain("a callout has moved the start of a buffer");
}

static ULONG header_size(const struct fd_wire_request *packet)
{
    return packet->layer % 2 != 0 ? 40 : (packet->data[0] & 15u) * 4;
}

static void fill_values(const struct fd_wire_request *packet, FWPS_INCOMING_VALUE0 *values)
{
    ULONG interface_field = FD_IPFORWARD_DESTINATION_INTERFACE_INDEX;
    ULONG sub_field = FD_IPFORWARD_DESTINATION_SUB_INTERFACE_INDEX;
    ULONG flags_field = FD_IPFORWARD_FLAGS;

    memset(values, 0, VALUES * sizeof(*values));
    if (packet->layer < FD_WIRE_FORWARD_V4) {
        /* Both directions have them at the same places. */
        interface_field = FD_INBOUND_IPPACKET_INTERFACE_INDEX;
        sub_field = FD_INBOUND_IPPACKET_SUB_INTERFACE_INDEX;
        flags_field = FD_INBOUND_IPPACKET_FLAGS;
    }
    values[interface_field].value = (FWP_VALUE0){.type = FWP_UINT32, .uint32 = packet->ifindex};
    values[sub_field].value = (FWP_VALUE0){.type = FWP_UINT32, .uint32 = packet->subifindex};
    values[flags_field].value = (FWP_VALUE0){.type = FWP_UINT32, .uint32 = packet->conditions};
}

static enum fd_wire_fate classify(const struct fd_wire_request *packet, struct chain *chain,
                                  const struct filter *filter, FWPS_CALLOUT_CLASSIFY_FN1 function)
{
    FWPS_INCOMING_VALUE0 values[VALUES];
    FWPS_INCOMING_VALUES0 incoming = {.valueCount = VALUES, .incomingValue = values};
    struct {
        FWPS_INCOMING_METADATA_VALUES0 known;
        BYTE more[512];
    } metadata = {.known = {.currentMetadataValues = FWPS_METADATA_FIELD_IP_HEADER_SIZE,
                            .ipHeaderSize = header_size(packet)}};
    FWPS_FILTER1 given = {.context = filter->context};
    FWPS_CLASSIFY_OUT0 out = {.actionType = FWP_ACTION_CONTINUE, .rights = FWPS_RIGHT_ACTION_WRITE};

    fill_values(packet, values);
    function(&incoming, &metadata.known, &chain->lists[0].list, NULL, &given, 0, &out);
    check_chain(chain);
    if (out.actionType != FWP_ACTION_BLOCK)
        return FD_WIRE_PASSED;
    if ((out.flags & FWPS_CLASSIFY_OUT_FLAG_ABSORB) == 0 ||
        (out.rights & FWPS_RIGHT_ACTION_WRITE) != 0)
        fd_complain("blocked without absorbing, or without taking the right to write");
    return FD_WIRE_TAKEN;
}

enum fd_wire_fate fd_engine_offer(const struct fd_wire_request *packet, HANDLE injection,
                                  HANDLE context)
{
    enum fd_wire_fate fate = FD_WIRE_PASSED;
    ULONG begin = packet->layer <= FD_WIRE_INBOUND_V6 ? header_size(packet) : 0;
    struct filter *found = malloc(FILTERS_MOST * sizeof(*found));
    struct chain chain;

    (void)InterlockedIncrement(&classifying);
    if (found != NULL && build_chain(&chain, packet, begin, injection, context)) {
        ULONG count = filters_at((int)packet->layer, found);
        for (ULONG i = 0; i < count && fate == FD_WIRE_PASSED; i++) {
            FWPS_CALLOUT_CLASSIFY_FN1 function = callout_of(&found[i].callout);
            if (function != NULL)
                fate = classify(packet, &chain, &found[i], function);
        }
        free_chain(&chain);
    }
    (void)InterlockedDecrement(&classifying);
    free(found);
    return fate;
}

void fd_engine_describe(struct fd_wire_state *state)
{
    AcquireSRWLockShared(&lock);
    state->callouts = callout_count;
    for (ULONG i = 0; i < SESSIONS_MOST; i++)
        state->sessions += sessions[i];
    for (ULONG i = 0; i < FILTERS_MOST; i++)
        state->filters += filters[i].session != 0;
    state->complaints = (uint32_t)complaints;
    memcpy(state->complaint, last_complaint, sizeof(state->complaint));
    ReleaseSRWLockShared(&lock);
}
