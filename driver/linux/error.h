/* SPDX-License-Identifier: MIT */
/* What went wrong at the border to the kernel: a kind to act on, the errno,
 * and a sentence that says the cause and the cure. */
#ifndef FD_LINUX_ERROR_H
#define FD_LINUX_ERROR_H

enum fd_error_kind {
    FD_ERROR_NONE = 0,
    FD_ERROR_PERMISSION, /* a capability is missing */
    FD_ERROR_KERNEL,     /* too old, or built without what we need */
    FD_ERROR_LOCKDOWN,   /* the kernel allows it to nobody here */
    FD_ERROR_MEMORY,
    FD_ERROR_ARGUMENT,
    FD_ERROR_FILTER, /* the kernel's verifier refused the program */
    FD_ERROR_BUSY,   /* no place left: owners, links */
    FD_ERROR_SYSTEM, /* anything else: see number */
};

struct fd_error {
    enum fd_error_kind kind;
    int number; /* errno, or 0 */
    char message[1000];
};

/* Fills error (which may be NULL) and returns -1. */
int fd_fail(struct fd_error *error, enum fd_error_kind kind, int number, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Permission was refused: says which capabilities are missing, or who else may
 * have refused. */
int fd_fail_permission(struct fd_error *error, int number, const char *what);
int fd_lacks_capability(void);

/* The same for a system call that just failed; errno decides the kind. */
int fd_fail_errno(struct fd_error *error, const char *what);

#endif
