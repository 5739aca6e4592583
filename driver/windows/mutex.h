/* SPDX-License-Identifier: MIT */
/*
 * A lock whose holder stays at PASSIVE_LEVEL, because calls of the filter
 * engine (which are RPC) and of the memory manager ask for that. In a critical
 * region: a holder cannot be suspended, which would hold up everybody else.
 */
#ifndef FD_WINDOWS_MUTEX_H
#define FD_WINDOWS_MUTEX_H

#include "nt.h"

struct fd_mutex {
    KEVENT free; /* signalled while nobody holds it; a wait takes it */
};

static inline void fd_mutex_initialise(struct fd_mutex *mutex)
{
    KeInitializeEvent(&mutex->free, SynchronizationEvent, TRUE);
}

static inline void fd_mutex_take(struct fd_mutex *mutex)
{
    KeEnterCriticalRegion();
    (void)KeWaitForSingleObject(&mutex->free, Executive, KernelMode, FALSE, NULL);
}

static inline void fd_mutex_give(struct fd_mutex *mutex)
{
    (void)KeSetEvent(&mutex->free, IO_NO_INCREMENT, FALSE);
    KeLeaveCriticalRegion();
}

#endif
