/* SPDX-License-Identifier: MIT */
/*
 * What the driver imports of ntoskrnl and ndis and Wine 8 has not, or has as a
 * stub that does nothing. The kernel of Wine is a process, so the memory of
 * another process is not at hand: a region that the driver locks is found among
 * the sections which that process holds, and mapped a second time. Memory that
 * is no view of a section (VirtualAlloc) cannot be locked here; the extension
 * has its queues in a section for this.
 */
#include "standin.h"

#include <string.h>

/* Handles are multiples of 4; nobody in these tests has so many. */
#define HANDLES_MOST 0x4000u

#define MDL_MAPPED_TO_SYSTEM_VA 0x0001
#define MDL_PAGES_LOCKED 0x0002
#define MDL_SOURCE_IS_NONPAGED_POOL 0x0004

/* ntoskrnl's: the process that asks, not this one. */
HANDLE NTAPI PsGetCurrentProcessId(void);

typedef NTSTATUS(NTAPI *reference_function)(HANDLE, ULONG, void *, CCHAR, void **, void *);
static reference_function reference_object;
static LONG regions;

/* ---- user memory -------------------------------------------------------------------- */

static HANDLE open_caller(void)
{
    return OpenProcess(PROCESS_DUP_HANDLE | PROCESS_VM_READ | PROCESS_QUERY_INFORMATION, FALSE,
                       (DWORD)(ULONG_PTR)PsGetCurrentProcessId());
}

static BOOLEAN reads_as(HANDLE process, const BYTE *address, LONG64 value)
{
    LONG64 found = 0;
    SIZE_T count = 0;

    return ReadProcessMemory(process, address, &found, sizeof(found), &count) &&
           count == sizeof(found) && found == value;
}

/* Whether this view shows what lies at an address of the process: a value
 * written here must be read there. */
static BOOLEAN is_same(HANDLE process, const BYTE *address, BYTE *view)
{
    LONG64 *word = (LONG64 *)view;
    LONG64 before = *word;
    LONG64 mark = (LONG64)GetTickCount64() ^ 0x5b1f7c3064e24d0f;

    if (!reads_as(process, address, before))
        return FALSE;
    *word = mark;
    BOOLEAN same = reads_as(process, address, mark);
    *word = before;
    return same;
}

static BYTE *map_section(HANDLE process, HANDLE handle, const BYTE *address, SIZE_T offset,
                         SIZE_T size)
{
    MEMORY_BASIC_INFORMATION info;
    HANDLE section;

    if (!DuplicateHandle(process, handle, GetCurrentProcess(), &section, 0, FALSE,
                         DUPLICATE_SAME_ACCESS))
        return NULL;
    BYTE *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    CloseHandle(section);
    if (view == NULL)
        return NULL;
    if (VirtualQuery(view, &info, sizeof(info)) != 0 && info.RegionSize >= offset + size &&
        is_same(process, address, view + offset))
        return view + offset;
    UnmapViewOfFile(view);
    return NULL;
}

/* All of it committed and writable, in one view. */
static BOOLEAN is_writable(HANDLE process, const BYTE *address, SIZE_T size, SIZE_T *offset)
{
    MEMORY_BASIC_INFORMATION info;

    if (VirtualQueryEx(process, address, &info, sizeof(info)) == 0 || info.State != MEM_COMMIT ||
        info.Type != MEM_MAPPED || info.Protect != PAGE_READWRITE ||
        (SIZE_T)((const BYTE *)info.BaseAddress + info.RegionSize - address) < size)
        return FALSE;
    *offset = (SIZE_T)(address - (const BYTE *)info.AllocationBase);
    return TRUE;
}

static BYTE *map_user(const BYTE *address, SIZE_T size)
{
    HANDLE process = open_caller();
    BYTE *found = NULL;
    SIZE_T offset = 0;

    if (process == NULL)
        return NULL;
    if (is_writable(process, address, size, &offset))
        for (ULONG_PTR handle = 4; handle < HANDLES_MOST && found == NULL; handle += 4)
            found = map_section(process, (HANDLE)handle, address, offset, size);
    CloseHandle(process);
    return found;
}

static void NTAPI probe_and_lock(MDL *mdl, CCHAR mode, int operation)
{
    (void)operation;
    if (mode == 0)
        return;
    BYTE *address = (BYTE *)mdl->StartVa + mdl->ByteOffset;
    BYTE *view = map_user(address, mdl->ByteCount);
    if (view == NULL) {
        ULONG_PTR where[2] = {1, (ULONG_PTR)address};
        RaiseException((DWORD)STATUS_ACCESS_VIOLATION, 0, 2, where);
    }
    mdl->MappedSystemVa = view;
    mdl->MdlFlags |= MDL_MAPPED_TO_SYSTEM_VA | MDL_PAGES_LOCKED;
    (void)InterlockedIncrement(&regions);
}

static void NTAPI unlock(MDL *mdl)
{
    MEMORY_BASIC_INFORMATION info;

    if ((mdl->MdlFlags & MDL_PAGES_LOCKED) == 0) {
        fd_complain("pages are unlocked that were not locked");
        return;
    }
    if (VirtualQuery(mdl->MappedSystemVa, &info, sizeof(info)) != 0)
        UnmapViewOfFile(info.AllocationBase);
    mdl->MdlFlags &= ~(MDL_MAPPED_TO_SYSTEM_VA | MDL_PAGES_LOCKED);
    (void)InterlockedDecrement(&regions);
}

static void NTAPI build_for_pool(MDL *mdl)
{
    mdl->MappedSystemVa = (BYTE *)mdl->StartVa + mdl->ByteOffset;
    mdl->MdlFlags |= MDL_SOURCE_IS_NONPAGED_POOL;
}

static void *NTAPI map_locked(MDL *mdl, CCHAR mode, int cache, void *address, ULONG bug,
                              ULONG priority)
{
    (void)mode, (void)cache, (void)address, (void)bug, (void)priority;
    return mdl->MappedSystemVa;
}

LONG fd_kernel_regions(void)
{
    return regions;
}

/* ---- the rest --------------------------------------------------------------------------- */

/* Wine looks a handle up in this process, and not in the one that asks. */
static NTSTATUS NTAPI reference(HANDLE handle, ULONG access, void *type, CCHAR mode, void **object,
                                void *information)
{
    HANDLE process, ours;
    BOOL good;

    if (mode == 0)
        return reference_object(handle, access, type, mode, object, information);
    process = open_caller();
    if (process == NULL)
        return (NTSTATUS)0xC0000008;
    good = DuplicateHandle(process, handle, GetCurrentProcess(), &ours, 0, FALSE,
                           DUPLICATE_SAME_ACCESS);
    CloseHandle(process);
    if (!good)
        return (NTSTATUS)0xC0000008;
    NTSTATUS status = reference_object(ours, access, type, 0, object, information);
    CloseHandle(ours);
    return status;
}

static void NTAPI precise_time(LARGE_INTEGER *time)
{
    FILETIME now;

    GetSystemTimePreciseAsFileTime(&now);
    time->LowPart = now.dwLowDateTime;
    time->HighPart = (LONG)now.dwHighDateTime;
}

static const struct {
    const char *name;
    void *function;
    void **old;
} patches[] = {
    {"MmProbeAndLockPages", probe_and_lock, NULL},
    {"MmUnlockPages", unlock, NULL},
    {"MmBuildMdlForNonPagedPool", build_for_pool, NULL},
    {"MmMapLockedPagesSpecifyCache", map_locked, NULL},
    {"ObReferenceObjectByHandle", reference, (void **)&reference_object},
    {"KeQuerySystemTimePrecise", precise_time, NULL},
    {"NdisAllocateGenericObject", NdisAllocateGenericObject, NULL},
    {"NdisFreeGenericObject", NdisFreeGenericObject, NULL},
    {"NdisAllocateNetBufferListPool", NdisAllocateNetBufferListPool, NULL},
    {"NdisFreeNetBufferListPool", NdisFreeNetBufferListPool, NULL},
    {"NdisGetDataBuffer", NdisGetDataBuffer, NULL},
    {"NdisRetreatNetBufferDataStart", NdisRetreatNetBufferDataStart, NULL},
    {"NdisAdvanceNetBufferDataStart", NdisAdvanceNetBufferDataStart, NULL},
};

static void patch(const char *name, ULONG_PTR *slot)
{
    DWORD before;

    for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
        if (strcmp(patches[i].name, name) != 0)
            continue;
        if (patches[i].old != NULL)
            *patches[i].old = (void *)*slot;
        (void)VirtualProtect(slot, sizeof(*slot), PAGE_READWRITE, &before);
        *slot = (ULONG_PTR)patches[i].function;
        (void)VirtualProtect(slot, sizeof(*slot), before, &before);
    }
}

void fd_kernel_patch(HMODULE driver)
{
    BYTE *image = (BYTE *)driver;
    const IMAGE_NT_HEADERS64 *headers =
        (const void *)(image + ((const IMAGE_DOS_HEADER *)image)->e_lfanew);
    const IMAGE_IMPORT_DESCRIPTOR *from =
        (const void *)(image + headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT]
                                   .VirtualAddress);

    for (; from->Name != 0; from++) {
        const ULONG_PTR *names = (const void *)(image + from->OriginalFirstThunk);
        ULONG_PTR *slots = (void *)(image + from->FirstThunk);
        for (; *names != 0; names++, slots++)
            patch((const char *)((const IMAGE_IMPORT_BY_NAME *)(image + *names))->Name, slots);
    }
}

/* Loaded for the driver, with its imports in place and before its entry. */
BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved)
{
    HMODULE driver = GetModuleHandleA("fastdivert.sys");

    (void)module, (void)reserved;
    if (reason == DLL_PROCESS_ATTACH && driver != NULL)
        fd_kernel_patch(driver);
    return TRUE;
}
