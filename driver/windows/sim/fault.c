/* SPDX-License-Identifier: MIT */
/* Failures on purpose: every call that can fail asks here, and the n-th one
 * since sim_fail_after does. Running a scenario with n = 0, 1, 2 ... until none
 * fails any more visits every failure that the scenario can meet. */
#include "internal.h"

#include <stdatomic.h>

static atomic_long countdown = -1;
static atomic_long failures;
static atomic_int failed;
static __thread int paused;
static _Atomic(const char *) failed_call;

void sim_fail_after(long n)
{
    atomic_store(&failed, 0);
    atomic_store(&failed_call, NULL);
    atomic_store(&countdown, n);
}

int sim_failed(void)
{
    return atomic_load(&failed);
}

const char *sim_failed_call(void)
{
    return atomic_load(&failed_call);
}

long sim_failures(void)
{
    return atomic_load(&failures);
}

int sim_fails(const char *function)
{
    if (paused)
        return 0;
    if (atomic_load_explicit(&countdown, memory_order_relaxed) < 0)
        return 0;
    if (atomic_fetch_sub(&countdown, 1) != 0)
        return 0;
    atomic_store(&failed_call, function);
    atomic_store(&failed, 1);
    atomic_fetch_add(&failures, 1);
    return 1;
}

long sim_fault_pause(void)
{
    return paused++;
}

void sim_fault_resume(long before)
{
    paused = (int)before;
}
