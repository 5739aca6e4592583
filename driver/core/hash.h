/* SPDX-License-Identifier: MIT */
/* WinDivert's packet hash: xxHash64 (Collet, BSD-2) over the fixed headers,
 * seeded. The same values as WinDivertHelperHashPacket for whole packets. */
#ifndef FD_CORE_HASH_H
#define FD_CORE_HASH_H

#include "packet.h"

uint64_t fd_hash(const uint8_t *packet, const struct fd_parsed *parsed, uint64_t seed);

#endif
