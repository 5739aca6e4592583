/* SPDX-License-Identifier: MIT */
/*
 * Control of the simulated kernel: what a test holds in its hands. A rule of
 * the kernel that is broken is a violation: it is printed and ends the process
 * (tests of the rules themselves run in a child, see expect_violation).
 */
#ifndef FD_SIM_H
#define FD_SIM_H

#include "nt_shim.h"

/* ---- rules --------------------------------------------------------------- */

#define SIM_VIOLATION_EXIT 86
void sim_violation(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
#define SIM_REQUIRE(condition, ...)            \
    do {                                       \
        if (__builtin_expect(!(condition), 0)) \
            sim_violation(__VA_ARGS__);        \
    } while (0)
/* At the head of every function of the kernel; not while drivers are measured. */
#ifdef FD_SIM_MEASURE
#define SIM_IRQL_AT_MOST(level) ((void)(level))
#define SIM_IRQL_IS(level) ((void)(level))
#else
#define SIM_IRQL_AT_MOST(level) sim_irql_at_most((level), __func__)
#define SIM_IRQL_IS(level) sim_irql_is((level), __func__)
#endif
void sim_irql_at_most(KIRQL level, const char *function);
void sim_irql_is(KIRQL level, const char *function);
void sim_no_locks_held(const char *where);
/* As above, and at PASSIVE_LEVEL, and in no critical region. */
void sim_back_at_passive(const char *where);

#define SIM_INITIALISED 0x5eed1e55u
#define SIM_POISON 0xcd

/* ---- failures on purpose ---------------------------------------------------- */

/* The next calls succeed n times, and the one after fails; -1: all succeed. */
void sim_fail_after(long n);
/* 1: a failure was due and happened. */
int sim_failed(void);
const char *sim_failed_call(void);
/* In each function that may fail: 1 if this call has to. */
int sim_fails(const char *function);
/* All that have happened since the start. */
long sim_failures(void);

/* ---- what is alive ------------------------------------------------------------ */

/* Ends the process if the driver left anything: pool, MDLs, views, handles,
 * objects, devices, callouts, filters, sessions, injection handles, NBLs. */
void sim_check_nothing_left(void);
void sim_check_pool(void);
void sim_check_memory(void);
void sim_check_objects(void);
void sim_check_io(void);
void sim_check_ndis(void);
void sim_check_wfp(void);
void sim_check_processes(void);
long sim_pool_blocks(void);

/* ---- the machine ----------------------------------------------------------------- */

void sim_set_processor(ULONG number); /* of this thread */
void sim_set_processor_count(ULONG count);
void sim_set_time(LONGLONG ticks); /* freezes both clocks; -1: they run again */

/* ---- processes and their memory ---------------------------------------------------- */

PEPROCESS sim_process_create(void);
/* Makes this thread one of that process; NULL: of the system. */
PEPROCESS sim_process_enter(PEPROCESS process);
/* As NT: notify routines, then the handle table, then the address space. */
void sim_process_exit(PEPROCESS process);
void sim_process_handles_close(PEPROCESS process);

/* Page-aligned memory of the current process. */
void *sim_user_allocate(size_t size);
void sim_user_read_only(void *address);
/* The same memory at another address, for a hostile thread: so no race between
 * two views is taken for one inside the driver. Ends with sim_user_unalias. */
void *sim_user_alias(void *address);
void sim_user_unalias(void *alias, size_t size);
void sim_user_free(void *address);

/* ---- objects and files --------------------------------------------------------------- */

HANDLE sim_event_create(EVENT_TYPE type, ACCESS_MASK access);
/* 1 if it was signalled, which an event of the type SynchronizationEvent then is no more. */
int sim_event_take(HANDLE event);
int sim_event_wait(HANDLE event, unsigned milliseconds);
NTSTATUS sim_handle_close(HANDLE handle);
/* A handle of another process to the same object; 0 on failure. */
HANDLE sim_handle_duplicate(HANDLE handle, PEPROCESS target);

enum sim_user { SIM_SYSTEM, SIM_ADMINISTRATOR, SIM_PLAIN_USER };
NTSTATUS sim_driver_load(DRIVER_INITIALIZE *entry);
void sim_driver_unload(void);
NTSTATUS sim_open(const wchar_t *path, enum sim_user user, HANDLE *handle);
/* DeviceIoControl. *information may be NULL. */
NTSTATUS sim_ioctl(HANDLE file, ULONG code, const void *in, ULONG in_size, void *out,
                   ULONG out_size, ULONG_PTR *information);
/* Any other major function; also what the driver does not handle. */
NTSTATUS sim_request(HANDLE file, UCHAR major);
void sim_io_set_cleanup(int sent); /* 0: as Wine, which never sends IRP_MJ_CLEANUP */

#endif
