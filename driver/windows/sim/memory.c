/* SPDX-License-Identifier: MIT */
/*
 * User memory and MDLs. A user region is a memory file mapped twice: once where
 * the process sees it, and again, by MmMapLockedPagesSpecifyCache, where the
 * driver does, between two wide stretches that nobody may touch. So a driver
 * that misses a bound faults at once, and a process that unmaps its memory
 * takes nothing from under it.
 */
#define _GNU_SOURCE
#include "sim.h"

#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define RED_ZONE ((size_t)64 << 20)
#define REGIONS 512

struct region {
    uint8_t *address;
    size_t size;
    int file;
    int read_only;
    PEPROCESS process;
};

struct sim_system_view {
    int file;
    off_t at;
    uint8_t *mapping; /* with its red zones */
    size_t size;
};

PVOID MmHighestUserAddress = (PVOID)0x00007ffffffeffff;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct region regions[REGIONS];
static long mdls, views;

static size_t whole_pages(size_t size)
{
    return (size + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
}

/* ---- the process's side ---------------------------------------------------- */

void *sim_user_allocate(size_t size)
{
    size = whole_pages(size);
    int file = memfd_create("user", MFD_CLOEXEC);
    SIM_REQUIRE(file >= 0 && ftruncate(file, (off_t)size) == 0, "no memory for the test");
    uint8_t *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    SIM_REQUIRE(address != MAP_FAILED, "no memory for the test");
    pthread_mutex_lock(&mutex);
    struct region *region = regions;
    while (region->address != NULL) {
        region++;
        SIM_REQUIRE(region < regions + REGIONS, "more than %d user regions", REGIONS);
    }
    *region = (struct region){address, size, file, 0, PsGetCurrentProcess()};
    pthread_mutex_unlock(&mutex);
    return address;
}

/* The region of the current process that holds all of these bytes; with the
 * mutex held. */
static struct region *region_of(const void *address, size_t size)
{
    const uint8_t *begin = address;
    PEPROCESS process = PsGetCurrentProcess();

    for (struct region *region = regions; region < regions + REGIONS; region++)
        if (region->address != NULL && region->process == process && begin >= region->address &&
            (size_t)(begin - region->address) <= region->size &&
            size <= region->size - (size_t)(begin - region->address))
            return region;
    return NULL;
}

void sim_user_read_only(void *address)
{
    pthread_mutex_lock(&mutex);
    struct region *region = region_of(address, 1);
    SIM_REQUIRE(region != NULL, "the test's address %p is no region", address);
    region->read_only = 1;
    mprotect(region->address, region->size, PROT_READ);
    pthread_mutex_unlock(&mutex);
}

void *sim_user_alias(void *address)
{
    pthread_mutex_lock(&mutex);
    struct region *region = region_of(address, 1);
    SIM_REQUIRE(region != NULL, "the test's address %p is no region", address);
    void *alias = mmap(NULL, region->size, PROT_READ | PROT_WRITE, MAP_SHARED, region->file, 0);
    SIM_REQUIRE(alias != MAP_FAILED, "no memory for the test");
    pthread_mutex_unlock(&mutex);
    return alias;
}

void sim_user_unalias(void *alias, size_t size)
{
    munmap(alias, whole_pages(size));
}

static void unmap(struct region *region)
{
    munmap(region->address, region->size);
    close(region->file);
    region->address = NULL;
}

void sim_user_free(void *address)
{
    pthread_mutex_lock(&mutex);
    struct region *region = region_of(address, 1);
    SIM_REQUIRE(region != NULL, "the test's address %p is no region", address);
    unmap(region);
    pthread_mutex_unlock(&mutex);
}

void sim_memory_of_process_free(PEPROCESS process)
{
    pthread_mutex_lock(&mutex);
    for (struct region *region = regions; region < regions + REGIONS; region++)
        if (region->address != NULL && region->process == process)
            unmap(region);
    pthread_mutex_unlock(&mutex);
}

void ProbeForRead(const void *address, SIZE_T length, ULONG alignment)
{
    SIM_IRQL_AT_MOST(APC_LEVEL);
    SIM_REQUIRE(sim_guarded(), "ProbeForRead outside of __try");
    if ((uintptr_t)address & (alignment - 1))
        ExRaiseStatus(STATUS_DATATYPE_MISALIGNMENT);
    if ((uintptr_t)address + length < (uintptr_t)address ||
        (uintptr_t)address + length > (uintptr_t)MmHighestUserAddress)
        ExRaiseStatus(STATUS_ACCESS_VIOLATION);
}

void ProbeForWrite(PVOID address, SIZE_T length, ULONG alignment)
{
    ProbeForRead(address, length, alignment);
}

/* ---- the driver's side -------------------------------------------------------- */

PMDL IoAllocateMdl(PVOID address, ULONG length, BOOLEAN secondary, BOOLEAN quota, PIRP irp)
{
    (void)quota;
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(!secondary && irp == NULL, "MDLs of requests are not simulated");
    if (sim_fails(__func__) || length == 0)
        return NULL;
    PMDL mdl = malloc(sizeof(*mdl));
    if (mdl == NULL)
        abort();
    memset(mdl, SIM_POISON, sizeof(*mdl));
    *mdl = (MDL){
        .Size = sizeof(*mdl),
        .StartVa = (PVOID)((uintptr_t)address & ~(uintptr_t)(PAGE_SIZE - 1)),
        .ByteCount = length,
        .ByteOffset = BYTE_OFFSET(address),
    };
    __atomic_add_fetch(&mdls, 1, __ATOMIC_RELAXED);
    return mdl;
}

void IoFreeMdl(PMDL mdl)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(!(mdl->MdlFlags & MDL_PAGES_LOCKED), "an MDL is freed with its pages locked");
    __atomic_sub_fetch(&mdls, 1, __ATOMIC_RELAXED);
    memset(mdl, SIM_POISON, sizeof(*mdl));
    free(mdl);
}

void MmProbeAndLockPages(PMDL mdl, KPROCESSOR_MODE mode, LOCK_OPERATION operation)
{
    NTSTATUS status = STATUS_SUCCESS;
    uint8_t *address = MmGetMdlVirtualAddress(mdl);

    SIM_IRQL_AT_MOST(APC_LEVEL); /* pageable memory */
    SIM_REQUIRE(sim_guarded(), "MmProbeAndLockPages outside of __try");
    SIM_REQUIRE(mode == UserMode, "a user's address is probed as the kernel's");
    SIM_REQUIRE(mdl->MdlFlags == 0, "an MDL is locked twice");
    struct sim_system_view *view = malloc(sizeof(*view));
    if (view == NULL)
        abort();
    if (sim_fails(__func__)) {
        status = STATUS_WORKING_SET_QUOTA;
    } else {
        pthread_mutex_lock(&mutex);
        struct region *region = region_of(address, mdl->ByteCount);
        if (region == NULL || (region->read_only && operation != IoReadAccess)) {
            status = STATUS_ACCESS_VIOLATION;
        } else {
            *view = (struct sim_system_view){
                .file = dup(region->file),
                .at = (off_t)(address - region->address) / PAGE_SIZE * PAGE_SIZE,
            };
            SIM_REQUIRE(view->file >= 0, "no file left for the test");
            views++;
        }
        pthread_mutex_unlock(&mutex);
    }
    if (status != STATUS_SUCCESS) {
        free(view);
        ExRaiseStatus(status);
    }
    mdl->view = view;
    mdl->MdlFlags = MDL_PAGES_LOCKED;
    mdl->Process = PsGetCurrentProcess();
    __atomic_add_fetch(&mdl->Process->locked_pages, 1, __ATOMIC_RELAXED);
}

PVOID MmMapLockedPagesSpecifyCache(PMDL mdl, KPROCESSOR_MODE mode, MEMORY_CACHING_TYPE cache,
                                   PVOID address, ULONG bug_check, ULONG priority)
{
    struct sim_system_view *view = mdl->view;

    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(mode == KernelMode && cache == MmCached && address == NULL && !bug_check,
                "only cached views in system space, that may fail, are simulated");
    SIM_REQUIRE(priority & MdlMappingNoExecute, "a view that could be executed");
    SIM_REQUIRE(mdl->MdlFlags & MDL_PAGES_LOCKED, "a view of pages that are not locked");
    SIM_REQUIRE(!(mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA), "pages are mapped twice");
    if (sim_fails(__func__))
        return NULL;
    view->size = whole_pages(mdl->ByteOffset + mdl->ByteCount);
    view->mapping = mmap(NULL, view->size + 2 * RED_ZONE, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    SIM_REQUIRE(view->mapping != MAP_FAILED, "no address space for a view");
    uint8_t *at = mmap(view->mapping + RED_ZONE, view->size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_FIXED, view->file, view->at);
    SIM_REQUIRE(at != MAP_FAILED, "no address space for a view");
    mdl->MappedSystemVa = at + mdl->ByteOffset;
    mdl->MdlFlags |= MDL_MAPPED_TO_SYSTEM_VA;
    return mdl->MappedSystemVa;
}

void MmUnmapLockedPages(PVOID address, PMDL mdl)
{
    struct sim_system_view *view = mdl->view;

    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA && address == mdl->MappedSystemVa,
                "a view is unmapped that is none");
    munmap(view->mapping, view->size + 2 * RED_ZONE);
    view->mapping = NULL;
    mdl->MappedSystemVa = NULL;
    mdl->MdlFlags &= ~MDL_MAPPED_TO_SYSTEM_VA;
}

void MmUnlockPages(PMDL mdl)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(mdl->MdlFlags & MDL_PAGES_LOCKED, "pages are unlocked that are not locked");
    if (mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA)
        MmUnmapLockedPages(mdl->MappedSystemVa, mdl);
    close(mdl->view->file);
    free(mdl->view);
    mdl->view = NULL;
    mdl->MdlFlags &= ~MDL_PAGES_LOCKED;
    __atomic_sub_fetch(&mdl->Process->locked_pages, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&mutex);
    views--;
    pthread_mutex_unlock(&mutex);
}

void MmBuildMdlForNonPagedPool(PMDL mdl)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(mdl->MdlFlags == 0, "an MDL is built twice");
    mdl->MappedSystemVa = MmGetMdlVirtualAddress(mdl);
    mdl->MdlFlags = MDL_SOURCE_IS_NONPAGED_POOL;
}

void sim_check_memory(void)
{
    SIM_REQUIRE(views == 0, "%ld regions are still locked", views);
    SIM_REQUIRE(mdls == 0, "%ld MDLs are left", mdls);
}
