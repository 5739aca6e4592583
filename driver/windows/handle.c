/* SPDX-License-Identifier: MIT */
/*
 * The life of a handle. Its order of locks: the list of all handles, then the
 * control mutex of one, then what engine.c has; spin locks inside of all.
 */
#include "handle.h"

#include "../core/atomic.h"
#include "engine.h"
#include "flush.h"
#include "slot.h"

#define ORDER_BITS 40 /* openings that can be told apart */

static struct fd_mutex all_mutex;
static LIST_ENTRY all;
static volatile LONG64 openings;

void fd_handles_initialise(void)
{
    fd_slots_initialise();
    fd_mutex_initialise(&all_mutex);
    InitializeListHead(&all);
    openings = 0;
}

NTSTATUS fd_handle_create(struct fd_handle **created)
{
    struct fd_handle *handle = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*handle), FD_TAG);

    if (handle == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlZeroMemory(handle, sizeof(*handle));
    handle->references = 1;
    handle->state = FD_WINDOWS_CREATED;
    fd_mutex_initialise(&handle->control);

    fd_mutex_take(&all_mutex);
    InsertTailList(&all, &handle->link);
    fd_mutex_give(&all_mutex);
    *created = handle;
    return STATUS_SUCCESS;
}

/* Of two handles with equal priority the one that was opened earlier is before
 * the other. Fits 57 bits, because inject.c needs one more. */
static ULONG64 order_of(LONG priority)
{
    ULONG64 opening = (ULONG64)InterlockedIncrement64(&openings);
    ULONG64 last = (1ull << ORDER_BITS) - 1;

    return (ULONG64)(priority + FD_WINDOWS_PRIORITY_MAX) << ORDER_BITS | (last - (opening & last));
}

NTSTATUS fd_handle_open(struct fd_handle *handle, const struct fd_windows_open *open,
                        const struct fd_program *program)
{
    struct fd_queue *queue = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*queue), FD_TAG);

    if (queue == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    fd_queue_initialise(queue);
    handle->layer = open->layer;
    handle->flags = open->flags;
    handle->order = order_of(open->priority);
    handle->policy = (struct fd_policy){
        .length = open->queue_length, .time = open->queue_time, .size = open->queue_size};
    handle->queues = queue;
    handle->queue_count = 1;
    RtlCopyMemory(&handle->program[0], program, open->program_size);
    handle->key = fd_slot_open(handle);
    if (handle->key == 0) {
        ExFreePoolWithTag(queue, FD_TAG);
        handle->queues = NULL;
        handle->queue_count = 0;
        return STATUS_TOO_MANY_CONTEXT_IDS;
    }
    handle->state = FD_WINDOWS_OPENED;
    return STATUS_SUCCESS;
}

static NTSTATUS lock_send(struct fd_send *send, const struct fd_windows_queue *place, ULONG number)
{
    struct fd_queue queue;

    fd_queue_initialise(&queue);
    NTSTATUS status = fd_queue_lock(&queue, place, number);
    if (!NT_SUCCESS(status))
        return status;
    send->descriptors = queue.descriptors;
    send->bytes = queue.bytes;
    fd_consumer_attach(&send->consumer, &queue.producer.ring);
    return STATUS_SUCCESS;
}

static void unlock_send(struct fd_send *send)
{
    fd_region_unlock(&send->descriptors);
    fd_region_unlock(&send->bytes);
}

static NTSTATUS lock_queues(struct fd_queue *queues, const struct fd_windows_queue *places,
                            ULONG count)
{
    for (ULONG number = 0; number < count; number++) {
        NTSTATUS status = fd_queue_lock(&queues[number], &places[number], number);
        if (NT_SUCCESS(status))
            continue;
        while (number > 0)
            fd_queue_unlock(&queues[--number]);
        return status;
    }
    return STATUS_SUCCESS;
}

static void unlock_queues(struct fd_queue *queues, ULONG count)
{
    for (ULONG number = 0; number < count; number++)
        fd_queue_unlock(&queues[number]);
}

NTSTATUS fd_handle_register(struct fd_handle *handle, const struct fd_windows_register *request,
                            const struct fd_windows_queue *places)
{
    ULONG count = request->receive_count;
    ULONG counted = count != 0 ? count : 1;
    PKEVENT doorbell = NULL;
    NTSTATUS status = STATUS_SUCCESS;

    if (request->doorbell != 0)
        status = ObReferenceObjectByHandle((HANDLE)(ULONG_PTR)request->doorbell, EVENT_MODIFY_STATE,
                                           FD_EVENT_TYPE, UserMode, (PVOID *)&doorbell, NULL);
    if (!NT_SUCCESS(status))
        return status;

    struct fd_queue *queues =
        ExAllocatePoolWithTag(NonPagedPoolNx, counted * sizeof(*queues), FD_TAG);
    if (queues == NULL) {
        status = STATUS_INSUFFICIENT_RESOURCES;
        goto release_doorbell;
    }
    for (ULONG number = 0; number < counted; number++)
        fd_queue_initialise(&queues[number]);
    status = lock_queues(queues, places, count);
    if (!NT_SUCCESS(status))
        goto free_queues;
    if (request->send_count != 0)
        status = lock_send(&handle->send, &places[count], count);
    if (!NT_SUCCESS(status))
        goto unlock;

    /* Nobody counts yet: no filter is in place. */
    ExFreePoolWithTag(handle->queues, FD_TAG);
    handle->queues = queues;
    handle->receive_count = count;
    handle->queue_count = counted;
    handle->doorbell = doorbell;
    handle->owner = PsGetCurrentProcessId();
    handle->state = FD_WINDOWS_REGISTERED;
    fd_handle_set_policy(handle, &handle->policy);
    return STATUS_SUCCESS;

unlock:
    unlock_queues(queues, count);
free_queues:
    ExFreePoolWithTag(queues, FD_TAG);
release_doorbell:
    if (doorbell != NULL)
        ObDereferenceObject(doorbell);
    return status;
}

static const struct fd_program *current_program(const struct fd_handle *handle)
{
    return &handle->program[!fd_slot_idle_epoch(handle->key)];
}

NTSTATUS fd_handle_start(struct fd_handle *handle)
{
    if (!fd_handle_has(handle, FD_WINDOWS_SEND_ONLY)) {
        NTSTATUS status = fd_engine_start(handle, current_program(handle));
        if (!NT_SUCCESS(status))
            return status;
    }
    handle->state = FD_WINDOWS_STARTED;
    return STATUS_SUCCESS;
}

static void swap_program(struct fd_handle *handle, const struct fd_program *program)
{
    ULONG idle = fd_slot_idle_epoch(handle->key);
    SIZE_T size =
        FIELD_OFFSET(struct fd_program, test) + (SIZE_T)program->length * sizeof(program->test[0]);

    RtlCopyMemory(&handle->program[idle], program, size);
    fd_slot_swap(handle->key);
}

/* First the filters, so that the new program misses nothing; until it is in
 * place, what comes by them is judged by the old one, which matches nothing of
 * it. */
NTSTATUS fd_handle_set_program(struct fd_handle *handle, const struct fd_program *program)
{
    NTSTATUS status = fd_engine_follow(handle, program);

    if (NT_SUCCESS(status))
        swap_program(handle, program);
    return status;
}

void fd_handle_set_policy(struct fd_handle *handle, const struct fd_policy *policy)
{
    handle->policy = *policy;
    for (ULONG number = 0; number < handle->receive_count; number++)
        fd_queue_set_policy(&handle->queues[number], policy);
}

static void ring_doorbell(struct fd_handle *handle)
{
    if (handle->doorbell != NULL)
        (void)KeSetEvent(handle->doorbell, IO_NO_INCREMENT, FALSE);
}

void fd_handle_shutdown(struct fd_handle *handle, ULONG how)
{
    (void)InterlockedOr(&handle->shutdown, (LONG)how);
    if ((how & FD_WINDOWS_SHUTDOWN_RECV) == 0)
        return;
    /* The same program in the other epoch: when the swap is done, everybody who
     * came in before the flag was up has left. */
    swap_program(handle, current_program(handle));
    ring_doorbell(handle);
}

void fd_handle_reference(struct fd_handle *handle)
{
    (void)InterlockedIncrement(&handle->references);
}

void fd_handle_dereference(struct fd_handle *handle)
{
    if (InterlockedDecrement(&handle->references) == 0)
        ExFreePoolWithTag(handle, FD_TAG);
}

/* A consumer that looks later finds a ring that is none, and not one that is
 * empty for ever. */
static void poison(struct fd_queue *queue)
{
    fd_store32(&queue->producer.ring.header->magic, 0);
}

/* Under the control mutex. After it no processor is in the handle's memory, and
 * none of its process is locked. The filters of the engine may still be there:
 * they find a closed slot. */
static void detach(struct fd_handle *handle)
{
    if (handle->state == FD_WINDOWS_CLOSING)
        return;
    handle->state = FD_WINDOWS_CLOSING;
    if (handle->key != 0)
        fd_slot_close(handle->key);
    for (ULONG number = 0; number < handle->receive_count; number++) {
        if (fd_handle_diverts(handle))
            fd_flush_undelivered(handle, &handle->queues[number]);
        poison(&handle->queues[number]);
    }
    ring_doorbell(handle);

    unlock_queues(handle->queues, handle->receive_count);
    unlock_send(&handle->send);
    if (handle->doorbell != NULL)
        ObDereferenceObject(handle->doorbell);
    handle->doorbell = NULL;
    if (handle->queues != NULL)
        ExFreePoolWithTag(handle->queues, FD_TAG);
    handle->queues = NULL;
    handle->receive_count = handle->queue_count = 0;
}

void fd_handle_close(struct fd_handle *handle)
{
    fd_mutex_take(&all_mutex);
    if (handle->link.Flink != NULL) {
        RemoveEntryList(&handle->link);
        handle->link.Flink = NULL;
    }
    fd_mutex_give(&all_mutex);

    fd_mutex_take(&handle->control);
    detach(handle);
    fd_engine_stop(handle);
    fd_mutex_give(&handle->control);
}

/* Only what the memory manager needs: the filter engine is in a process too,
 * and must not be waited for while one ends. Its session goes when the handle
 * is closed, which the end of the process brings about. */
void fd_handles_leave_process(HANDLE process)
{
    fd_mutex_take(&all_mutex);
    for (PLIST_ENTRY entry = all.Flink; entry != &all; entry = entry->Flink) {
        struct fd_handle *handle = CONTAINING_RECORD(entry, struct fd_handle, link);
        fd_mutex_take(&handle->control);
        if (handle->owner == process && handle->state >= FD_WINDOWS_REGISTERED)
            detach(handle);
        fd_mutex_give(&handle->control);
    }
    fd_mutex_give(&all_mutex);
}
