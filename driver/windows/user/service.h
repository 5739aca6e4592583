/* SPDX-License-Identifier: MIT */
/*
 * The driver as a service: installed when somebody wants it, started, and
 * removed on request. Its name carries the interface's major version, so that
 * two incompatible ones live side by side, each with its own device.
 */
#ifndef FD_WINDOWS_USER_SERVICE_H
#define FD_WINDOWS_USER_SERVICE_H

#include <wchar.h>

#include "failure.h"

enum fd_service_state {
    FD_SERVICE_ABSENT = 0,
    FD_SERVICE_STOPPED = 1,
    FD_SERVICE_RUNNING = 2,
    FD_SERVICE_CHANGING = 3, /* it starts, or stops as soon as the last handle is closed */
};

/* Makes the driver run: installs it with this file if it is not installed, or
 * with another file that does not run now, and starts it. 0 or -1. */
int fd_service_start(const wchar_t *driver_path, struct fd_failure *failure);

/* Stops the driver and removes its service; done if there is none. 0 or -1:
 * handles that are open keep it, and this says so. */
int fd_service_remove(struct fd_failure *failure);

/* Its state (-1: failure says why), and in path the file that it is installed
 * with. */
int fd_service_query(wchar_t *path, uint32_t path_size, struct fd_failure *failure);

#endif
