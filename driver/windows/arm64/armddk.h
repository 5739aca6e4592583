/* SPDX-License-Identifier: MIT */
/* mingw's wdm.h asks for this file when _M_ARM is defined, and does not bring
 * it: what it leaves out for ARM64, of what this driver needs. */
#ifndef FD_WINDOWS_ARMDDK_H
#define FD_WINDOWS_ARMDDK_H

#define PAGE_SIZE 0x1000
#define PAGE_SHIFT 12L

#endif
