/* SPDX-License-Identifier: MIT */
#include "region.h"

/* Raises an exception for what is no writable memory of user mode. A function
 * of its own: nothing else belongs inside a guarded block. */
static NTSTATUS lock_pages(PMDL mdl)
{
    __try {
        MmProbeAndLockPages(mdl, UserMode, IoWriteAccess);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        /* Not the code of the exception: that depends on the memory manager,
         * and the caller has to know one thing. */
        return STATUS_INVALID_USER_BUFFER;
    }
    return STATUS_SUCCESS;
}

NTSTATUS fd_region_lock(struct fd_region *region, ULONG64 address, ULONG64 size)
{
    if ((address & (PAGE_SIZE - 1)) != 0)
        return STATUS_DATATYPE_MISALIGNMENT;
    if (address == 0 || size == 0 || size > MAXULONG - PAGE_SIZE || address + size < address)
        return STATUS_INVALID_USER_BUFFER;

    PMDL mdl = IoAllocateMdl((PVOID)(ULONG_PTR)address, (ULONG)size, FALSE, FALSE, NULL);
    if (mdl == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    NTSTATUS status = lock_pages(mdl);
    if (!NT_SUCCESS(status)) {
        IoFreeMdl(mdl);
        return status;
    }
    PVOID mapped = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority | MdlMappingNoExecute);
    if (mapped == NULL) {
        MmUnlockPages(mdl);
        IoFreeMdl(mdl);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    *region = (struct fd_region){.mdl = mdl, .address = mapped, .size = (SIZE_T)size};
    return STATUS_SUCCESS;
}

void fd_region_unlock(struct fd_region *region)
{
    if (region->mdl != NULL) {
        MmUnlockPages(region->mdl); /* unmaps it also */
        IoFreeMdl(region->mdl);
    }
    *region = (struct fd_region){0};
}
