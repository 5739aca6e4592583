/* SPDX-License-Identifier: MIT */
/* Descriptors to WINDIVERT_ADDRESS and back. */
#ifndef FD_ENGINE_ADDRESS_H
#define FD_ENGINE_ADDRESS_H

#include "rows.h"

void fd_addresses_from_rows(const struct fd_rows *rows, struct fd_address *addresses);

/* Overwrites what an address says: timestamp, layer, event, flags, interface.
 * The record of an event gets the address's data. */
void fd_addresses_to_rows(const struct fd_rows *rows, const struct fd_address *addresses);

#endif
