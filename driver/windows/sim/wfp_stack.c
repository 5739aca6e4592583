/* SPDX-License-Identifier: MIT */
/*
 * The IP stack: builds lists of buffers from a test's bytes, shows them to the
 * filters in order, and delivers what nobody took. After each callout the list
 * must be as it was; what was absorbed is freed at once and poisoned.
 */
#include "net.h"

#include "../../core/packet.h"

#include <stdlib.h>

/* What the layers call their values; the others hold nonsense here. */
struct layer_shape {
    UINT16 id;
    UINT32 count, interface, sub_interface, destination, sub_destination, flags;
};
static const struct layer_shape shapes[SIM_LAYER_COUNT] = {
    [SIM_LAYER_INBOUND_V4] = {0, 10, 4, 5, 4, 5, 6},
    [SIM_LAYER_INBOUND_V6] = {2, 10, 4, 5, 4, 5, 6},
    [SIM_LAYER_OUTBOUND_V4] = {4, 10, 4, 5, 4, 5, 6},
    [SIM_LAYER_OUTBOUND_V6] = {6, 10, 4, 5, 4, 5, 6},
    [SIM_LAYER_FORWARD_V4] = {8, 15, 5, 6, 7, 8, 9},
    [SIM_LAYER_FORWARD_V6] = {10, 15, 5, 6, 7, 8, 9},
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct sim_arrival *arrivals;
static unsigned arrival_count, arrival_room, blocked;
static int keep_arrivals = 1;

static UINT16 foreign_weight;
static FWP_ACTION_TYPE foreign_action;
static unsigned foreign_seen;

/* ---- arrivals ------------------------------------------------------------------ */

const struct sim_arrival *sim_arrival(unsigned n)
{
    return n < arrival_count && keep_arrivals ? &arrivals[n] : NULL;
}

unsigned sim_arrival_count(void)
{
    pthread_mutex_lock(&mutex);
    unsigned count = arrival_count;
    pthread_mutex_unlock(&mutex);
    return count;
}

unsigned sim_blocked_count(void)
{
    return __atomic_load_n(&blocked, __ATOMIC_RELAXED);
}

void sim_arrivals_clear(void)
{
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < arrival_count && keep_arrivals; i++)
        free(arrivals[i].bytes);
    free(arrivals);
    arrivals = NULL;
    arrival_count = arrival_room = 0;
    __atomic_store_n(&blocked, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&mutex);
}

void sim_arrivals_keep(int keep)
{
    sim_arrivals_clear();
    keep_arrivals = keep;
}

static void deliver(const struct sim_traffic *how, const struct sim_list *list, int injected)
{
    for (const NET_BUFFER *buffer = list->list.FirstNetBuffer; buffer != NULL;
         buffer = buffer->Next) {
        uint8_t *bytes = keep_arrivals ? sim_buffer_copy(buffer) : NULL;
        pthread_mutex_lock(&mutex);
        if (keep_arrivals && arrival_count == arrival_room) {
            arrival_room = arrival_room * 2 + 16;
            arrivals = realloc(arrivals, arrival_room * sizeof(*arrivals));
        }
        if (keep_arrivals)
            arrivals[arrival_count] = (struct sim_arrival){
                .way = how->way,
                .ipv6 = how->ipv6,
                .injected = injected,
                .interface = how->interface,
                .sub_interface = how->sub_interface,
                .compartment = how->compartment,
                .checksum =
                    (ULONG)(uintptr_t)list->list.NetBufferListInfo[TcpIpChecksumNetBufferListInfo],
                .length = buffer->DataLength,
                .bytes = bytes,
            };
        arrival_count++;
        pthread_mutex_unlock(&mutex);
    }
}

/* ---- classification ---------------------------------------------------------------- */

static enum sim_layer layer_of(const struct sim_traffic *how)
{
    static const enum sim_layer layers[] = {SIM_LAYER_INBOUND_V4, SIM_LAYER_OUTBOUND_V4,
                                            SIM_LAYER_FORWARD_V4};
    return layers[how->way] + (how->ipv6 != 0);
}

struct shape {
    const NET_BUFFER *buffer;
    const MDL *mdl;
    ULONG64 mdl_offset, length, offset; /* no padding: compared as memory */
};

static unsigned note_shapes(const NET_BUFFER_LIST *list, struct shape *shapes_of, unsigned most)
{
    unsigned count = 0;
    for (; list != NULL; list = list->Next)
        for (const NET_BUFFER *buffer = list->FirstNetBuffer; buffer != NULL && count < most;
             buffer = buffer->Next)
            shapes_of[count++] =
                (struct shape){buffer, buffer->CurrentMdl, buffer->CurrentMdlOffset,
                               buffer->DataLength, buffer->DataOffset};
    return count;
}

#define SHAPES 64
#ifdef FD_SIM_MEASURE
#define SIM_MEASURES 1
#else
#define SIM_MEASURES 0
#endif
struct call {
    FWPS_INCOMING_VALUES0 values;
    FWPS_INCOMING_METADATA_VALUES0 metadata;
    NET_BUFFER_LIST *list;
};

/* One callout; the list must be as it was. */
static void call_out(const struct sim_applied *applied, struct call *call, FWPS_CLASSIFY_OUT0 *out)
{
    struct shape then[SHAPES], now[SHAPES];
    /* Not while it is measured: that would measure this. */
    const unsigned most = SIM_MEASURES ? 0 : SHAPES;
    unsigned count = note_shapes(call->list, then, most);
    KIRQL irql = KeGetCurrentIrql();
    FWPS_CLASSIFY_OUT0 before = *out;

    applied->classify(&call->values, &call->metadata, call->list, NULL, &applied->filter, 0, out);
    SIM_IRQL_IS(irql);
    SIM_REQUIRE(note_shapes(call->list, now, most) == count &&
                    memcmp(then, now, count * sizeof(then[0])) == 0,
                "a callout leaves the buffers other than it got them");
    if (!(before.rights & FWPS_RIGHT_ACTION_WRITE))
        SIM_REQUIRE(out->actionType == before.actionType &&
                        !(out->rights & FWPS_RIGHT_ACTION_WRITE),
                    "a callout decides without the right to");
    SIM_REQUIRE(out->actionType == FWP_ACTION_PERMIT || out->actionType == FWP_ACTION_BLOCK ||
                    out->actionType == FWP_ACTION_CONTINUE,
                "a callout answers 0x%x", out->actionType);
    if (out->flags & FWPS_CLASSIFY_OUT_FLAG_ABSORB)
        SIM_REQUIRE(out->actionType == FWP_ACTION_BLOCK,
                    "a callout absorbs without blocking: the packet goes on, and nobody has it");
}

static void ask_foreign(FWPS_CLASSIFY_OUT0 *out)
{
    __atomic_add_fetch(&foreign_seen, 1, __ATOMIC_RELAXED);
    if (!(out->rights & FWPS_RIGHT_ACTION_WRITE) || foreign_action == FWP_ACTION_CONTINUE)
        return;
    out->actionType = foreign_action;
    if (foreign_action == FWP_ACTION_BLOCK)
        out->rights &= ~FWPS_RIGHT_ACTION_WRITE;
}

/* Sublayer by sublayer; in each, filter by filter until one decides. A block
 * ends its sublayer, and those below are asked without the right to change it. */
static void arbitrate(struct call *call, enum sim_layer layer, FWPS_CLASSIFY_OUT0 *out)
{
    struct sim_applied applied[SIM_FILTERS];
    unsigned count = sim_filters_of(layer, applied, SIM_FILTERS);
    int decided = 0, foreign_due = foreign_action != 0;

    *out = (FWPS_CLASSIFY_OUT0){.actionType = FWP_ACTION_PERMIT, .rights = FWPS_RIGHT_ACTION_WRITE};
    for (unsigned i = 0; i < count; i++) {
        if (foreign_due && foreign_weight >= applied[i].sublayer_weight) {
            ask_foreign(out);
            foreign_due = 0;
        }
        if (i == 0 || memcmp(&applied[i].sublayer, &applied[i - 1].sublayer, sizeof(GUID)) != 0)
            decided = 0;
        if (decided)
            continue;
        FWPS_CLASSIFY_OUT0 answer = *out;
        if (answer.rights & FWPS_RIGHT_ACTION_WRITE)
            answer.actionType = FWP_ACTION_CONTINUE;
        if (applied[i].classify != NULL)
            call_out(&applied[i], call, &answer);
        else if (answer.rights & FWPS_RIGHT_ACTION_WRITE)
            answer.actionType = applied[i].filter.action.type;
        decided = answer.actionType != FWP_ACTION_CONTINUE &&
                  (out->rights & FWPS_RIGHT_ACTION_WRITE) != 0;
        if (decided)
            *out = answer;
    }
    if (foreign_due)
        ask_foreign(out);
    sim_filters_release(applied, count);
}

static int classify(const struct sim_traffic *how, NET_BUFFER_LIST *list, ULONG header_size)
{
    enum sim_layer layer = layer_of(how);
    const struct layer_shape *shape = &shapes[layer];
    FWPS_INCOMING_VALUE0 values[16];
    FWPS_CLASSIFY_OUT0 out;
    struct call call = {
        .values = {shape->id, shape->count, values},
        .list = list,
    };

    for (UINT32 i = 0; i < shape->count; i++) {
        values[i].value.type = FWP_UINT32;
        values[i].value.uint32 = 0xdead0000u + i;
    }
    values[shape->destination].value.uint32 = how->destination_interface;
    values[shape->sub_destination].value.uint32 = how->destination_sub_interface;
    values[shape->interface].value.uint32 = how->interface;
    values[shape->sub_interface].value.uint32 = how->sub_interface;
    values[shape->flags].value.uint32 =
        how->flags | (how->loopback ? FWP_CONDITION_FLAG_IS_LOOPBACK : 0);
    memset(&call.metadata, SIM_POISON, sizeof(call.metadata));
    call.metadata.currentMetadataValues = FWPS_METADATA_FIELD_COMPARTMENT_ID;
    call.metadata.compartmentId = how->compartment;
    if (how->way == SIM_INBOUND && !how->no_header_size) {
        call.metadata.currentMetadataValues |= FWPS_METADATA_FIELD_IP_HEADER_SIZE;
        call.metadata.ipHeaderSize = header_size;
    }

    KIRQL old = sim_raise_irql(how->irql > KeGetCurrentIrql() ? how->irql : KeGetCurrentIrql());
    arbitrate(&call, layer, &out);
    KeLowerIrql(old);
    if (out.actionType != FWP_ACTION_BLOCK)
        return 1;
    if (!(out.flags & FWPS_CLASSIFY_OUT_FLAG_ABSORB))
        __atomic_add_fetch(&blocked, 1, __ATOMIC_RELAXED);
    return 0;
}

/* The length of the first IP header, which the stack takes off all buffers; of
 * none more than it has. */
static ULONG ip_header_size(const NET_BUFFER_LIST *lists)
{
    const NET_BUFFER *first = lists->FirstNetBuffer;
    struct fd_parsed parsed;
    uint8_t *copy = sim_buffer_copy(first);
    ULONG size = fd_parse(copy, first->DataLength, &parsed) != 0 ? parsed.l4_offset : 20;

    free(copy);
    for (; lists != NULL; lists = lists->Next)
        for (const NET_BUFFER *buffer = lists->FirstNetBuffer; buffer != NULL;
             buffer = buffer->Next)
            if (buffer->DataLength < size)
                size = buffer->DataLength;
    return size;
}

static void move_all(NET_BUFFER_LIST *list, ULONG size, int back)
{
    for (; list != NULL; list = list->Next)
        for (NET_BUFFER *buffer = list->FirstNetBuffer; buffer != NULL; buffer = buffer->Next) {
            long before = sim_fault_pause();
            if (back)
                NdisRetreatNetBufferDataStart(buffer, size, 0, NULL);
            else
                NdisAdvanceNetBufferDataStart(buffer, size, FALSE, NULL);
            sim_fault_resume(before);
        }
}

static int classify_way(const struct sim_traffic *how, NET_BUFFER_LIST *list)
{
    if (how->way != SIM_INBOUND)
        return classify(how, list, 0);
    ULONG header_size = ip_header_size(list);
    move_all(list, header_size, 0);
    int passed = classify(how, list, header_size);
    move_all(list, header_size, 1);
    return passed;
}

int sim_stack_pass(const struct sim_traffic *how, struct sim_list *list, int injected)
{
    struct sim_traffic inbound = *how;

    if (!classify_way(how, &list->list))
        return 0;
    if (how->loopback && how->way == SIM_OUTBOUND) {
        inbound.way = SIM_INBOUND;
        if (!classify_way(&inbound, &list->list))
            return 0;
    }
    for (const struct sim_list *next = list; next != NULL;
         next = (const struct sim_list *)next->list.Next)
        deliver(how->loopback ? &inbound : how, next, injected);
    return 1;
}

/* ---- the host's own packets -------------------------------------------------------------- */

static MDL *mdl_new(const uint8_t *bytes, uint32_t length, uint32_t unused)
{
    MDL *mdl = calloc(1, sizeof(*mdl));
    uint8_t *memory = malloc(unused + length + (unused + length == 0));
    if (mdl == NULL || memory == NULL)
        abort();
    memset(memory, SIM_POISON, unused);
    if (length != 0)
        memcpy(memory + unused, bytes, length);
    mdl->MappedSystemVa = memory;
    mdl->ByteCount = unused + length;
    mdl->MdlFlags = MDL_SOURCE_IS_NONPAGED_POOL;
    return mdl;
}

static void chain_free(MDL *mdl)
{
    while (mdl != NULL) {
        MDL *next = mdl->Next;
        free(mdl->MappedSystemVa);
        free(mdl);
        mdl = next;
    }
}

static NET_BUFFER *buffer_new(const struct sim_traffic *how, const struct sim_bytes *packet)
{
    NET_BUFFER *buffer = aligned_alloc(16, (sizeof(*buffer) + 15) / 16 * 16);
    uint32_t at = 0, unused = how->unused;
    MDL **end = &buffer->MdlChain;

    memset(buffer, 0, sizeof(*buffer));
    do {
        uint32_t here = packet->length - at;
        if (how->mdl_size != 0 && here > how->mdl_size)
            here = how->mdl_size;
        *end = mdl_new(packet->bytes + at, here, unused);
        end = &(*end)->Next;
        at += here;
        unused = 0;
    } while (at < packet->length);
    buffer->DataOffset = how->unused;
    buffer->DataLength = packet->length;
    buffer->CurrentMdl = buffer->MdlChain;
    buffer->CurrentMdlOffset = how->unused;
    return buffer;
}

NET_BUFFER_LIST *sim_list_build(const struct sim_traffic *how, const struct sim_bytes *packets,
                                unsigned count, unsigned buffers_per_list)
{
    NET_BUFFER_LIST *first = NULL, **end_of_lists = &first;
    NET_BUFFER **end = NULL;

    for (unsigned i = 0; i < count; i++) {
        if (i % buffers_per_list == 0) {
            struct sim_list *list = sim_list_new();
            list->state = SIM_LIST_STACK;
            list->list.NetBufferListInfo[TcpIpChecksumNetBufferListInfo] =
                (PVOID)(uintptr_t)how->checksum;
            list->list.NetBufferListInfo[TcpLargeSendNetBufferListInfo] =
                (PVOID)(uintptr_t)how->segment_size;
            *end_of_lists = &list->list;
            end_of_lists = &list->list.Next;
            end = &list->list.FirstNetBuffer;
        }
        *end = buffer_new(how, &packets[i]);
        end = &(*end)->Next;
    }
    return first;
}

void sim_list_free(NET_BUFFER_LIST *list)
{
    while (list != NULL) {
        NET_BUFFER_LIST *next = list->Next;
        for (NET_BUFFER *buffer = list->FirstNetBuffer; buffer != NULL;) {
            NET_BUFFER *after = buffer->Next;
            chain_free(buffer->MdlChain);
            memset(buffer, SIM_POISON, sizeof(*buffer));
            free(buffer);
            buffer = after;
        }
        sim_list_delete((struct sim_list *)list);
        list = next;
    }
}

int sim_list_classify(const struct sim_traffic *how, NET_BUFFER_LIST *list)
{
    return sim_stack_pass(how, (struct sim_list *)list, 0);
}

int sim_packets(const struct sim_traffic *how, const struct sim_bytes *packets, unsigned count,
                unsigned buffers_per_list)
{
    NET_BUFFER_LIST *list = sim_list_build(how, packets, count, buffers_per_list);
    int passed = sim_list_classify(how, list);
    sim_list_free(list);
    return passed;
}

int sim_packet(const struct sim_traffic *how, const uint8_t *bytes, uint32_t length)
{
    return sim_packets(how, &(struct sim_bytes){bytes, length}, 1, 1);
}

void sim_foreign_filter(UINT16 sublayer_weight, FWP_ACTION_TYPE action)
{
    foreign_weight = sublayer_weight;
    foreign_action = action;
    foreign_seen = 0;
}

unsigned sim_foreign_seen(void)
{
    return __atomic_load_n(&foreign_seen, __ATOMIC_RELAXED);
}
