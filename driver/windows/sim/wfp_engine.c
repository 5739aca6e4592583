/* SPDX-License-Identifier: MIT */
/*
 * The filter engine's management side: sessions with what belongs to them,
 * transactions, callouts and filters. What is added in a transaction is seen
 * by the classifier when it is committed, and gone when it is aborted; what a
 * dynamic session added goes with it.
 */
#include "net.h"

#include <stdio.h>
#include <stdlib.h>

enum kind { SUBLAYER, CALLOUT, FILTER };
enum phase { ADDING, THERE };

struct session;
struct item {
    struct item *next;
    enum kind kind;
    enum phase phase;
    struct session *session;
    GUID key;
    GUID layer, sublayer, callout_key; /* of filters; callouts: layer */
    UINT16 weight;                     /* of sublayers */
    uint64_t order;                    /* of filters: their weight */
    uint64_t number;                   /* as they were added */
    UINT64 id, context;
    FWP_ACTION_TYPE action;
};

struct session {
    unsigned magic;
    int dynamic, in_transaction;
};
#define SESSION_MAGIC 0x73657373u

struct sim_callout {
    struct sim_callout *next;
    FWPS_CALLOUT1 given;
    UINT32 id;
    long active;  /* classifications that are in it or may still enter */
    long applied; /* filters that call it */
    int removed;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static struct item *items;
static struct sim_callout *callouts;
static long sessions;
static UINT32 last_callout_id = 256;
static UINT64 last_number;

static int same(const GUID *a, const GUID *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static int is_null(const GUID *key)
{
    static const GUID null;
    return same(key, &null);
}

/* With the mutex held. */
static struct item *find(enum kind kind, const GUID *key)
{
    for (struct item *item = items; item != NULL; item = item->next)
        if (item->kind == kind && same(&item->key, key))
            return item;
    return NULL;
}

static struct sim_callout *find_callout(const GUID *key)
{
    for (struct sim_callout *callout = callouts; callout != NULL; callout = callout->next)
        if (!callout->removed && same(&callout->given.calloutKey, key))
            return callout;
    return NULL;
}

/* ---- sessions and transactions -------------------------------------------------- */

static struct session *session_of(HANDLE handle)
{
    struct session *session = handle;
    SIM_REQUIRE(session != NULL && session->magic == SESSION_MAGIC, "no session of the engine");
    return session;
}

NTSTATUS FwpmEngineOpen0(const wchar_t *server, UINT32 authentication, void *identity,
                         const FWPM_SESSION0 *given, HANDLE *handle)
{
    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    SIM_REQUIRE(server == NULL && identity == NULL, "the engine is on this machine");
    SIM_REQUIRE(authentication == 10 || authentication == 0xffffffff, "RPC_C_AUTHN_WINNT");
    if (sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES;
    struct session *session = calloc(1, sizeof(*session));
    session->magic = SESSION_MAGIC;
    session->dynamic = given != NULL && given->flags & FWPM_SESSION_FLAG_DYNAMIC;
    __atomic_add_fetch(&sessions, 1, __ATOMIC_RELAXED);
    *handle = session;
    return STATUS_SUCCESS;
}

NTSTATUS FwpmTransactionBegin0(HANDLE engine, UINT32 flags)
{
    struct session *session = session_of(engine);

    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    SIM_REQUIRE(flags == 0, "a read-only transaction");
    if (sim_fails(__func__))
        return STATUS_TIMEOUT | (NTSTATUS)0xC0220000;
    if (session->in_transaction)
        return STATUS_FWP_TXN_IN_PROGRESS;
    session->in_transaction = 1;
    return STATUS_SUCCESS;
}

static void notify(struct item *filter, FWPS_CALLOUT_NOTIFY_TYPE type)
{
    struct sim_callout *callout = find_callout(&filter->callout_key);
    if (callout == NULL)
        return;
    callout->applied += type == FWPS_CALLOUT_NOTIFY_ADD_FILTER ? 1 : -1;
    FWPS_FILTER1 seen = {.filterId = filter->id, .context = filter->context};
    seen.action.type = filter->action;
    seen.action.calloutId = callout->id;
    (void)callout->given.notifyFn(type, &filter->key, &seen);
}

/* Takes an item out for good, with the mutex held. */
static void discard(struct item **at)
{
    struct item *item = *at;
    *at = item->next;
    if (item->kind == FILTER && item->phase != ADDING)
        notify(item, FWPS_CALLOUT_NOTIFY_DELETE_FILTER);
    free(item);
}

/* Ends the transaction of this session: its additions stay or go. */
static void settle(struct session *session, int commit)
{
    pthread_mutex_lock(&mutex);
    for (struct item **at = &items; *at != NULL;) {
        struct item *item = *at;
        if (item->session == session && item->phase == ADDING && !commit) {
            discard(at);
            continue;
        }
        if (item->session == session && item->phase == ADDING) {
            item->phase = THERE;
            if (item->kind == FILTER)
                notify(item, FWPS_CALLOUT_NOTIFY_ADD_FILTER);
        }
        at = &item->next;
    }
    session->in_transaction = 0;
    pthread_mutex_unlock(&mutex);
}

NTSTATUS FwpmTransactionCommit0(HANDLE engine)
{
    struct session *session = session_of(engine);

    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    if (!session->in_transaction)
        return STATUS_FWP_NO_TXN_IN_PROGRESS;
    if (sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES; /* still open, to be aborted */
    settle(session, 1);
    return STATUS_SUCCESS;
}

NTSTATUS FwpmTransactionAbort0(HANDLE engine)
{
    struct session *session = session_of(engine);

    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    if (!session->in_transaction)
        return STATUS_FWP_NO_TXN_IN_PROGRESS;
    settle(session, 0);
    return STATUS_SUCCESS;
}

NTSTATUS FwpmEngineClose0(HANDLE engine)
{
    struct session *session = session_of(engine);

    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    if (session->in_transaction)
        settle(session, 0);
    pthread_mutex_lock(&mutex);
    for (struct item **at = &items; *at != NULL;) {
        if ((*at)->session != session) {
            at = &(*at)->next;
            continue;
        }
        SIM_REQUIRE(session->dynamic, "a session ends, and what it added stays for ever");
        discard(at);
    }
    pthread_mutex_unlock(&mutex);
    session->magic = 0;
    free(session);
    __atomic_sub_fetch(&sessions, 1, __ATOMIC_RELAXED);
    return STATUS_SUCCESS;
}

/* ---- adding and deleting ------------------------------------------------------------ */

static NTSTATUS add(HANDLE engine, const struct item *given, const char *function)
{
    struct session *session = session_of(engine);
    NTSTATUS status = STATUS_SUCCESS;

    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    if (sim_fails(function))
        return STATUS_INSUFFICIENT_RESOURCES;
    struct item *item = malloc(sizeof(*item));
    if (item == NULL)
        abort();
    *item = *given;
    item->session = session;
    item->phase = session->in_transaction ? ADDING : THERE;
    pthread_mutex_lock(&mutex);
    item->number = ++last_number;
    if (item->kind == FILTER && is_null(&item->key))
        item->key = (GUID){.Data1 = (uint32_t)item->number, .Data2 = 0xf11e};
    if (find(item->kind, &item->key) != NULL)
        status = STATUS_FWP_ALREADY_EXISTS;
    else if (item->kind == FILTER && find(SUBLAYER, &item->sublayer) == NULL)
        status = STATUS_FWP_SUBLAYER_NOT_FOUND;
    else if (item->kind == FILTER && item->action & FWP_ACTION_FLAG_CALLOUT &&
             find(CALLOUT, &item->callout_key) == NULL)
        status = STATUS_FWP_CALLOUT_NOT_FOUND;
    if (status == STATUS_SUCCESS) {
        item->id = item->number;
        item->next = items;
        items = item;
        if (item->kind == FILTER && item->phase == THERE)
            notify(item, FWPS_CALLOUT_NOTIFY_ADD_FILTER);
    } else {
        free(item);
    }
    pthread_mutex_unlock(&mutex);
    return status;
}

static void check_name(const FWPM_DISPLAY_DATA0 *display)
{
    SIM_REQUIRE(display->name != NULL && display->name[0] != 0,
                "the engine refuses what has no display name");
}

NTSTATUS FwpmSubLayerAdd0(HANDLE engine, const FWPM_SUBLAYER0 *sublayer, void *descriptor)
{
    (void)descriptor;
    check_name(&sublayer->displayData);
    return add(
        engine,
        &(struct item){.kind = SUBLAYER, .key = sublayer->subLayerKey, .weight = sublayer->weight},
        __func__);
}

NTSTATUS FwpmCalloutAdd0(HANDLE engine, const FWPM_CALLOUT0 *callout, void *descriptor, UINT32 *id)
{
    (void)descriptor;
    check_name(&callout->displayData);
    if (id != NULL)
        *id = 0;
    return add(engine,
               &(struct item){
                   .kind = CALLOUT, .key = callout->calloutKey, .layer = callout->applicableLayer},
               __func__);
}

/* The three forms of a weight: none (the engine chooses), the upper four bits,
 * all 64 bits. */
static uint64_t filter_weight(const FWP_VALUE0 *weight)
{
    switch (weight->type) {
    case FWP_EMPTY:
        return 0x0800000000000000;
    case FWP_UINT8:
        SIM_REQUIRE(weight->uint8 <= 15, "a filter's weight range is 0 to 15");
        return (uint64_t)weight->uint8 << 60;
    case FWP_UINT64:
        return *weight->uint64;
    default:
        sim_violation("a filter's weight has type %d", weight->type);
    }
}

NTSTATUS FwpmFilterAdd0(HANDLE engine, const FWPM_FILTER0 *filter, void *descriptor, UINT64 *id)
{
    struct item item = {
        .kind = FILTER,
        .key = filter->filterKey,
        .layer = filter->layerKey,
        .sublayer = filter->subLayerKey,
        .callout_key = filter->action.calloutKey,
        .action = filter->action.type,
        .order = filter_weight(&filter->weight),
        .context = filter->rawContext,
    };

    (void)descriptor;
    check_name(&filter->displayData);
    SIM_REQUIRE(filter->numFilterConditions == 0 && filter->providerKey == NULL,
                "conditions and providers are not simulated");
    if (id != NULL)
        *id = 0;
    return add(engine, &item, __func__);
}

/* ---- callouts of the kernel -------------------------------------------------------------- */

NTSTATUS FwpsCalloutRegister1(void *device, const FWPS_CALLOUT1 *given, UINT32 *id)
{
    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    SIM_REQUIRE(device != NULL, "a callout belongs to a device");
    SIM_REQUIRE(given->classifyFn != NULL && given->notifyFn != NULL,
                "a callout needs a classify and a notify function");
    if (sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES;
    pthread_mutex_lock(&mutex);
    NTSTATUS status = STATUS_FWP_ALREADY_EXISTS;
    if (find_callout(&given->calloutKey) == NULL) {
        struct sim_callout *callout = calloc(1, sizeof(*callout));
        callout->given = *given;
        callout->id = ++last_callout_id;
        callout->next = callouts;
        callouts = callout;
        if (id != NULL)
            *id = callout->id;
        status = STATUS_SUCCESS;
    }
    pthread_mutex_unlock(&mutex);
    return status;
}

NTSTATUS FwpsCalloutUnregisterById0(UINT32 id)
{
    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    sim_no_locks_held(__func__);
    pthread_mutex_lock(&mutex);
    for (struct sim_callout **at = &callouts; *at != NULL; at = &(*at)->next) {
        struct sim_callout *callout = *at;
        if (callout->id != id)
            continue;
        SIM_REQUIRE(callout->applied == 0,
                    "a callout goes while a filter calls it: its traffic would be blocked");
        callout->removed = 1;
        while (callout->active != 0)
            pthread_cond_wait(&idle, &mutex);
        for (at = &callouts; *at != callout; at = &(*at)->next)
            ;
        *at = callout->next;
        pthread_mutex_unlock(&mutex);
        free(callout);
        return STATUS_SUCCESS;
    }
    pthread_mutex_unlock(&mutex);
    return STATUS_FWP_CALLOUT_NOT_FOUND;
}

/* ---- the classifier's view ----------------------------------------------------------------- */

static const GUID *layer_keys[SIM_LAYER_COUNT] = {
    [SIM_LAYER_INBOUND_V4] = &FWPM_LAYER_INBOUND_IPPACKET_V4,
    [SIM_LAYER_INBOUND_V6] = &FWPM_LAYER_INBOUND_IPPACKET_V6,
    [SIM_LAYER_OUTBOUND_V4] = &FWPM_LAYER_OUTBOUND_IPPACKET_V4,
    [SIM_LAYER_OUTBOUND_V6] = &FWPM_LAYER_OUTBOUND_IPPACKET_V6,
    [SIM_LAYER_FORWARD_V4] = &FWPM_LAYER_IPFORWARD_V4,
    [SIM_LAYER_FORWARD_V6] = &FWPM_LAYER_IPFORWARD_V6,
};

struct ranked {
    const struct item *item;
    UINT16 sublayer_weight;
};

static int before(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->sublayer_weight != b->sublayer_weight)
        return a->sublayer_weight > b->sublayer_weight ? -1 : 1;
    int sublayers = memcmp(&a->item->sublayer, &b->item->sublayer, sizeof(GUID));
    if (sublayers != 0)
        return sublayers;
    if (a->item->order != b->item->order)
        return a->item->order > b->item->order ? -1 : 1;
    return a->item->number < b->item->number ? -1 : 1;
}

unsigned sim_filters_of(enum sim_layer layer, struct sim_applied *applied, unsigned most)
{
    struct ranked ranked[SIM_FILTERS];
    unsigned count = 0;

    pthread_mutex_lock(&mutex);
    for (const struct item *item = items; item != NULL; item = item->next) {
        if (item->kind != FILTER || item->phase == ADDING || !same(&item->layer, layer_keys[layer]))
            continue;
        const struct item *sublayer = find(SUBLAYER, &item->sublayer);
        SIM_REQUIRE(count < most && count < SIM_FILTERS, "more filters than are simulated");
        ranked[count].item = item;
        ranked[count++].sublayer_weight = sublayer != NULL ? sublayer->weight : 0;
    }
    qsort(ranked, count, sizeof(ranked[0]), before);
    for (unsigned i = 0; i < count; i++) {
        const struct item *item = ranked[i].item;
        struct sim_applied *to = &applied[i];
        *to = (struct sim_applied){.sublayer_weight = ranked[i].sublayer_weight,
                                   .sublayer = item->sublayer};
        to->filter = (FWPS_FILTER1){.filterId = item->id, .context = item->context};
        to->filter.action.type = item->action;
        if (!(item->action & FWP_ACTION_FLAG_CALLOUT))
            continue;
        to->callout = find_callout(&item->callout_key);
        SIM_REQUIRE(to->callout != NULL,
                    "a filter's callout is not registered: traffic is blocked");
        to->filter.action.calloutId = to->callout->id;
        to->classify = to->callout->given.classifyFn;
        to->callout->active++;
    }
    pthread_mutex_unlock(&mutex);
    return count;
}

void sim_filters_release(struct sim_applied *applied, unsigned count)
{
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < count; i++)
        if (applied[i].callout != NULL && --applied[i].callout->active == 0)
            pthread_cond_broadcast(&idle);
    pthread_mutex_unlock(&mutex);
}

unsigned sim_callout_count(void)
{
    unsigned count = 0;
    pthread_mutex_lock(&mutex);
    for (const struct sim_callout *callout = callouts; callout != NULL; callout = callout->next)
        count++;
    pthread_mutex_unlock(&mutex);
    return count;
}

unsigned sim_filter_count(void)
{
    unsigned count = 0;
    pthread_mutex_lock(&mutex);
    for (const struct item *item = items; item != NULL; item = item->next)
        count += item->kind == FILTER && item->phase != ADDING;
    pthread_mutex_unlock(&mutex);
    return count;
}

void sim_check_wfp(void)
{
    sim_check_injection();
    SIM_REQUIRE(sessions == 0, "%ld sessions of the filter engine are left", sessions);
    SIM_REQUIRE(callouts == NULL, "callouts are left: the next packet calls unloaded code");
    SIM_REQUIRE(items == NULL, "objects of the filter engine are left");
}
