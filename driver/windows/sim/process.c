/* SPDX-License-Identifier: MIT */
/* Processes, which processor a thread runs on, and the clocks. */
#define _GNU_SOURCE
#include "internal.h"

#include <time.h>

#define ROUTINES 8
#define TICKS_PER_SECOND 10000000

static struct _EPROCESS system_process = {.id = (HANDLE)4};
static __thread PEPROCESS current;
static uintptr_t last_id = 1000;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static PCREATE_PROCESS_NOTIFY_ROUTINE routines[ROUTINES];
static PCREATE_PROCESS_NOTIFY_ROUTINE_EX routines_ex[ROUTINES];

static __thread ULONG processor;
static ULONG processor_count = 4;
static LONGLONG frozen_time = -1;

PEPROCESS sim_system_process(void)
{
    return &system_process;
}

PEPROCESS PsGetCurrentProcess(void)
{
    return current != NULL ? current : &system_process;
}

HANDLE PsGetProcessId(PEPROCESS process)
{
    return process->id;
}

HANDLE PsGetCurrentProcessId(void)
{
    return PsGetCurrentProcess()->id;
}

PEPROCESS sim_process_create(void)
{
    PEPROCESS process = sim_object_create(SIM_PROCESS, sizeof(*process));
    process->id = (HANDLE)(__atomic_add_fetch(&last_id, 4, __ATOMIC_RELAXED));
    return process;
}

PEPROCESS sim_process_enter(PEPROCESS process)
{
    PEPROCESS before = current;
    current = process;
    return before;
}

/* Takes and drops the mutex once a routine, as NT waits with its removal for
 * calls that are under way. */
static void notify_exit(PEPROCESS process)
{
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < ROUTINES; i++) {
        if (routines[i] != NULL)
            routines[i]((HANDLE)4, process->id, FALSE);
        if (routines_ex[i] != NULL)
            routines_ex[i](process, process->id, NULL);
        sim_back_at_passive("the end of a notify routine");
    }
    pthread_mutex_unlock(&mutex);
}

void sim_process_exit(PEPROCESS process)
{
    PEPROCESS before = sim_process_enter(process);

    process->exiting = 1;
    notify_exit(process);
    sim_process_handles_close(process);
    SIM_REQUIRE(__atomic_load_n(&process->locked_pages, __ATOMIC_RELAXED) == 0,
                "bug check 0x76: a process has ended with %ld locked regions",
                process->locked_pages);
    sim_memory_of_process_free(process);
    sim_process_enter(before == process ? NULL : before);
    sim_object_dereference(process);
}

NTSTATUS PsSetCreateProcessNotifyRoutine(PCREATE_PROCESS_NOTIFY_ROUTINE routine, BOOLEAN remove)
{
    NTSTATUS status = STATUS_INVALID_PARAMETER;

    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    if (!remove && sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES;
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < ROUTINES && status != STATUS_SUCCESS; i++)
        if (routines[i] == (remove ? routine : NULL)) {
            routines[i] = remove ? NULL : routine;
            status = STATUS_SUCCESS;
        }
    pthread_mutex_unlock(&mutex);
    return status;
}

NTSTATUS PsSetCreateProcessNotifyRoutineEx(PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine,
                                           BOOLEAN remove)
{
    NTSTATUS status = STATUS_INVALID_PARAMETER;

    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    if (!remove && sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES;
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < ROUTINES && status != STATUS_SUCCESS; i++)
        if (routines_ex[i] == (remove ? routine : NULL)) {
            routines_ex[i] = remove ? NULL : routine;
            status = STATUS_SUCCESS;
        }
    pthread_mutex_unlock(&mutex);
    return status;
}

void sim_check_processes(void)
{
    for (unsigned i = 0; i < ROUTINES; i++)
        SIM_REQUIRE(routines[i] == NULL && routines_ex[i] == NULL,
                    "a process notify routine is left");
}

/* ---- processors ---------------------------------------------------------------- */

void sim_set_processor(ULONG number)
{
    processor = number;
}

void sim_set_processor_count(ULONG count)
{
    processor_count = count;
}

ULONG KeGetCurrentProcessorNumberEx(PPROCESSOR_NUMBER number)
{
    if (number != NULL)
        *number = (PROCESSOR_NUMBER){.Number = (UCHAR)processor};
    return processor;
}

ULONG KeQueryActiveProcessorCountEx(USHORT group)
{
    SIM_REQUIRE(group == ALL_PROCESSOR_GROUPS, "the processors of one group are asked for");
    return processor_count;
}

/* ---- clocks: 100 ns, from 1601 or from the start of the machine -------------------- */

void sim_set_time(LONGLONG ticks)
{
    __atomic_store_n(&frozen_time, ticks, __ATOMIC_RELAXED);
}

static LONGLONG ticks_of(clockid_t clock)
{
    LONGLONG frozen = __atomic_load_n(&frozen_time, __ATOMIC_RELAXED);
    struct timespec now;

    if (frozen >= 0)
        return frozen;
    clock_gettime(clock, &now);
    return (LONGLONG)now.tv_sec * TICKS_PER_SECOND + now.tv_nsec / 100;
}

LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER frequency)
{
    if (frequency != NULL)
        frequency->QuadPart = TICKS_PER_SECOND;
    return (LARGE_INTEGER){.QuadPart = ticks_of(CLOCK_MONOTONIC)};
}

ULONGLONG KeQueryInterruptTime(void)
{
    return (ULONGLONG)ticks_of(CLOCK_MONOTONIC_COARSE);
}

void KeQuerySystemTimePrecise(PLARGE_INTEGER time)
{
    time->QuadPart = ticks_of(CLOCK_REALTIME) + 116444736000000000;
}

void sim_system_time(PLARGE_INTEGER time)
{
    KeQuerySystemTimePrecise(time);
}
