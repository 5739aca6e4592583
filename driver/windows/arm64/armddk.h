/* SPDX-License-Identifier: MIT */
/* mingw's wdm.h asks for this file when _M_ARM is defined, and does not bring
 * it: what it leaves out for ARM64, of what this driver needs. */
#ifndef FD_WINDOWS_ARMDDK_H
#define FD_WINDOWS_ARMDDK_H

#define PAGE_SIZE 0x1000
#define PAGE_SHIFT 12L

#define InterlockedIncrement _InterlockedIncrement
#define InterlockedDecrement _InterlockedDecrement
#define InterlockedOr _InterlockedOr
#define InterlockedIncrement64 _InterlockedIncrement64
#define InterlockedDecrement64 _InterlockedDecrement64
#define InterlockedExchangeAdd64 _InterlockedExchangeAdd64
#define InterlockedCompareExchange64 _InterlockedCompareExchange64

#endif
