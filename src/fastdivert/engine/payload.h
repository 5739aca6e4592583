/* SPDX-License-Identifier: MIT */
/* A packet with another payload, of any length. */
#ifndef FD_ENGINE_PAYLOAD_H
#define FD_ENGINE_PAYLOAD_H

#include "rows.h"

/* Bytes of row's packet with a payload of this length, or 0 if the IP (or
 * UDP) length cannot say so much, or the row is no packet. */
uint32_t fd_payload_size(const struct fd_rows *rows, uint32_t row, uint32_t payload_length);

/* Writes that packet to `to` (fd_payload_size bytes, with room for l2_length
 * bytes before), with lengths and checksums made right, and makes it the row's
 * packet: record, parse results and descriptor. */
void fd_payload_replace(const struct fd_rows *rows, uint32_t row, const uint8_t *payload,
                        uint32_t payload_length, uint8_t *to);

#endif
