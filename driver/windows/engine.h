/* SPDX-License-Identifier: MIT */
/*
 * What stands in the filter engine for us. Registered with the device, for as
 * long as the driver is loaded: six callouts. While a handle is started, in
 * dynamic sessions, which take all along when they go: one that all handles
 * share, with the sublayer and the callouts' objects, and one for each handle,
 * with its filters: at the points where its program could match. All filters
 * are in one sublayer, because only there the weights order them.
 */
#ifndef FD_WINDOWS_ENGINE_H
#define FD_WINDOWS_ENGINE_H

#include "nt.h"

struct fd_handle;
struct fd_program;

NTSTATUS fd_engine_register(PDEVICE_OBJECT device);
void fd_engine_unregister(void);

/* Under the handle's control mutex, at PASSIVE_LEVEL: these are RPC. */
NTSTATUS fd_engine_start(struct fd_handle *handle, const struct fd_program *program);

/* Before this program is the handle's: filters also where the one before could
 * not match. Those that are of no use any more stay, and match nothing. */
NTSTATUS fd_engine_follow(struct fd_handle *handle, const struct fd_program *program);

void fd_engine_stop(struct fd_handle *handle); /* idempotent */

#endif
