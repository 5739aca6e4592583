/* SPDX-License-Identifier: MIT */
/*
 * Types and constants of the NT kernel, as far as a WFP driver names them,
 * for Linux: widths, names and values are those of wdm.h and ntifs.h (here
 * too ULONG has 32 bits and, by -fshort-wchar, wchar_t has 16). What a driver
 * must not look into (locks, events, objects) is ours inside.
 */
#ifndef FD_SIM_NT_TYPES_H
#define FD_SIM_NT_TYPES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NTAPI
#define FD_IMP extern
#define VOID void
#define IN
#define OUT
#define TRUE 1
#define FALSE 0
#define FORCEINLINE static inline
#define UNREFERENCED_PARAMETER(p) ((void)(p))
#define DECLSPEC_ALIGN(n) __attribute__((aligned(n)))
#define C_ASSERT(e) _Static_assert(e, #e)

typedef void *PVOID, *HANDLE, **PHANDLE;
typedef uint8_t UCHAR, UINT8, BOOLEAN, BYTE, KIRQL, *PUCHAR, *PBOOLEAN, *PKIRQL;
typedef char CHAR, CCHAR, *PCHAR;
typedef int8_t KPROCESSOR_MODE, INT8;
typedef int16_t SHORT, CSHORT, INT16;
typedef uint16_t USHORT, UINT16, *PUSHORT;
typedef int32_t LONG, INT32, NTSTATUS, *PLONG, *PNTSTATUS;
typedef uint32_t ULONG, UINT32, DWORD, ACCESS_MASK, *PULONG, *PUINT32;
typedef int64_t LONG64, LONGLONG, INT64, *PLONG64;
typedef uint64_t ULONG64, UINT64, ULONGLONG, *PULONG64, *PUINT64;
typedef unsigned int UINT;
typedef int INT, BOOL;
typedef intptr_t LONG_PTR;
typedef uintptr_t ULONG_PTR, KAFFINITY, *PULONG_PTR;
typedef size_t SIZE_T, *PSIZE_T;
typedef wchar_t WCHAR, *PWCH, *PWSTR, *PWCHAR;
typedef const wchar_t *PCWSTR;
typedef LONG KPRIORITY;
_Static_assert(sizeof(wchar_t) == 2, "build with -fshort-wchar");

typedef union _LARGE_INTEGER {
    struct {
        ULONG LowPart;
        LONG HighPart;
    };
    LONGLONG QuadPart;
} LARGE_INTEGER, PHYSICAL_ADDRESS, *PLARGE_INTEGER;

typedef struct DECLSPEC_ALIGN(16) _SLIST_HEADER {
    ULONGLONG Alignment, Region;
} SLIST_HEADER, *PSLIST_HEADER;

typedef struct _GUID {
    uint32_t Data1;
    uint16_t Data2, Data3;
    uint8_t Data4[8];
} GUID;

typedef struct _LIST_ENTRY {
    struct _LIST_ENTRY *Flink, *Blink;
} LIST_ENTRY, *PLIST_ENTRY;

typedef struct _UNICODE_STRING {
    USHORT Length, MaximumLength;
    PWCH Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
typedef const UNICODE_STRING *PCUNICODE_STRING;
#define RTL_CONSTANT_STRING(s) {sizeof(s) - sizeof((s)[0]), sizeof(s), (PWCH)(s)}

/* ---- status ---------------------------------------------------------- */

#define NT_SUCCESS(s) ((NTSTATUS)(s) >= 0)
#define NT_ERROR(s) ((uint32_t)(s) >> 30 == 3)
#define STATUS_SUCCESS ((NTSTATUS)0)
#define STATUS_WAIT_0 ((NTSTATUS)0)
#define STATUS_ABANDONED_WAIT_0 ((NTSTATUS)0x80)
#define STATUS_TIMEOUT ((NTSTATUS)0x102)
#define STATUS_PENDING ((NTSTATUS)0x103)
#define STATUS_DATATYPE_MISALIGNMENT ((NTSTATUS)0x80000002)
#define STATUS_BUFFER_OVERFLOW ((NTSTATUS)0x80000005)
#define STATUS_DEVICE_BUSY ((NTSTATUS)0x80000011)
#define STATUS_UNSUCCESSFUL ((NTSTATUS)0xC0000001)
#define STATUS_NOT_IMPLEMENTED ((NTSTATUS)0xC0000002)
#define STATUS_INFO_LENGTH_MISMATCH ((NTSTATUS)0xC0000004)
#define STATUS_ACCESS_VIOLATION ((NTSTATUS)0xC0000005)
#define STATUS_INVALID_HANDLE ((NTSTATUS)0xC0000008)
#define STATUS_INVALID_PARAMETER ((NTSTATUS)0xC000000D)
#define STATUS_NO_SUCH_DEVICE ((NTSTATUS)0xC000000E)
#define STATUS_INVALID_DEVICE_REQUEST ((NTSTATUS)0xC0000010)
#define STATUS_MORE_PROCESSING_REQUIRED ((NTSTATUS)0xC0000016)
#define STATUS_NO_MEMORY ((NTSTATUS)0xC0000017)
#define STATUS_ACCESS_DENIED ((NTSTATUS)0xC0000022)
#define STATUS_BUFFER_TOO_SMALL ((NTSTATUS)0xC0000023)
#define STATUS_OBJECT_TYPE_MISMATCH ((NTSTATUS)0xC0000024)
#define STATUS_OBJECT_NAME_NOT_FOUND ((NTSTATUS)0xC0000034)
#define STATUS_OBJECT_NAME_COLLISION ((NTSTATUS)0xC0000035)
#define STATUS_DATA_ERROR ((NTSTATUS)0xC000003E)
#define STATUS_REVISION_MISMATCH ((NTSTATUS)0xC0000059)
#define STATUS_INVALID_ACL ((NTSTATUS)0xC0000077)
#define STATUS_DELETE_PENDING ((NTSTATUS)0xC0000056)
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)
#define STATUS_WORKING_SET_QUOTA ((NTSTATUS)0xC00000A1)
#define STATUS_DEVICE_NOT_READY ((NTSTATUS)0xC00000A3)
#define STATUS_ILLEGAL_FUNCTION ((NTSTATUS)0xC00000AF)
#define STATUS_NOT_SUPPORTED ((NTSTATUS)0xC00000BB)
#define STATUS_INTERNAL_ERROR ((NTSTATUS)0xC00000E5)
#define STATUS_INVALID_USER_BUFFER ((NTSTATUS)0xC00000E8)
#define STATUS_FILE_CLOSED ((NTSTATUS)0xC0000128)
#define STATUS_CANCELLED ((NTSTATUS)0xC0000120)
#define STATUS_TOO_LATE ((NTSTATUS)0xC0000189)
#define STATUS_DEVICE_DATA_ERROR ((NTSTATUS)0xC000009C)
#define STATUS_INVALID_DEVICE_STATE ((NTSTATUS)0xC0000184)
#define STATUS_INVALID_BUFFER_SIZE ((NTSTATUS)0xC0000206)
#define STATUS_NOT_FOUND ((NTSTATUS)0xC0000225)
#define STATUS_QUOTA_EXCEEDED ((NTSTATUS)0xC0000044)
#define STATUS_TOO_MANY_SESSIONS ((NTSTATUS)0xC00000CE)
#define STATUS_INVALID_IMAGE_FORMAT ((NTSTATUS)0xC000007B)
#define STATUS_PIPE_DISCONNECTED ((NTSTATUS)0xC00000B0)
#define STATUS_TOO_MANY_CONTEXT_IDS ((NTSTATUS)0xC000015A)
#define STATUS_INVALID_ADDRESS_COMPONENT ((NTSTATUS)0xC0000207)
#define STATUS_HOST_UNREACHABLE ((NTSTATUS)0xC000023D)
#define STATUS_PROCESS_IS_TERMINATING ((NTSTATUS)0xC000010A)
#define STATUS_DATA_NOT_ACCEPTED ((NTSTATUS)0xC000021B)
#define STATUS_ALREADY_REGISTERED ((NTSTATUS)0xC0000718)
#define STATUS_SHUTDOWN_IN_PROGRESS ((NTSTATUS)0xC00002FE)
#define STATUS_FWP_ALREADY_EXISTS ((NTSTATUS)0xC0220009)
#define STATUS_FWP_CALLOUT_NOT_FOUND ((NTSTATUS)0xC0220001)
#define STATUS_FWP_FILTER_NOT_FOUND ((NTSTATUS)0xC0220003)
#define STATUS_FWP_SUBLAYER_NOT_FOUND ((NTSTATUS)0xC0220007)
#define STATUS_FWP_NOT_FOUND ((NTSTATUS)0xC0220008)
#define STATUS_FWP_IN_USE ((NTSTATUS)0xC022000A)
#define STATUS_FWP_NO_TXN_IN_PROGRESS ((NTSTATUS)0xC022000D)
#define STATUS_FWP_TXN_IN_PROGRESS ((NTSTATUS)0xC022000E)
#define STATUS_FWP_NULL_POINTER ((NTSTATUS)0xC022001C)
#define STATUS_FWP_INVALID_PARAMETER ((NTSTATUS)0xC0220035)

/* ---- IRQL, locks, events --------------------------------------------- */

#define PASSIVE_LEVEL 0
#define APC_LEVEL 1
#define DISPATCH_LEVEL 2

typedef struct _KSPIN_LOCK {
    pthread_mutex_t mutex;
    unsigned class;       /* where it was initialised: see lock.c */
    unsigned initialised; /* SIM_INITIALISED */
    int taken;            /* the plain lock of a build for measuring */
} KSPIN_LOCK, *PKSPIN_LOCK;

typedef struct _KLOCK_QUEUE_HANDLE {
    PKSPIN_LOCK lock;
    KIRQL old;
} KLOCK_QUEUE_HANDLE, *PKLOCK_QUEUE_HANDLE;

typedef enum _EVENT_TYPE { NotificationEvent, SynchronizationEvent } EVENT_TYPE;

typedef struct _KEVENT {
    unsigned initialised;
    EVENT_TYPE type;
    int signalled;
} KEVENT, *PKEVENT, *PRKEVENT;

typedef struct _FAST_MUTEX {
    pthread_mutex_t mutex;
    unsigned class, initialised;
    KIRQL old;
} FAST_MUTEX, *PFAST_MUTEX;

typedef enum _KWAIT_REASON { Executive } KWAIT_REASON;
enum { KernelMode = 0, UserMode = 1 };

/* ---- memory ----------------------------------------------------------- */

#define PAGE_SIZE 0x1000u
#define PAGE_SHIFT 12
#define BYTE_OFFSET(va) ((ULONG)((ULONG_PTR)(va) & (PAGE_SIZE - 1)))

typedef enum _POOL_TYPE {
    NonPagedPool = 0,
    PagedPool = 1,
    NonPagedPoolCacheAligned = 4,
    NonPagedPoolNx = 512,
    NonPagedPoolNxCacheAligned = 516,
} POOL_TYPE;
typedef ULONG64 POOL_FLAGS;
#define POOL_FLAG_UNINITIALIZED 0x2ull
#define POOL_FLAG_CACHE_ALIGNED 0x8ull
#define POOL_FLAG_NON_PAGED 0x40ull
#define POOL_FLAG_PAGED 0x100ull

typedef enum _LOCK_OPERATION { IoReadAccess, IoWriteAccess, IoModifyAccess } LOCK_OPERATION;
typedef enum _MEMORY_CACHING_TYPE { MmNonCached, MmCached } MEMORY_CACHING_TYPE;
enum { LowPagePriority = 0, NormalPagePriority = 16, HighPagePriority = 32 };
#define MdlMappingNoWrite 0x80000000u
#define MdlMappingNoExecute 0x40000000u

#define MDL_MAPPED_TO_SYSTEM_VA 0x0001
#define MDL_PAGES_LOCKED 0x0002
#define MDL_SOURCE_IS_NONPAGED_POOL 0x0004

struct sim_system_view;
typedef struct _MDL {
    struct _MDL *Next;
    CSHORT Size;
    CSHORT MdlFlags;
    struct _EPROCESS *Process;
    PVOID MappedSystemVa;
    PVOID StartVa; /* the page that it begins in */
    ULONG ByteCount;
    ULONG ByteOffset;
    struct sim_system_view *view; /* ours */
} MDL, *PMDL;

/* ---- objects, devices, requests ---------------------------------------- */

typedef struct _OBJECT_TYPE *POBJECT_TYPE;
typedef struct _EPROCESS *PEPROCESS;
typedef struct _ETHREAD *PETHREAD;
typedef struct _OBJECT_HANDLE_INFORMATION *POBJECT_HANDLE_INFORMATION;
typedef struct _ACCESS_STATE *PACCESS_STATE;

#define DELETE 0x00010000u
#define READ_CONTROL 0x00020000u
#define WRITE_DAC 0x00040000u
#define SYNCHRONIZE 0x00100000u
#define GENERIC_ALL 0x10000000u
#define GENERIC_WRITE 0x40000000u
#define GENERIC_READ 0x80000000u
#define FILE_ALL_ACCESS 0x001f01ffu
#define EVENT_MODIFY_STATE 0x0002u
#define OBJ_KERNEL_HANDLE 0x00000200u

typedef struct _DEVICE_OBJECT *PDEVICE_OBJECT;
typedef struct _DRIVER_OBJECT *PDRIVER_OBJECT;
typedef struct _IRP *PIRP;
typedef struct _IO_WORKITEM *PIO_WORKITEM;

typedef struct _FILE_OBJECT {
    PDEVICE_OBJECT DeviceObject;
    PVOID FsContext, FsContext2;
    UNICODE_STRING FileName;
} FILE_OBJECT, *PFILE_OBJECT;

typedef struct _IO_STATUS_BLOCK {
    union {
        NTSTATUS Status;
        PVOID Pointer;
    };
    ULONG_PTR Information;
} IO_STATUS_BLOCK, *PIO_STATUS_BLOCK;

typedef struct _IO_SECURITY_CONTEXT {
    PACCESS_STATE AccessState;
    ACCESS_MASK DesiredAccess;
} IO_SECURITY_CONTEXT, *PIO_SECURITY_CONTEXT;

typedef struct _IO_STACK_LOCATION {
    UCHAR MajorFunction, MinorFunction, Flags, Control;
    union {
        struct {
            PIO_SECURITY_CONTEXT SecurityContext;
            ULONG Options;
            USHORT FileAttributes, ShareAccess;
            ULONG EaLength;
        } Create;
        struct {
            ULONG OutputBufferLength, InputBufferLength, IoControlCode;
            PVOID Type3InputBuffer;
        } DeviceIoControl;
    } Parameters;
    PDEVICE_OBJECT DeviceObject;
    PFILE_OBJECT FileObject;
} IO_STACK_LOCATION, *PIO_STACK_LOCATION;

typedef struct _IRP {
    PMDL MdlAddress;
    union {
        PVOID SystemBuffer;
    } AssociatedIrp;
    IO_STATUS_BLOCK IoStatus;
    KPROCESSOR_MODE RequestorMode;
    BOOLEAN Cancel;
    PVOID UserBuffer;
    union {
        struct {
            PVOID DriverContext[4];
            LIST_ENTRY ListEntry;
        } Overlay;
    } Tail;
    /* ours */
    IO_STACK_LOCATION location;
    PEPROCESS requestor;
    int completed, pending;
    void (*cancel)(PDEVICE_OBJECT, PIRP);
    KIRQL CancelIrql;
    KEVENT done;
} IRP;

typedef NTSTATUS (*PDRIVER_DISPATCH)(PDEVICE_OBJECT, PIRP);
typedef NTSTATUS DRIVER_DISPATCH(PDEVICE_OBJECT, PIRP);
typedef void DRIVER_UNLOAD(PDRIVER_OBJECT);
typedef NTSTATUS DRIVER_INITIALIZE(PDRIVER_OBJECT, PUNICODE_STRING);
typedef void (*PDRIVER_CANCEL)(PDEVICE_OBJECT, PIRP);

#define IRP_MJ_CREATE 0x00
#define IRP_MJ_CLOSE 0x02
#define IRP_MJ_DEVICE_CONTROL 0x0e
#define IRP_MJ_CLEANUP 0x12
#define IRP_MJ_MAXIMUM_FUNCTION 0x1b

typedef struct _DEVICE_OBJECT {
    PDRIVER_OBJECT DriverObject;
    ULONG Flags, Characteristics, DeviceType;
    PVOID DeviceExtension;
} DEVICE_OBJECT;

typedef struct _DRIVER_OBJECT {
    PDEVICE_OBJECT DeviceObject;
    void (*DriverUnload)(PDRIVER_OBJECT);
    PDRIVER_DISPATCH MajorFunction[IRP_MJ_MAXIMUM_FUNCTION + 1];
} DRIVER_OBJECT;

#define DO_BUFFERED_IO 0x4u
#define DO_DIRECT_IO 0x10u
#define DO_DEVICE_INITIALIZING 0x80u
#define FILE_DEVICE_UNKNOWN 0x22u
#define FILE_DEVICE_NETWORK 0x12u
#define FILE_DEVICE_SECURE_OPEN 0x100u
#define METHOD_BUFFERED 0
#define FILE_ANY_ACCESS 0
#define FILE_READ_ACCESS 1
#define FILE_WRITE_ACCESS 2
#define FILE_READ_DATA 1
#define FILE_WRITE_DATA 2
#define CTL_CODE(type, function, method, access) \
    (((uint32_t)(type) << 16) | ((uint32_t)(access) << 14) | ((uint32_t)(function) << 2) | (method))
#define IO_NO_INCREMENT 0
#define IO_NETWORK_INCREMENT 2

typedef enum _WORK_QUEUE_TYPE { CriticalWorkQueue, DelayedWorkQueue } WORK_QUEUE_TYPE;
typedef void (*PIO_WORKITEM_ROUTINE)(PDEVICE_OBJECT, PVOID);
typedef void IO_WORKITEM_ROUTINE(PDEVICE_OBJECT, PVOID);

/* ---- security ----------------------------------------------------------- */

typedef PVOID PSID, PSECURITY_DESCRIPTOR;
typedef ULONG SECURITY_INFORMATION;
#define ACL_REVISION 2
#define SECURITY_DESCRIPTOR_REVISION 1
#define DACL_SECURITY_INFORMATION 4u
#define PROTECTED_DACL_SECURITY_INFORMATION 0x80000000u

typedef struct _ACL {
    UCHAR AclRevision, Sbz1;
    USHORT AclSize, AceCount, Sbz2;
} ACL, *PACL;

typedef struct _SECURITY_DESCRIPTOR {
    UCHAR Revision, Sbz1;
    USHORT Control;
    PSID Owner, Group;
    PACL Sacl, Dacl;
} SECURITY_DESCRIPTOR;

/* ---- processes ---------------------------------------------------------- */

typedef struct _PS_CREATE_NOTIFY_INFO *PPS_CREATE_NOTIFY_INFO;
typedef void (*PCREATE_PROCESS_NOTIFY_ROUTINE)(HANDLE parent, HANDLE process, BOOLEAN create);
typedef void (*PCREATE_PROCESS_NOTIFY_ROUTINE_EX)(PEPROCESS, HANDLE, PPS_CREATE_NOTIFY_INFO);

typedef struct _PROCESSOR_NUMBER {
    USHORT Group;
    UCHAR Number, Reserved;
} PROCESSOR_NUMBER, *PPROCESSOR_NUMBER;
#define ALL_PROCESSOR_GROUPS 0xffff

#endif
