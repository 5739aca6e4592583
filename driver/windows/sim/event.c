/* SPDX-License-Identifier: MIT */
/* Events, and waits for them. One condition for all: waits are rare here. */
#include "sim.h"

#include "internal.h"

#include <errno.h>
#include <time.h>

#define HANG_SECONDS 30

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

void KeInitializeEvent(PKEVENT event, EVENT_TYPE type, BOOLEAN signalled)
{
    *event = (KEVENT){.initialised = SIM_INITIALISED, .type = type, .signalled = signalled != 0};
}

static int exchange(PKEVENT event, int signalled)
{
    SIM_REQUIRE(event->initialised == SIM_INITIALISED, "an event was not initialised");
    pthread_mutex_lock(&mutex);
    int before = event->signalled;
    event->signalled = signalled;
    if (signalled)
        pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    return before;
}

LONG KeSetEvent(PKEVENT event, KPRIORITY increment, BOOLEAN wait)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(!wait, "KeSetEvent(Wait) raises the IRQL until the wait that must follow");
    (void)increment;
    return exchange(event, 1);
}

LONG KeResetEvent(PKEVENT event)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    return exchange(event, 0);
}

void KeClearEvent(PKEVENT event)
{
    (void)KeResetEvent(event);
}

LONG KeReadStateEvent(PKEVENT event)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(event->initialised == SIM_INITIALISED, "an event was not initialised");
    pthread_mutex_lock(&mutex);
    int signalled = event->signalled;
    pthread_mutex_unlock(&mutex);
    return signalled;
}

static struct timespec from_now(uint64_t nanoseconds)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    nanoseconds += (uint64_t)until.tv_nsec;
    until.tv_sec += (time_t)(nanoseconds / 1000000000u);
    until.tv_nsec = (long)(nanoseconds % 1000000000u);
    return until;
}

/* 1: signalled (and taken, if it is a synchronization event). */
static int wait_until(PKEVENT event, const struct timespec *until)
{
    int signalled;

    pthread_mutex_lock(&mutex);
    while (!event->signalled)
        if (pthread_cond_timedwait(&changed, &mutex, until) == ETIMEDOUT)
            break;
    signalled = event->signalled;
    if (signalled && event->type == SynchronizationEvent)
        event->signalled = 0;
    pthread_mutex_unlock(&mutex);
    return signalled;
}

NTSTATUS KeWaitForSingleObject(PVOID object, KWAIT_REASON reason, KPROCESSOR_MODE mode,
                               BOOLEAN alertable, PLARGE_INTEGER timeout)
{
    PKEVENT event = object;
    int polls = timeout != NULL && timeout->QuadPart == 0;

    (void)reason, (void)mode, (void)alertable;
    SIM_IRQL_AT_MOST(polls ? DISPATCH_LEVEL : APC_LEVEL);
    SIM_REQUIRE(event->initialised == SIM_INITIALISED, "waiting for what is no event");
    struct timespec now = from_now(0);
    if (wait_until(event, &now))
        return STATUS_WAIT_0;
    if (polls)
        return STATUS_TIMEOUT;
    sim_while_waiting();
    if (timeout == NULL) {
        struct timespec until = from_now(HANG_SECONDS * 1000000000ull);
        SIM_REQUIRE(wait_until(event, &until), "a wait of %d seconds: the driver hangs",
                    HANG_SECONDS);
        return STATUS_WAIT_0;
    }
    SIM_REQUIRE(timeout->QuadPart <= 0, "absolute timeouts are not simulated");
    struct timespec until = from_now((uint64_t)-timeout->QuadPart * 100);
    return wait_until(event, &until) ? STATUS_WAIT_0 : STATUS_TIMEOUT;
}

NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE mode, BOOLEAN alertable, PLARGE_INTEGER interval)
{
    (void)mode, (void)alertable;
    SIM_IRQL_AT_MOST(APC_LEVEL);
    sim_no_locks_held(__func__);
    sim_while_waiting();
    SIM_REQUIRE(interval->QuadPart <= 0, "absolute delays are not simulated");
    uint64_t nanoseconds = (uint64_t)-interval->QuadPart * 100;
    struct timespec pause = {(time_t)(nanoseconds / 1000000000u),
                             (long)(nanoseconds % 1000000000u)};
    nanosleep(&pause, NULL);
    return STATUS_SUCCESS;
}

/* ---- events of processes -------------------------------------------------------- */

HANDLE sim_event_create(EVENT_TYPE type, ACCESS_MASK access)
{
    PKEVENT event = sim_object_create(SIM_EVENT, sizeof(*event));
    KeInitializeEvent(event, type, FALSE);
    HANDLE handle = sim_handle_insert(PsGetCurrentProcess(), event, access);
    sim_object_dereference(event);
    return handle;
}

static PKEVENT event_of(HANDLE handle)
{
    NTSTATUS status;
    PKEVENT event = sim_handle_reference(PsGetCurrentProcess(), handle, SIM_EVENT, 0, &status);
    SIM_REQUIRE(event != NULL, "the test's event %p: 0x%08x", handle, (unsigned)status);
    return event;
}

int sim_event_take(HANDLE handle)
{
    return sim_event_wait(handle, 0);
}

int sim_event_wait(HANDLE handle, unsigned milliseconds)
{
    PKEVENT event = event_of(handle);
    struct timespec until = from_now((uint64_t)milliseconds * 1000000u);
    int signalled = wait_until(event, &until);
    sim_object_dereference(event);
    return signalled;
}
