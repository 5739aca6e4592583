/* SPDX-License-Identifier: MIT */
/*
 * The NT kernel on Linux: what nt.h includes when FD_SIM is defined. Each
 * function does what its DDI page says, asserts the IRQL and the state that
 * the page asks for, and fails when a test wants it to. Control of all this is
 * in sim.h; NDIS and WFP are declared by the driver's own wfp_kernel.h, and
 * defined in ndis.c and wfp_*.c.
 */
#ifndef FD_SIM_NT_SHIM_H
#define FD_SIM_NT_SHIM_H

#include "nt_types.h"

#include <setjmp.h>

/* ---- plain memory and lists -------------------------------------------- */

#define RtlZeroMemory(to, n) memset((to), 0, (n))
#define RtlFillMemory(to, n, byte) memset((to), (byte), (n))
#define RtlCopyMemory(to, from, n) memcpy((to), (from), (n))
#define RtlMoveMemory(to, from, n) memmove((to), (from), (n))
#define RtlEqualMemory(a, b, n) (memcmp((a), (b), (n)) == 0)
#define CONTAINING_RECORD(p, type, field) ((type *)((char *)(p) - offsetof(type, field)))
#define FIELD_OFFSET(type, field) ((LONG)offsetof(type, field))

FORCEINLINE void InitializeListHead(PLIST_ENTRY head)
{
    head->Flink = head->Blink = head;
}
FORCEINLINE BOOLEAN IsListEmpty(const LIST_ENTRY *head)
{
    return head->Flink == head;
}
/* NT checks the links too, and stops the machine. */
void sim_list_check(const LIST_ENTRY *entry);
FORCEINLINE BOOLEAN RemoveEntryList(PLIST_ENTRY entry)
{
    sim_list_check(entry);
    entry->Blink->Flink = entry->Flink;
    entry->Flink->Blink = entry->Blink;
    return entry->Flink == entry->Blink;
}
FORCEINLINE PLIST_ENTRY RemoveHeadList(PLIST_ENTRY head)
{
    PLIST_ENTRY entry = head->Flink;
    RemoveEntryList(entry);
    return entry;
}
FORCEINLINE void InsertTailList(PLIST_ENTRY head, PLIST_ENTRY entry)
{
    sim_list_check(head);
    entry->Flink = head;
    entry->Blink = head->Blink;
    head->Blink->Flink = entry;
    head->Blink = entry;
}
FORCEINLINE void InsertHeadList(PLIST_ENTRY head, PLIST_ENTRY entry)
{
    sim_list_check(head);
    entry->Flink = head->Flink;
    entry->Blink = head;
    head->Flink->Blink = entry;
    head->Flink = entry;
}

/* ---- interlocked --------------------------------------------------------- */

#define InterlockedIncrement(p) __atomic_add_fetch((p), 1, __ATOMIC_SEQ_CST)
#define InterlockedDecrement(p) __atomic_sub_fetch((p), 1, __ATOMIC_SEQ_CST)
#define InterlockedIncrement64(p) __atomic_add_fetch((p), 1, __ATOMIC_SEQ_CST)
#define InterlockedDecrement64(p) __atomic_sub_fetch((p), 1, __ATOMIC_SEQ_CST)
#define InterlockedAdd64(p, v) __atomic_add_fetch((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedExchangeAdd(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedExchangeAdd64(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedExchange(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedExchangePointer(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedOr(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedAnd(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define InterlockedCompareExchange(p, v, old) __sync_val_compare_and_swap((p), (old), (v))
#define InterlockedCompareExchange64(p, v, old) __sync_val_compare_and_swap((p), (old), (v))
#define InterlockedCompareExchangePointer(p, v, old) __sync_val_compare_and_swap((p), (old), (v))
#define KeMemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define YieldProcessor() sim_yield()
void sim_yield(void);

/* ---- structured exceptions ------------------------------------------------ */

#define EXCEPTION_EXECUTE_HANDLER 1
struct sim_guard {
    struct sim_guard *outer;
    int open;
    KIRQL irql;
    jmp_buf buffer;
};
int sim_guard_push(struct sim_guard *guard);
void sim_guard_leave(struct sim_guard *guard);
NTSTATUS sim_exception_code(void);
#undef __try
#undef __except
#define __try                                                                             \
    for (struct sim_guard guard_ __attribute__((cleanup(sim_guard_leave))) = {.open = 1}; \
         guard_.open && sim_guard_push(&guard_); guard_.open = 0)                         \
        if (setjmp(guard_.buffer) == 0)
#define __except(filter) else if (filter)
#define GetExceptionCode() sim_exception_code()
void ExRaiseStatus(NTSTATUS status) __attribute__((noreturn));

/* ---- IRQL and locks --------------------------------------------------------- */

KIRQL KeGetCurrentIrql(void);
#define KeRaiseIrql(level, old) (*(old) = sim_raise_irql(level))
KIRQL sim_raise_irql(KIRQL level);
void KeLowerIrql(KIRQL level);

unsigned sim_lock_class(const char *file, int line);
#define KeInitializeSpinLock(lock)                                                           \
    do {                                                                                     \
        static unsigned class_;                                                              \
        if (__atomic_load_n(&class_, __ATOMIC_RELAXED) == 0)                                 \
            __atomic_store_n(&class_, sim_lock_class(__FILE__, __LINE__), __ATOMIC_RELAXED); \
        sim_spin_lock_initialise((lock), __atomic_load_n(&class_, __ATOMIC_RELAXED));        \
    } while (0)
void sim_spin_lock_initialise(PKSPIN_LOCK lock, unsigned class);
KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK lock);
#define KeAcquireSpinLock(lock, old) (*(old) = KeAcquireSpinLockRaiseToDpc(lock))
void KeReleaseSpinLock(PKSPIN_LOCK lock, KIRQL old);
void KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK lock);
void KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK lock);
void KeAcquireInStackQueuedSpinLock(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle);
void KeReleaseInStackQueuedSpinLock(PKLOCK_QUEUE_HANDLE handle);
void KeAcquireInStackQueuedSpinLockAtDpcLevel(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle);
void KeReleaseInStackQueuedSpinLockFromDpcLevel(PKLOCK_QUEUE_HANDLE handle);

#define ExInitializeFastMutex(mutex) \
    sim_fast_mutex_initialise((mutex), sim_lock_class(__FILE__, __LINE__))
void sim_fast_mutex_initialise(PFAST_MUTEX mutex, unsigned class);
void ExAcquireFastMutex(PFAST_MUTEX mutex);
void ExReleaseFastMutex(PFAST_MUTEX mutex);
#define KeEnterCriticalRegion() sim_critical_region(1)
#define KeLeaveCriticalRegion() sim_critical_region(-1)
void sim_critical_region(int delta);

/* ---- events and waits -------------------------------------------------------- */

void KeInitializeEvent(PKEVENT event, EVENT_TYPE type, BOOLEAN signalled);
LONG KeSetEvent(PKEVENT event, KPRIORITY increment, BOOLEAN wait);
LONG KeResetEvent(PKEVENT event);
void KeClearEvent(PKEVENT event);
LONG KeReadStateEvent(PKEVENT event);
NTSTATUS KeWaitForSingleObject(PVOID object, KWAIT_REASON reason, KPROCESSOR_MODE mode,
                               BOOLEAN alertable, PLARGE_INTEGER timeout);
NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE mode, BOOLEAN alertable, PLARGE_INTEGER interval);

/* ---- pool --------------------------------------------------------------------- */

PVOID ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T size, ULONG tag);
PVOID ExAllocatePool2(POOL_FLAGS flags, SIZE_T size, ULONG tag);
void ExFreePoolWithTag(PVOID block, ULONG tag);

/* ---- descriptions of memory ----------------------------------------------------- */

PMDL IoAllocateMdl(PVOID address, ULONG length, BOOLEAN secondary, BOOLEAN quota, PIRP irp);
void IoFreeMdl(PMDL mdl);
void MmProbeAndLockPages(PMDL mdl, KPROCESSOR_MODE mode, LOCK_OPERATION operation);
void MmUnlockPages(PMDL mdl);
void MmBuildMdlForNonPagedPool(PMDL mdl);
PVOID MmMapLockedPagesSpecifyCache(PMDL mdl, KPROCESSOR_MODE mode, MEMORY_CACHING_TYPE cache,
                                   PVOID address, ULONG bug_check, ULONG priority);
void MmUnmapLockedPages(PVOID address, PMDL mdl);
FORCEINLINE PVOID MmGetSystemAddressForMdlSafe(PMDL mdl, ULONG priority)
{
    if (mdl->MdlFlags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL))
        return mdl->MappedSystemVa;
    return MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, priority);
}
#define MAXULONG 0xffffffffu
#define MmGetMdlByteCount(mdl) ((mdl)->ByteCount)
#define MmGetMdlByteOffset(mdl) ((mdl)->ByteOffset)
#define MmGetMdlVirtualAddress(mdl) ((PVOID)((PUCHAR)(mdl)->StartVa + (mdl)->ByteOffset))
void ProbeForRead(const void *address, SIZE_T length, ULONG alignment);
void ProbeForWrite(PVOID address, SIZE_T length, ULONG alignment);
extern PVOID MmHighestUserAddress;
#define MM_HIGHEST_USER_ADDRESS MmHighestUserAddress

/* ---- objects and processes --------------------------------------------------------- */

extern POBJECT_TYPE *ExEventObjectType;
extern POBJECT_TYPE *IoFileObjectType;
extern POBJECT_TYPE *PsProcessType;
NTSTATUS ObReferenceObjectByHandle(HANDLE handle, ACCESS_MASK access, POBJECT_TYPE type,
                                   KPROCESSOR_MODE mode, PVOID *object,
                                   POBJECT_HANDLE_INFORMATION information);
NTSTATUS ObOpenObjectByPointer(PVOID object, ULONG attributes, PACCESS_STATE state,
                               ACCESS_MASK access, POBJECT_TYPE type, KPROCESSOR_MODE mode,
                               PHANDLE handle);
void sim_object_reference(PVOID object);
void sim_object_dereference(PVOID object);
#define ObReferenceObject(object) sim_object_reference(object)
#define ObfReferenceObject(object) sim_object_reference(object)
#define ObDereferenceObject(object) sim_object_dereference(object)
#define ObfDereferenceObject(object) sim_object_dereference(object)
NTSTATUS ZwClose(HANDLE handle);

PEPROCESS PsGetCurrentProcess(void);
#define IoGetCurrentProcess() PsGetCurrentProcess()
HANDLE PsGetCurrentProcessId(void);
HANDLE PsGetProcessId(PEPROCESS process);
PEPROCESS IoGetRequestorProcess(PIRP irp);
ULONG IoGetRequestorProcessId(PIRP irp);
NTSTATUS PsSetCreateProcessNotifyRoutine(PCREATE_PROCESS_NOTIFY_ROUTINE routine, BOOLEAN remove);
NTSTATUS PsSetCreateProcessNotifyRoutineEx(PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine,
                                           BOOLEAN remove);
ULONG KeGetCurrentProcessorNumberEx(PPROCESSOR_NUMBER number);
#define KeGetCurrentProcessorNumber() KeGetCurrentProcessorNumberEx(NULL)
ULONG KeQueryActiveProcessorCountEx(USHORT group);

/* ---- time ----------------------------------------------------------------------------- */

LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER frequency);
void KeQuerySystemTimePrecise(PLARGE_INTEGER time);
void sim_system_time(PLARGE_INTEGER time);
#define KeQuerySystemTime(time) sim_system_time(time)
ULONGLONG KeQueryInterruptTime(void);

/* ---- devices and requests ------------------------------------------------------------- */

NTSTATUS IoCreateDevice(PDRIVER_OBJECT driver, ULONG extension, PUNICODE_STRING name, ULONG type,
                        ULONG characteristics, BOOLEAN exclusive, PDEVICE_OBJECT *device);
void IoDeleteDevice(PDEVICE_OBJECT device);
NTSTATUS IoCreateSymbolicLink(PUNICODE_STRING link, PUNICODE_STRING device);
NTSTATUS IoDeleteSymbolicLink(PUNICODE_STRING link);
FORCEINLINE PIO_STACK_LOCATION IoGetCurrentIrpStackLocation(PIRP irp)
{
    return &irp->location;
}
void IofCompleteRequest(PIRP irp, CCHAR boost);
#define IoCompleteRequest(irp, boost) IofCompleteRequest((irp), (boost))
void sim_irp_mark_pending(PIRP irp);
#define IoMarkIrpPending(irp) sim_irp_mark_pending(irp)
PDRIVER_CANCEL IoSetCancelRoutine(PIRP irp, PDRIVER_CANCEL routine);
void IoReleaseCancelSpinLock(KIRQL irql);
PIO_WORKITEM IoAllocateWorkItem(PDEVICE_OBJECT device);
void IoFreeWorkItem(PIO_WORKITEM item);
void IoQueueWorkItem(PIO_WORKITEM item, PIO_WORKITEM_ROUTINE routine, WORK_QUEUE_TYPE queue,
                     PVOID context);

/* ---- security -------------------------------------------------------------------------- */

NTSTATUS RtlCreateAcl(PACL acl, ULONG size, ULONG revision);
NTSTATUS RtlAddAccessAllowedAce(PACL acl, ULONG revision, ACCESS_MASK access, PSID sid);
NTSTATUS RtlCreateSecurityDescriptor(PSECURITY_DESCRIPTOR descriptor, ULONG revision);
NTSTATUS RtlSetDaclSecurityDescriptor(PSECURITY_DESCRIPTOR descriptor, BOOLEAN present, PACL acl,
                                      BOOLEAN defaulted);
NTSTATUS ZwSetSecurityObject(HANDLE handle, SECURITY_INFORMATION what,
                             PSECURITY_DESCRIPTOR descriptor);

ULONG DbgPrint(const char *format, ...);

#endif
