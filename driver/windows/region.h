/* SPDX-License-Identifier: MIT */
/* Memory of a process that the driver uses at any IRQL: locked, and mapped into
 * the system's address space. */
#ifndef FD_WINDOWS_REGION_H
#define FD_WINDOWS_REGION_H

#include "nt.h"

struct fd_region {
    PMDL mdl;
    PVOID address; /* of the system; NULL: no region */
    SIZE_T size;
};

/* At PASSIVE_LEVEL, in the process whose address it is. */
NTSTATUS fd_region_lock(struct fd_region *region, ULONG64 address, ULONG64 size);

/* In any process; before the one that it came from is gone. Idempotent. */
void fd_region_unlock(struct fd_region *region);

#endif
