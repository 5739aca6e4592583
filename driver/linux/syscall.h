/* SPDX-License-Identifier: MIT */
/* bpf(2), and what build-time headers may be too old to know of it. */
#ifndef FD_LINUX_SYSCALL_H
#define FD_LINUX_SYSCALL_H

#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 6.6. */
#define FD_BPF_TCX_INGRESS 46
#define FD_BPF_TCX_EGRESS 47
#define FD_BPF_F_BEFORE (1u << 3)
#define FD_BPF_F_AFTER (1u << 4)
#define FD_BPF_F_ID (1u << 5)

static inline int fd_bpf(int command, void *attributes, uint32_t size)
{
    return (int)syscall(SYS_bpf, command, attributes, size);
}

#endif
