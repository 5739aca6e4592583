/* SPDX-License-Identifier: MIT */
/* The simulated kernel notices what Windows would punish, and allows what it
 * would allow. Without these tests a quiet simulator would prove nothing. */
#include "../stack.h"
#include "violations.h"

#define TAG 0x74736574u
NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry); /* linked, not used */

/* ---- pool ------------------------------------------------------------------ */

static void pool_is_freed_with_its_tag(void)
{
    ExFreePoolWithTag(ExAllocatePoolWithTag(NonPagedPoolNx, 10, TAG), TAG);
    sim_check_pool();
}

static void pool_is_freed_with_another_tag(void)
{
    ExFreePoolWithTag(ExAllocatePoolWithTag(NonPagedPoolNx, 10, TAG), TAG + 1);
}

static void pool_is_freed_twice(void)
{
    void *block = ExAllocatePoolWithTag(NonPagedPoolNx, 10, TAG);
    ExFreePoolWithTag(block, TAG);
    ExFreePoolWithTag(block, TAG);
}

static void pool_leaks(void)
{
    ExAllocatePoolWithTag(NonPagedPoolNx, 10, TAG);
    sim_check_pool();
}

static void pool_is_executable(void)
{
    ExAllocatePoolWithTag(NonPagedPool, 10, TAG);
}

static void paged_pool_at_dispatch_level(void)
{
    sim_raise_irql(DISPATCH_LEVEL);
    ExAllocatePool2(POOL_FLAG_PAGED, 10, TAG);
}

static void fresh_pool_is_poisoned(void)
{
    UCHAR *block = ExAllocatePoolWithTag(NonPagedPoolNx, 64, TAG);
    for (int i = 0; i < 64; i++)
        CHECK_EQ(block[i], SIM_POISON);
    ExFreePoolWithTag(block, TAG);
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 64, TAG);
    CHECK_EQ(block[0] | block[63], 0);
    ExFreePoolWithTag(block, TAG);
}

/* ---- locks -------------------------------------------------------------------- */

static KSPIN_LOCK lock_a, lock_b;

static void initialise_locks(void)
{
    KeInitializeSpinLock(&lock_a);
    KeInitializeSpinLock(&lock_b);
}

static void a_then_b(void)
{
    KIRQL old = KeAcquireSpinLockRaiseToDpc(&lock_a);
    KeAcquireSpinLockAtDpcLevel(&lock_b);
    KeReleaseSpinLockFromDpcLevel(&lock_b);
    KeReleaseSpinLock(&lock_a, old);
}

static void locks_in_one_order(void)
{
    initialise_locks();
    a_then_b();
    a_then_b();
}

static void locks_in_two_orders(void)
{
    locks_in_one_order();
    KeAcquireSpinLockRaiseToDpc(&lock_b);
    KeAcquireSpinLockAtDpcLevel(&lock_a);
}

static void lock_taken_twice(void)
{
    initialise_locks();
    KeAcquireSpinLockRaiseToDpc(&lock_a);
    KeAcquireSpinLockAtDpcLevel(&lock_a);
}

static void lock_not_initialised(void)
{
    KeAcquireSpinLockRaiseToDpc(&lock_a);
}

static void lock_at_passive_level(void)
{
    initialise_locks();
    KeAcquireSpinLockAtDpcLevel(&lock_a);
}

static void wait_with_a_lock(void)
{
    KEVENT event;
    initialise_locks();
    KeInitializeEvent(&event, NotificationEvent, TRUE);
    KeAcquireSpinLockRaiseToDpc(&lock_a);
    KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
}

static void poll_at_dispatch_level(void)
{
    KEVENT event;
    LARGE_INTEGER now = {.QuadPart = 0};
    KeInitializeEvent(&event, NotificationEvent, TRUE);
    sim_raise_irql(DISPATCH_LEVEL);
    KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &now);
}

/* ---- lists ----------------------------------------------------------------------- */

static void entry_removed_twice(void)
{
    LIST_ENTRY head, entry;
    InitializeListHead(&head);
    InsertTailList(&head, &entry);
    RemoveEntryList(&entry);
    RemoveEntryList(&entry);
}

/* ---- exceptions and memory ---------------------------------------------------------- */

static NTSTATUS try_lock(PMDL mdl, LOCK_OPERATION operation)
{
    __try {
        MmProbeAndLockPages(mdl, UserMode, operation);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        return GetExceptionCode();
    }
    return STATUS_SUCCESS;
}

static void probe_outside_of_try(void)
{
    void *memory = sim_user_allocate(PAGE_SIZE);
    MmProbeAndLockPages(IoAllocateMdl(memory, PAGE_SIZE, FALSE, FALSE, NULL), UserMode,
                        IoWriteAccess);
}

static void mdl_freed_while_locked(void)
{
    PMDL mdl = IoAllocateMdl(sim_user_allocate(PAGE_SIZE), PAGE_SIZE, FALSE, FALSE, NULL);
    (void)try_lock(mdl, IoWriteAccess);
    IoFreeMdl(mdl);
}

static PMDL locked_page(UCHAR **view)
{
    PMDL mdl = IoAllocateMdl(sim_user_allocate(PAGE_SIZE), PAGE_SIZE, FALSE, FALSE, NULL);
    (void)try_lock(mdl, IoWriteAccess);
    *view = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority | MdlMappingNoExecute);
    return mdl;
}

static void byte_behind_a_view(void)
{
    UCHAR *view;
    locked_page(&view);
    view[PAGE_SIZE] = 1;
}

static void byte_before_a_view(void)
{
    UCHAR *view;
    locked_page(&view);
    view[-1] = 1;
}

static void view_after_unlock(void)
{
    UCHAR *view;
    MmUnlockPages(locked_page(&view));
    view[0] = 1;
}

static void executable_view(void)
{
    PMDL mdl = IoAllocateMdl(sim_user_allocate(PAGE_SIZE), PAGE_SIZE, FALSE, FALSE, NULL);
    (void)try_lock(mdl, IoWriteAccess);
    MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
}

static void process_ends_with_locked_pages(void)
{
    UCHAR *view;
    PEPROCESS process = sim_process_create();
    sim_process_enter(process);
    locked_page(&view);
    sim_process_exit(process);
}

static void user_memory_is_the_drivers_too(void)
{
    UCHAR *user = sim_user_allocate(2 * PAGE_SIZE);
    PMDL mdl = IoAllocateMdl(user + PAGE_SIZE, PAGE_SIZE, FALSE, FALSE, NULL);
    CHECK_EQ(try_lock(mdl, IoWriteAccess), STATUS_SUCCESS);
    UCHAR *view = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority | MdlMappingNoExecute);
    view[3] = 7;
    CHECK_EQ(user[PAGE_SIZE + 3], 7);
    sim_user_free(user);
    view[3] = 8; /* the pages stay for as long as they are locked */
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
    sim_check_memory();
}

static void what_is_no_writable_memory_is_refused(void)
{
    UCHAR *user = sim_user_allocate(PAGE_SIZE);
    sim_user_read_only(user);
    PMDL mdl = IoAllocateMdl(user, PAGE_SIZE, FALSE, FALSE, NULL);
    CHECK_EQ(try_lock(mdl, IoWriteAccess), STATUS_ACCESS_VIOLATION);
    CHECK_EQ(try_lock(mdl, IoReadAccess), STATUS_SUCCESS);
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
    mdl = IoAllocateMdl(user, PAGE_SIZE + 1, FALSE, FALSE, NULL);
    CHECK_EQ(try_lock(mdl, IoReadAccess), STATUS_ACCESS_VIOLATION);
    IoFreeMdl(mdl);
    sim_user_free(user);
    sim_check_memory();
}

/* ---- net buffers and injection --------------------------------------------------------- */

static const uint8_t packet[20] = {0x45, 0, 0, 20, [8] = 64, [12] = 1, [16] = 2};
static uint8_t packet_memory[20];
static NDIS_HANDLE pool;
static HANDLE injection;
static PMDL packet_mdl;
static unsigned completions;

static NET_BUFFER_LIST *list_to_inject(void)
{
    NET_BUFFER_LIST_POOL_PARAMETERS parameters = {
        .Header = {NDIS_OBJECT_TYPE_DEFAULT, NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
                   NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1},
        .fAllocateNetBuffer = TRUE,
        .PoolTag = TAG,
    };
    NET_BUFFER_LIST *list;
    memcpy(packet_memory, packet, sizeof(packet));
    pool = NdisAllocateNetBufferListPool(&parameters, &parameters);
    packet_mdl = IoAllocateMdl(packet_memory, sizeof(packet), FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(packet_mdl);
    FwpsInjectionHandleCreate0(AF_INET, FWPS_INJECTION_TYPE_NETWORK, &injection);
    FwpsAllocateNetBufferAndNetBufferList0(pool, 0, 0, packet_mdl, 0, sizeof(packet), &list);
    return list;
}

static void count_completion(void *context, NET_BUFFER_LIST *list, BOOLEAN dispatch)
{
    (void)context, (void)dispatch;
    completions++;
    FwpsFreeNetBufferList0(list);
}

static void inject(NET_BUFFER_LIST *list)
{
    FwpsInjectNetworkSendAsync0(injection, NULL, 0, 0, list, count_completion, NULL);
}

static void keep_list(void *context, NET_BUFFER_LIST *list, BOOLEAN dispatch)
{
    (void)context, (void)list, (void)dispatch;
}

static void list_is_injected_and_completed_once(void)
{
    static const enum sim_completion modes[] = {SIM_INLINE, SIM_DEFERRED, SIM_THREAD};
    for (unsigned i = 0; i < 3; i++) {
        completions = 0;
        sim_arrivals_clear();
        sim_completion_set(modes[i]);
        inject(list_to_inject());
        FwpsInjectionHandleDestroy0(injection);
        CHECK_EQ(completions, 1);
        CHECK_EQ(sim_arrival_count(), 1);
        CHECK(memcmp(sim_arrival(0)->bytes, packet, sizeof(packet)) == 0);
        NdisFreeNetBufferListPool(pool);
        IoFreeMdl(packet_mdl);
    }
    sim_completion_set(SIM_INLINE);
    sim_arrivals_clear();
    sim_check_wfp();
    sim_check_ndis();
}

static void list_freed_in_the_stack(void)
{
    sim_completion_set(SIM_DEFERRED);
    NET_BUFFER_LIST *list = list_to_inject();
    inject(list);
    FwpsFreeNetBufferList0(list);
}

static void list_injected_twice(void)
{
    NET_BUFFER_LIST *list = list_to_inject();
    FwpsInjectNetworkSendAsync0(injection, NULL, 0, 0, list, keep_list, NULL);
    inject(list);
}

static void list_used_after_it_was_freed(void)
{
    NET_BUFFER_LIST *list = list_to_inject();
    inject(list);
    inject(list);
}

static void pool_freed_before_its_lists(void)
{
    list_to_inject();
    NdisFreeNetBufferListPool(pool);
}

static void forward_with_a_network_handle(void)
{
    NET_BUFFER_LIST *list = list_to_inject();
    FwpsInjectForwardAsync0(injection, NULL, 0, AF_INET, 0, 1, list, count_completion, NULL);
}

static void callout_is_left(void)
{
    FWPS_CALLOUT1 callout = {.classifyFn = (FWPS_CALLOUT_CLASSIFY_FN1)1,
                             .notifyFn = (FWPS_CALLOUT_NOTIFY_FN1)1};
    FwpsCalloutRegister1(&callout, &callout, NULL);
    sim_check_wfp();
}

static void engine_at_dispatch_level(void)
{
    HANDLE engine;
    sim_raise_irql(DISPATCH_LEVEL);
    FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine);
}

/* ---- buffers of many MDLs ---------------------------------------------------------------- */

static void data_is_gathered_across_mdls(void)
{
    uint8_t bytes[50], storage[50];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i + 1);
    struct sim_traffic how = {.way = SIM_OUTBOUND, .mdl_size = 7, .unused = 4};
    struct sim_bytes one = {bytes, sizeof(bytes)};
    NET_BUFFER_LIST *list = sim_list_build(&how, &one, 1, 1);
    NET_BUFFER *buffer = list->FirstNetBuffer;
    CHECK(NdisGetDataBuffer(buffer, 50, NULL, 1, 0) == NULL);
    CHECK(NdisGetDataBuffer(buffer, 51, storage, 1, 0) == NULL);
    CHECK(NdisGetDataBuffer(buffer, 50, storage, 1, 0) == storage);
    CHECK(memcmp(bytes, storage, 50) == 0);
    NdisAdvanceNetBufferDataStart(buffer, 20, FALSE, NULL);
    CHECK_EQ(*(uint8_t *)NdisGetDataBuffer(buffer, 1, storage, 1, 0), 21);
    CHECK_EQ(NdisRetreatNetBufferDataStart(buffer, 20, 0, NULL), 0);
    CHECK_EQ(*(uint8_t *)NdisGetDataBuffer(buffer, 1, storage, 1, 0), 1);
    /* Further back than the MDLs go: an MDL is put in front, and taken away. */
    CHECK_EQ(NdisRetreatNetBufferDataStart(buffer, 8, 0, NULL), 0);
    CHECK_EQ(NET_BUFFER_DATA_LENGTH(buffer), 58);
    NdisAdvanceNetBufferDataStart(buffer, 8, TRUE, NULL);
    CHECK(NdisGetDataBuffer(buffer, 50, storage, 1, 0) == storage);
    CHECK(memcmp(bytes, storage, 50) == 0);
    sim_list_free(list);
}

int main(void)
{
    CHECK_ALLOWED(pool_is_freed_with_its_tag);
    CHECK_VIOLATES(pool_is_freed_with_another_tag);
    CHECK_VIOLATES(pool_is_freed_twice);
    CHECK_VIOLATES(pool_leaks);
    CHECK_VIOLATES(pool_is_executable);
    CHECK_VIOLATES(paged_pool_at_dispatch_level);
    fresh_pool_is_poisoned();
    CHECK_ALLOWED(locks_in_one_order);
    CHECK_VIOLATES(locks_in_two_orders);
    CHECK_VIOLATES(lock_taken_twice);
    CHECK_VIOLATES(lock_not_initialised);
    CHECK_VIOLATES(lock_at_passive_level);
    CHECK_VIOLATES(wait_with_a_lock);
    CHECK_ALLOWED(poll_at_dispatch_level);
    CHECK_VIOLATES(entry_removed_twice);
    CHECK_VIOLATES(probe_outside_of_try);
    CHECK_VIOLATES(mdl_freed_while_locked);
    CHECK_FAULTS(byte_behind_a_view);
    CHECK_FAULTS(byte_before_a_view);
    CHECK_FAULTS(view_after_unlock);
    CHECK_VIOLATES(executable_view);
    CHECK_VIOLATES(process_ends_with_locked_pages);
    user_memory_is_the_drivers_too();
    what_is_no_writable_memory_is_refused();
    list_is_injected_and_completed_once();
    CHECK_VIOLATES(list_freed_in_the_stack);
    CHECK_VIOLATES(list_injected_twice);
    CHECK_FAULTS(list_used_after_it_was_freed);
    CHECK_VIOLATES(pool_freed_before_its_lists);
    CHECK_VIOLATES(forward_with_a_network_handle);
    CHECK_VIOLATES(callout_is_left);
    CHECK_VIOLATES(engine_at_dispatch_level);
    data_is_gathered_across_mdls();
    return check_result();
}
