/* SPDX-License-Identifier: MIT */
/* mingw's wdm.h packs IO_STACK_LOCATION to 4 bytes for every machine but x64,
 * because it had 32-bit ARM in mind. This file comes in before its own. */
#pragma pack(push, 8)
