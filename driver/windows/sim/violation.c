/* SPDX-License-Identifier: MIT */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void sim_violation(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("violation: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    /* A fuzzer and a debugger want a signal and a stack; a test that expects
     * the violation wants a status that nothing else gives. */
    if (getenv("FD_SIM_EXPECTED") != NULL)
        _exit(SIM_VIOLATION_EXIT);
    abort();
}

void sim_list_check(const LIST_ENTRY *entry)
{
    SIM_REQUIRE(entry->Flink->Blink == entry && entry->Blink->Flink == entry,
                "a list is corrupt, or an entry was removed twice");
}

ULONG DbgPrint(const char *format, ...)
{
    (void)format;
    return 0;
}

void sim_check_nothing_left(void)
{
    sim_check_wfp();
    sim_check_ndis();
    sim_check_io();
    sim_check_memory();
    sim_check_objects();
    sim_check_processes();
    sim_check_pool();
}
