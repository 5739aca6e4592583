/* SPDX-License-Identifier: MIT */
/* What Windows or fastdivert.sys refused: a kind to act on, the Win32 code, and
 * a sentence that says the cause and the cure. */
#ifndef FD_WINDOWS_USER_FAILURE_H
#define FD_WINDOWS_USER_FAILURE_H

#include <stdint.h>

enum fd_failure_kind {
    FD_FAILURE_NONE = 0,
    FD_FAILURE_PERMISSION, /* not an administrator */
    FD_FAILURE_SIGNATURE,  /* Windows does not load a driver with this signature */
    FD_FAILURE_DRIVER,     /* it is missing, not running, or another version */
    FD_FAILURE_MEMORY,
    FD_FAILURE_ARGUMENT,
    FD_FAILURE_FILTER, /* the driver's verifier refused the program */
    FD_FAILURE_BUSY,   /* handles are open, or there are too many */
    FD_FAILURE_SYSTEM, /* anything else: see code */
};

struct fd_failure {
    enum fd_failure_kind kind;
    uint32_t code; /* GetLastError, or 0 */
    char message[1000];
};

/* Fills failure (which may be NULL) and returns -1. */
int fd_refuse(struct fd_failure *failure, enum fd_failure_kind kind, uint32_t code,
              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same for a Win32 code, which decides the kind and the cure. */
int fd_refuse_code(struct fd_failure *failure, const char *what, uint32_t code);

#endif
