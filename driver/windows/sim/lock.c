/* SPDX-License-Identifier: MIT */
/*
 * Spin locks and fast mutexes. All locks that are initialised at one place in
 * the source are a class; whoever takes a lock while holding others adds edges
 * between the classes, and an edge that closes a circle is a violation, even if
 * no two threads ever met. So is taking two locks of one class at once, and
 * taking a lock twice, which would spin for ever on the machine.
 */
#include "sim.h"

#include <stdio.h>

#define CLASSES 64
#define HELD 16

static pthread_mutex_t class_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    const char *file;
    int line;
} classes[CLASSES];
static unsigned class_count = 1; /* 0: not initialised */
static uint64_t after[CLASSES];  /* bit b of after[a]: b was taken while a was held */

static __thread struct {
    const void *lock;
    unsigned class;
} held[HELD];
static __thread unsigned held_count;
static __thread int critical_regions;

unsigned sim_lock_class(const char *file, int line)
{
    unsigned class;

    pthread_mutex_lock(&class_mutex);
    for (class = 1; class < class_count; class ++)
        if (classes[class].line == line && strcmp(classes[class].file, file) == 0)
            break;
    SIM_REQUIRE(class < CLASSES, "more than %d lock classes", CLASSES - 1);
    if (class == class_count) {
        classes[class].file = file;
        classes[class].line = line;
        class_count++;
    }
    pthread_mutex_unlock(&class_mutex);
    return class;
}

static int reaches(unsigned from, unsigned to)
{
    uint64_t seen = 1ull << from, wave = after[from];

    while (wave & ~seen) {
        unsigned next = (unsigned)__builtin_ctzll(wave & ~seen);
        seen |= 1ull << next;
        wave |= after[next];
    }
    return (wave >> to & 1) != 0;
}

/* The order is checked before the lock is waited for, so that a deadlock is
 * told and not suffered. */
static void note_taken(const void *lock, unsigned class)
{
    SIM_REQUIRE(held_count < HELD, "more than %d locks held", HELD);
    for (unsigned i = 0; i < held_count; i++) {
        unsigned outer = held[i].class;
        SIM_REQUIRE(held[i].lock != lock, "a lock is taken twice: deadlock");
        SIM_REQUIRE(outer != class, "two locks of one class are held (%s:%d)", classes[class].file,
                    classes[class].line);
        if (__atomic_load_n(&after[outer], __ATOMIC_RELAXED) >> class & 1)
            continue;
        pthread_mutex_lock(&class_mutex);
        SIM_REQUIRE(!reaches(class, outer),
                    "lock order: %s:%d after %s:%d, and before it elsewhere", classes[class].file,
                    classes[class].line, classes[outer].file, classes[outer].line);
        __atomic_fetch_or(&after[outer], 1ull << class, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&class_mutex);
    }
    held[held_count].lock = lock;
    held[held_count++].class = class;
}

static void note_released(const void *lock)
{
    for (unsigned i = held_count; i-- > 0;) {
        if (held[i].lock != lock)
            continue;
        memmove(&held[i], &held[i + 1], (held_count - i - 1) * sizeof(held[0]));
        held_count--;
        return;
    }
    sim_violation("a lock is released that this thread does not hold");
}

void sim_no_locks_held(const char *where)
{
    SIM_REQUIRE(held_count == 0, "%u locks are held at %s (the last: %s:%d)", held_count, where,
                classes[held[held_count - 1].class].file, classes[held[held_count - 1].class].line);
}

void sim_back_at_passive(const char *where)
{
    SIM_REQUIRE(KeGetCurrentIrql() == PASSIVE_LEVEL, "IRQL %u at %s", KeGetCurrentIrql(), where);
    SIM_REQUIRE(critical_regions == 0, "a critical region is not left at %s", where);
    sim_no_locks_held(where);
}

void sim_critical_region(int delta)
{
    SIM_IRQL_AT_MOST(APC_LEVEL);
    critical_regions += delta;
    SIM_REQUIRE(critical_regions >= 0, "a critical region is left that was not entered");
}

/* ---- spin locks ------------------------------------------------------------- */

void sim_spin_lock_initialise(PKSPIN_LOCK lock, unsigned class)
{
    /* Locks lie in pool and are never destroyed; Linux mutexes hold nothing. */
    *lock = (KSPIN_LOCK){.class = class, .initialised = SIM_INITIALISED};
    pthread_mutex_init(&lock->mutex, NULL);
}

static void acquire(PKSPIN_LOCK lock)
{
    SIM_REQUIRE(lock->initialised == SIM_INITIALISED, "a spin lock was not initialised");
#ifdef FD_SIM_MEASURE
    while (__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE) != 0)
        __builtin_ia32_pause();
#else
    note_taken(lock, lock->class);
    pthread_mutex_lock(&lock->mutex);
#endif
}

static void release(PKSPIN_LOCK lock)
{
#ifdef FD_SIM_MEASURE
    __atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
#else
    note_released(lock);
    pthread_mutex_unlock(&lock->mutex);
#endif
}

KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK lock)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    KIRQL old = sim_raise_irql(DISPATCH_LEVEL);
    acquire(lock);
    return old;
}

void KeReleaseSpinLock(PKSPIN_LOCK lock, KIRQL old)
{
    SIM_IRQL_IS(DISPATCH_LEVEL);
    release(lock);
    KeLowerIrql(old);
}

void KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK lock)
{
    SIM_IRQL_IS(DISPATCH_LEVEL);
    acquire(lock);
}

void KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK lock)
{
    SIM_IRQL_IS(DISPATCH_LEVEL);
    release(lock);
}

void KeAcquireInStackQueuedSpinLock(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle)
{
    handle->lock = lock;
    handle->old = KeAcquireSpinLockRaiseToDpc(lock);
}

void KeReleaseInStackQueuedSpinLock(PKLOCK_QUEUE_HANDLE handle)
{
    KeReleaseSpinLock(handle->lock, handle->old);
}

void KeAcquireInStackQueuedSpinLockAtDpcLevel(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle)
{
    handle->lock = lock;
    handle->old = DISPATCH_LEVEL;
    KeAcquireSpinLockAtDpcLevel(lock);
}

void KeReleaseInStackQueuedSpinLockFromDpcLevel(PKLOCK_QUEUE_HANDLE handle)
{
    KeReleaseSpinLockFromDpcLevel(handle->lock);
}

/* ---- fast mutexes: APC_LEVEL while held -------------------------------------- */

void sim_fast_mutex_initialise(PFAST_MUTEX mutex, unsigned class)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    *mutex = (FAST_MUTEX){.class = class, .initialised = SIM_INITIALISED};
    pthread_mutex_init(&mutex->mutex, NULL);
}

void ExAcquireFastMutex(PFAST_MUTEX mutex)
{
    SIM_IRQL_AT_MOST(APC_LEVEL);
    SIM_REQUIRE(mutex->initialised == SIM_INITIALISED, "a fast mutex was not initialised");
    KIRQL old = sim_raise_irql(APC_LEVEL);
    note_taken(mutex, mutex->class);
    pthread_mutex_lock(&mutex->mutex);
    mutex->old = old;
}

void ExReleaseFastMutex(PFAST_MUTEX mutex)
{
    SIM_IRQL_IS(APC_LEVEL);
    KIRQL old = mutex->old;
    note_released(mutex);
    pthread_mutex_unlock(&mutex->mutex);
    KeLowerIrql(old);
}
