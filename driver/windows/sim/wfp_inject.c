/* SPDX-License-Identifier: MIT */
/*
 * Injection: a list of the driver's goes through the stack as if it came from
 * the host, marked with who injected it, and then back to the driver, exactly
 * once; when, is for the test to say.
 */
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct injection_handle {
    unsigned magic;
    UINT16 family;
    UINT32 types;
    long outstanding;
};
#define HANDLE_MAGIC 0x696e6a68u
#define FAMILY_V4 2
#define FAMILY_V6 23

struct injection {
    struct injection *next;
    struct injection_handle *handle;
    struct sim_list *list;
    struct sim_traffic how;
    FWPS_INJECT_COMPLETE0 done;
    HANDLE context;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static struct injection *first, **last = &first;
static unsigned waiting;
static long handles;
static enum sim_completion when;
static NTSTATUS completion_status;
static pthread_t thread;
static int thread_runs, thread_ends;

/* ---- handles --------------------------------------------------------------------- */

NTSTATUS FwpsInjectionHandleCreate0(UINT16 family, UINT32 types, HANDLE *out)
{
    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    SIM_REQUIRE(family == 0 || family == FAMILY_V4 || family == FAMILY_V6,
                "address family %u: AF_INET6 is 23 on Windows", family);
    if (sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES;
    struct injection_handle *handle = calloc(1, sizeof(*handle));
    *handle = (struct injection_handle){HANDLE_MAGIC, family, types, 0};
    __atomic_add_fetch(&handles, 1, __ATOMIC_RELAXED);
    *out = handle;
    return STATUS_SUCCESS;
}

NTSTATUS FwpsInjectionHandleDestroy0(HANDLE out)
{
    struct injection_handle *handle = out;

    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    sim_no_locks_held(__func__);
    SIM_REQUIRE(handle->magic == HANDLE_MAGIC, "an injection handle is destroyed twice");
    for (unsigned i = 0; __atomic_load_n(&handle->outstanding, __ATOMIC_ACQUIRE) != 0; i++) {
        SIM_REQUIRE(i < 30000, "injections that are never completed");
        sim_while_waiting();
        usleep(1000);
    }
    handle->magic = 0;
    free(handle);
    __atomic_sub_fetch(&handles, 1, __ATOMIC_RELAXED);
    return STATUS_SUCCESS;
}

FWPS_PACKET_INJECTION_STATE FwpsQueryPacketInjectionState0(HANDLE out, const NET_BUFFER_LIST *given,
                                                           HANDLE *context)
{
    const struct sim_list *list = (const struct sim_list *)given;

    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(((struct injection_handle *)out)->magic == HANDLE_MAGIC,
                "the injection state for a handle that is none");
    if (list->injections == 0)
        return FWPS_PACKET_NOT_INJECTED;
    for (unsigned i = list->injections; i-- > 0;) {
        if (list->injected_by[i] != out)
            continue;
        if (context != NULL)
            *context = list->injection_context[i];
        return i == list->injections - 1 ? FWPS_PACKET_INJECTED_BY_SELF
                                         : FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF;
    }
    return FWPS_PACKET_INJECTED_BY_OTHER;
}

/* ---- the way through the stack ------------------------------------------------------ */

/* The stack looks at what it gets: what is no IP packet comes back with an
 * error, as does what the test wants to fail. */
static NTSTATUS examine(const struct injection *injection)
{
    const NET_BUFFER *buffer = injection->list->list.FirstNetBuffer;
    uint8_t *copy = sim_buffer_copy(buffer);
    int bad = buffer->DataLength < 20 || copy[0] >> 4 != (injection->how.ipv6 ? 6 : 4);
    free(copy);
    return bad ? STATUS_INVALID_PARAMETER : completion_status;
}

static int is_loopback(const NET_BUFFER *buffer, int ipv6)
{
    uint8_t *copy = sim_buffer_copy(buffer);
    static const uint8_t one[16] = {[15] = 1};
    int loops = ipv6 ? buffer->DataLength >= 40 && memcmp(copy + 24, one, 16) == 0
                     : buffer->DataLength >= 20 && copy[16] == 127;
    free(copy);
    return loops;
}

static void process(struct injection *injection)
{
    struct sim_list *list = injection->list;
    struct injection_handle *handle = injection->handle;
    KIRQL old = sim_raise_irql(DISPATCH_LEVEL);
    NTSTATUS status = examine(injection);

    if (NT_SUCCESS(status)) {
        injection->how.loopback = injection->how.way == SIM_OUTBOUND &&
                                  is_loopback(list->list.FirstNetBuffer, injection->how.ipv6);
        injection->how.irql = DISPATCH_LEVEL;
        (void)sim_stack_pass(&injection->how, list, 1);
    }
    list->list.Status = status;
    list->state = SIM_LIST_COMPLETED;
    injection->done(injection->context, &list->list, TRUE);
    SIM_IRQL_IS(DISPATCH_LEVEL);
    KeLowerIrql(old);
    free(injection);
    __atomic_sub_fetch(&handle->outstanding, 1, __ATOMIC_RELEASE);
}

static struct injection *take(void)
{
    struct injection *injection = first;
    if (injection == NULL)
        return NULL;
    first = injection->next;
    if (first == NULL)
        last = &first;
    waiting--;
    return injection;
}

unsigned sim_complete(unsigned most)
{
    unsigned count = 0;
    for (; count < most; count++) {
        pthread_mutex_lock(&mutex);
        struct injection *injection = take();
        pthread_mutex_unlock(&mutex);
        if (injection == NULL)
            break;
        process(injection);
    }
    return count;
}

unsigned sim_injections_waiting(void)
{
    pthread_mutex_lock(&mutex);
    unsigned count = waiting;
    pthread_mutex_unlock(&mutex);
    return count;
}

/* While the driver waits, the stack goes on. */
void sim_while_waiting(void)
{
    if (when == SIM_DEFERRED)
        (void)sim_complete(~0u);
}

static void *complete_all(void *argument)
{
    (void)argument;
    pthread_mutex_lock(&mutex);
    for (;;) {
        struct injection *injection = take();
        if (injection == NULL && thread_ends)
            break;
        if (injection == NULL) {
            pthread_cond_wait(&arrived, &mutex);
            continue;
        }
        pthread_mutex_unlock(&mutex);
        process(injection);
        pthread_mutex_lock(&mutex);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

void sim_completion_stop(void)
{
    if (!thread_runs)
        return;
    pthread_mutex_lock(&mutex);
    thread_ends = 1;
    pthread_cond_broadcast(&arrived);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    thread_runs = thread_ends = 0;
    when = SIM_INLINE;
}

void sim_completion_set(enum sim_completion now)
{
    sim_completion_stop();
    when = now;
    if (now == SIM_THREAD) {
        SIM_REQUIRE(pthread_create(&thread, NULL, complete_all, NULL) == 0, "no thread");
        thread_runs = 1;
    }
}

void sim_completion_status(NTSTATUS status)
{
    completion_status = status;
}

static void enter(struct injection_handle *handle, HANDLE injection_context, NET_BUFFER_LIST *given,
                  const struct sim_traffic *how, FWPS_INJECT_COMPLETE0 done, HANDLE context)
{
    struct sim_list *list = (struct sim_list *)given;
    struct injection *injection = calloc(1, sizeof(*injection));

    *injection = (struct injection){NULL, handle, list, *how, done, context};
    SIM_REQUIRE(list->injections < SIM_INJECTIONS, "a list is injected over and over");
    list->injected_by[list->injections] = handle;
    list->injection_context[list->injections++] = injection_context;
    list->state = SIM_LIST_STACK;
    __atomic_add_fetch(&handle->outstanding, 1, __ATOMIC_RELAXED);
    if (when == SIM_INLINE) {
        process(injection);
        return;
    }
    pthread_mutex_lock(&mutex);
    *last = injection;
    last = &injection->next;
    waiting++;
    pthread_cond_signal(&arrived);
    pthread_mutex_unlock(&mutex);
}

static void check(const struct injection_handle *handle, UINT32 type, const NET_BUFFER_LIST *list,
                  FWPS_INJECT_COMPLETE0 done)
{
    const struct sim_list *ours = (const struct sim_list *)list;

    SIM_REQUIRE(handle->magic == HANDLE_MAGIC, "an injection by a handle that is none");
    SIM_REQUIRE(handle->types & type, "an injection handle of another type");
    SIM_REQUIRE(done != NULL, "an injection without a completion");
    SIM_REQUIRE(list->Next == NULL, "chains of lists are not simulated");
    SIM_REQUIRE(sim_list_buffers(list) == 1, "a list to inject has one buffer");
    SIM_REQUIRE(list->NdisPoolHandle != NULL && ours->state == SIM_LIST_OURS,
                "a list is injected that is the stack's, or was injected before");
    sim_buffer_check(list->FirstNetBuffer);
    /* What the driver calls this packet, whatever its bytes say. */
    SIM_REQUIRE(list->FirstNetBuffer->DataLength != 0, "an empty buffer is injected");
}

static int family_of(const struct injection_handle *handle, const NET_BUFFER_LIST *list)
{
    if (handle->family != 0)
        return handle->family == FAMILY_V6;
    uint8_t *copy = sim_buffer_copy(list->FirstNetBuffer);
    int ipv6 = copy[0] >> 4 == 6;
    free(copy);
    return ipv6;
}

NTSTATUS FwpsInjectNetworkSendAsync0(HANDLE out, HANDLE injection_context, UINT32 flags,
                                     ULONG compartment, NET_BUFFER_LIST *list,
                                     FWPS_INJECT_COMPLETE0 done, HANDLE context)
{
    struct injection_handle *handle = out;

    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(flags == 0, "injection flags are reserved");
    check(handle, FWPS_INJECTION_TYPE_NETWORK, list, done);
    if (sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES;
    struct sim_traffic how = {
        .way = SIM_OUTBOUND, .ipv6 = family_of(handle, list), .compartment = compartment};
    enter(handle, injection_context, list, &how, done, context);
    return STATUS_SUCCESS;
}

NTSTATUS FwpsInjectNetworkReceiveAsync0(HANDLE out, HANDLE injection_context, UINT32 flags,
                                        ULONG compartment, ULONG interface, ULONG sub_interface,
                                        NET_BUFFER_LIST *list, FWPS_INJECT_COMPLETE0 done,
                                        HANDLE context)
{
    struct injection_handle *handle = out;

    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(flags == 0, "injection flags are reserved");
    check(handle, FWPS_INJECTION_TYPE_NETWORK, list, done);
    if (sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES;
    struct sim_traffic how = {.way = SIM_INBOUND,
                              .ipv6 = family_of(handle, list),
                              .interface = interface,
                              .sub_interface = sub_interface,
                              .compartment = compartment};
    enter(handle, injection_context, list, &how, done, context);
    return STATUS_SUCCESS;
}

NTSTATUS FwpsInjectForwardAsync0(HANDLE out, HANDLE injection_context, UINT32 flags, UINT16 family,
                                 ULONG compartment, ULONG interface, NET_BUFFER_LIST *list,
                                 FWPS_INJECT_COMPLETE0 done, HANDLE context)
{
    struct injection_handle *handle = out;

    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(flags == 0, "injection flags are reserved");
    SIM_REQUIRE(family == FAMILY_V4 || family == FAMILY_V6, "forwarding for no family");
    SIM_REQUIRE(handle->family == 0 || handle->family == family, "a handle of another family");
    check(handle, FWPS_INJECTION_TYPE_FORWARD, list, done);
    if (sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES;
    struct sim_traffic how = {.way = SIM_FORWARDED,
                              .ipv6 = family == FAMILY_V6,
                              .destination_interface = interface,
                              .compartment = compartment};
    enter(handle, injection_context, list, &how, done, context);
    return STATUS_SUCCESS;
}

void sim_check_injection(void)
{
    SIM_REQUIRE(waiting == 0, "%u injections are left", waiting);
    SIM_REQUIRE(handles == 0, "%ld injection handles are left", handles);
}
