/* SPDX-License-Identifier: MIT */
/* The interrupt request level of each thread, and structured exceptions, which
 * must not unwind through a held lock. */
#include "sim.h"
#include "internal.h"

#include <sched.h>

static __thread KIRQL irql;
static __thread struct sim_guard *guards;
static __thread NTSTATUS exception;

KIRQL KeGetCurrentIrql(void)
{
    return irql;
}

void sim_irql_at_most(KIRQL level, const char *function)
{
    SIM_REQUIRE(irql <= level, "%s at IRQL %u, at most %u is allowed", function, irql, level);
}

void sim_irql_is(KIRQL level, const char *function)
{
    SIM_REQUIRE(irql == level, "%s at IRQL %u, it must be %u", function, irql, level);
}

KIRQL sim_raise_irql(KIRQL level)
{
    KIRQL old = irql;
    SIM_REQUIRE(level >= old, "IRQL raised from %u to %u", old, level);
    irql = level;
    return old;
}

void KeLowerIrql(KIRQL level)
{
    SIM_REQUIRE(level <= irql, "IRQL lowered from %u to %u", irql, level);
    irql = level;
}

void sim_yield(void)
{
    sched_yield();
}

int sim_guard_push(struct sim_guard *guard)
{
    guard->outer = guards;
    guard->irql = irql;
    guards = guard;
    return 1;
}

void sim_guard_leave(struct sim_guard *guard)
{
    if (guards == guard)
        guards = guard->outer;
}

int sim_guarded(void)
{
    return guards != NULL;
}

NTSTATUS sim_exception_code(void)
{
    return exception;
}

void ExRaiseStatus(NTSTATUS status)
{
    struct sim_guard *guard = guards;

    SIM_REQUIRE(guard != NULL, "exception 0x%08x outside of __try", (unsigned)status);
    SIM_REQUIRE(guard->irql == irql, "exception at another IRQL than its __try");
    sim_no_locks_held("an exception");
    guards = guard->outer;
    exception = status;
    longjmp(guard->buffer, 1);
}
