/* SPDX-License-Identifier: MIT */
/*
 * The kernel that this driver is compiled for, and the only place that knows
 * there are several:
 *
 *   FD_SIM       the simulated kernel on Linux (sim/nt_shim.h)
 *   FD_HAVE_WDK  Microsoft's Windows Driver Kit
 *   otherwise    mingw-w64's headers with clang
 */
#ifndef FD_WINDOWS_NT_H
#define FD_WINDOWS_NT_H

#if defined(FD_SIM)
#include "sim/nt_shim.h"
#define FD_EVENT_TYPE (*ExEventObjectType)
#elif defined(FD_HAVE_WDK)
#include <ntifs.h>
#define FD_EVENT_TYPE (*ExEventObjectType)
#else
#include <ntifs.h>
/* mingw declares the variable both as imported and as a pointer to what it is:
 * one dereference is in the import already. */
#define FD_EVENT_TYPE ((POBJECT_TYPE)ExEventObjectType)
/* Newer than these headers. */
#define MdlMappingNoExecute 0x40000000
__declspec(dllimport) VOID NTAPI KeQuerySystemTimePrecise(PLARGE_INTEGER time);
#ifndef STATUS_TOO_MANY_CONTEXT_IDS
#define STATUS_TOO_MANY_CONTEXT_IDS ((NTSTATUS)0xC000015A)
#endif
#ifndef STATUS_HOST_UNREACHABLE
#define STATUS_HOST_UNREACHABLE ((NTSTATUS)0xC000023D)
#endif
#endif

#include "wfp_kernel.h"

#define FD_TAG ((ULONG)0x76644446) /* "FDdv" in memory */

#endif
