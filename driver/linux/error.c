/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fd_fail(struct fd_error *error, enum fd_error_kind kind, int number, const char *format, ...)
{
    va_list arguments;

    if (error == NULL)
        return -1;
    error->kind = kind;
    error->number = number;
    va_start(arguments, format);
    (void)vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    return -1;
}

int fd_fail_errno(struct fd_error *error, const char *what)
{
    int number = errno;

    switch (number) {
    case EPERM:
    case EACCES:
        return fd_fail(error, FD_ERROR_PERMISSION, number,
                       "%s: %s; run as root, or with the capabilities CAP_BPF, CAP_NET_ADMIN, "
                       "CAP_NET_RAW and CAP_PERFMON",
                       what, strerror(number));
    case ENOMEM:
    case ENOBUFS:
        return fd_fail(error, FD_ERROR_MEMORY, number, "%s: %s; try a smaller queue_size", what,
                       strerror(number));
    default:
        return fd_fail(error, FD_ERROR_SYSTEM, number, "%s: %s", what, strerror(number));
    }
}
