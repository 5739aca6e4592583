/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* What is missing of what a handle needs, as ", CAP_X, CAP_Y". */
static void list_missing(char *text, size_t size)
{
    static const struct {
        const char *name;
        unsigned bit;
        int in_sys_admin; /* capabilities(7): CAP_SYS_ADMIN stands for it */
    } needed[] = {{"CAP_BPF", CAP_BPF, 1},
                  {"CAP_NET_ADMIN", CAP_NET_ADMIN, 0},
                  {"CAP_NET_RAW", CAP_NET_RAW, 0},
                  {"CAP_PERFMON", CAP_PERFMON, 1}};
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}, {0}};
    size_t used = 0;

    text[0] = '\0';
    if (syscall(SYS_capget, &header, data) != 0)
        return;
    uint64_t held = (uint64_t)data[1].effective << 32 | data[0].effective;
    for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]) && used < size; i++) {
        int has = (held >> needed[i].bit & 1) != 0 ||
                  (needed[i].in_sys_admin && (held >> CAP_SYS_ADMIN & 1) != 0);
        if (!has)
            used += (size_t)snprintf(text + used, size - used, ", %s", needed[i].name);
    }
}

int fd_lacks_capability(void)
{
    char missing[128];

    list_missing(missing, sizeof(missing));
    return missing[0] != '\0';
}

int fd_fail_permission(struct fd_error *error, int number, const char *what)
{
    char missing[128];

    list_missing(missing, sizeof(missing));
    if (missing[0] != '\0')
        return fd_fail(error, FD_ERROR_PERMISSION, number,
                       "%s: %s; run as root, or with the capabilities that are missing: %s", what,
                       strerror(number), missing + 2);
    return fd_fail(error, FD_ERROR_PERMISSION, number,
                   "%s: %s, though the capabilities are there: a container's seccomp profile, a "
                   "security module or a user namespace forbids it; allow bpf(2) and packet "
                   "sockets there, or run outside of it",
                   what, strerror(number));
}

int fd_fail_errno(struct fd_error *error, const char *what)
{
    int number = errno;

    switch (number) {
    case EPERM:
    case EACCES:
        return fd_fail_permission(error, number, what);
    case ENOSYS:
        return fd_fail(error, FD_ERROR_KERNEL, number,
                       "%s: %s; boot a kernel built with CONFIG_BPF_SYSCALL, or allow bpf(2) in "
                       "the seccomp profile of this container",
                       what, strerror(number));
    case ENOMEM:
    case ENOBUFS:
        return fd_fail(error, FD_ERROR_MEMORY, number, "%s: %s; try a smaller queue_size", what,
                       strerror(number));
    default:
        return fd_fail(error, FD_ERROR_SYSTEM, number, "%s: %s", what, strerror(number));
    }
}
