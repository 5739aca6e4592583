/* SPDX-License-Identifier: MIT */
/* Objects that are counted, and the handles of processes to them. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

struct _OBJECT_TYPE {
    enum sim_type type;
};
static struct _OBJECT_TYPE types[SIM_TYPE_COUNT] = {
    {SIM_EVENT}, {SIM_FILE}, {SIM_PROCESS}, {SIM_DEVICE}};
static POBJECT_TYPE event_type = &types[SIM_EVENT];
static POBJECT_TYPE file_type = &types[SIM_FILE];
static POBJECT_TYPE process_type = &types[SIM_PROCESS];
POBJECT_TYPE *ExEventObjectType = &event_type;
POBJECT_TYPE *IoFileObjectType = &file_type;
POBJECT_TYPE *PsProcessType = &process_type;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long alive[SIM_TYPE_COUNT];

void *sim_object_create(enum sim_type type, size_t size)
{
    struct sim_object *object = aligned_alloc(16, (sizeof(*object) + size + 15) / 16 * 16);
    if (object == NULL)
        abort();
    memset(object, 0, sizeof(*object) + size);
    object->type = type;
    object->references = 1;
    pthread_mutex_lock(&mutex);
    alive[type]++;
    pthread_mutex_unlock(&mutex);
    return object->body;
}

struct sim_object *sim_object_of(const void *body)
{
    return (struct sim_object *)((uintptr_t)body - offsetof(struct sim_object, body));
}

void sim_object_reference(PVOID body)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    long before = __atomic_fetch_add(&sim_object_of(body)->references, 1, __ATOMIC_RELAXED);
    SIM_REQUIRE(before > 0, "a dead object is referenced");
}

void sim_object_dereference(PVOID body)
{
    struct sim_object *object = sim_object_of(body);

    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    long left = __atomic_sub_fetch(&object->references, 1, __ATOMIC_ACQ_REL);
    SIM_REQUIRE(left >= 0, "an object is dereferenced more often than referenced");
    if (left != 0)
        return;
    if (object->on_delete != NULL)
        object->on_delete(body);
    pthread_mutex_lock(&mutex);
    alive[object->type]--;
    pthread_mutex_unlock(&mutex);
    memset(object, SIM_POISON, sizeof(*object));
    free(object);
}

HANDLE sim_handle_insert(PEPROCESS process, void *body, ACCESS_MASK access)
{
    pthread_mutex_lock(&mutex);
    for (uintptr_t i = 1; i < SIM_HANDLES; i++) {
        struct sim_handle_entry *entry = &process->handles[i];
        if (entry->body != NULL)
            continue;
        *entry = (struct sim_handle_entry){body, access};
        sim_object_of(body)->handles++;
        sim_object_reference(body);
        pthread_mutex_unlock(&mutex);
        return (HANDLE)(i * 4);
    }
    sim_violation("more than %d handles", SIM_HANDLES);
}

void *sim_handle_reference(PEPROCESS process, HANDLE handle, enum sim_type type, ACCESS_MASK access,
                           NTSTATUS *status)
{
    uintptr_t index = (uintptr_t)handle / 4;
    void *body = NULL;

    *status = STATUS_INVALID_HANDLE;
    pthread_mutex_lock(&mutex);
    if ((uintptr_t)handle % 4 == 0 && index < SIM_HANDLES)
        body = process->handles[index].body;
    if (body != NULL) {
        *status = STATUS_SUCCESS;
        if (sim_object_of(body)->type != type)
            *status = STATUS_OBJECT_TYPE_MISMATCH;
        else if ((process->handles[index].access & access) != access)
            *status = STATUS_ACCESS_DENIED;
        if (*status == STATUS_SUCCESS)
            sim_object_reference(body);
        else
            body = NULL;
    }
    pthread_mutex_unlock(&mutex);
    return body;
}

NTSTATUS ObReferenceObjectByHandle(HANDLE handle, ACCESS_MASK access, POBJECT_TYPE type,
                                   KPROCESSOR_MODE mode, PVOID *object,
                                   POBJECT_HANDLE_INFORMATION information)
{
    NTSTATUS status;

    (void)information;
    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    SIM_REQUIRE(mode == UserMode, "a process's handle is looked up as the kernel's");
    SIM_REQUIRE(type != NULL, "a process's handle may be to anything: ask for a type");
    if (sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES;
    *object = sim_handle_reference(PsGetCurrentProcess(), handle, type->type, access, &status);
    return status;
}

NTSTATUS ObOpenObjectByPointer(PVOID object, ULONG attributes, PACCESS_STATE state,
                               ACCESS_MASK access, POBJECT_TYPE type, KPROCESSOR_MODE mode,
                               PHANDLE handle)
{
    (void)state, (void)type, (void)mode;
    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    SIM_REQUIRE(attributes & OBJ_KERNEL_HANDLE, "the handle could be used by the process");
    if (sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES;
    *handle = sim_handle_insert(sim_system_process(), object, access);
    return STATUS_SUCCESS;
}

static NTSTATUS close_handle(PEPROCESS process, uintptr_t index)
{
    pthread_mutex_lock(&mutex);
    void *body = index < SIM_HANDLES ? process->handles[index].body : NULL;
    if (body == NULL) {
        pthread_mutex_unlock(&mutex);
        return STATUS_INVALID_HANDLE;
    }
    process->handles[index].body = NULL;
    struct sim_object *object = sim_object_of(body);
    int last = --object->handles == 0;
    pthread_mutex_unlock(&mutex);
    if (last && object->on_last_handle != NULL)
        object->on_last_handle(body);
    sim_object_dereference(body);
    return STATUS_SUCCESS;
}

NTSTATUS sim_handle_close(HANDLE handle)
{
    return close_handle(PsGetCurrentProcess(), (uintptr_t)handle / 4);
}

NTSTATUS ZwClose(HANDLE handle)
{
    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    NTSTATUS status = close_handle(sim_system_process(), (uintptr_t)handle / 4);
    SIM_REQUIRE(NT_SUCCESS(status), "a kernel handle is closed that is none");
    return status;
}

void sim_process_handles_close(PEPROCESS process)
{
    for (uintptr_t index = 1; index < SIM_HANDLES; index++)
        (void)close_handle(process, index);
}

HANDLE sim_handle_duplicate(HANDLE handle, PEPROCESS target)
{
    PEPROCESS process = PsGetCurrentProcess();
    uintptr_t index = (uintptr_t)handle / 4;
    SIM_REQUIRE(index < SIM_HANDLES && process->handles[index].body != NULL,
                "the test's handle %p is none", handle);
    return sim_handle_insert(target, process->handles[index].body, process->handles[index].access);
}

void sim_check_objects(void)
{
    pthread_mutex_lock(&mutex);
    SIM_REQUIRE(alive[SIM_EVENT] == 0, "%ld events are left", alive[SIM_EVENT]);
    SIM_REQUIRE(alive[SIM_FILE] == 0, "%ld files are left", alive[SIM_FILE]);
    SIM_REQUIRE(alive[SIM_DEVICE] == 0, "%ld devices are left", alive[SIM_DEVICE]);
    PEPROCESS system = sim_system_process();
    for (unsigned i = 0; i < SIM_HANDLES; i++)
        SIM_REQUIRE(system->handles[i].body == NULL, "a kernel handle is left");
    pthread_mutex_unlock(&mutex);
}
