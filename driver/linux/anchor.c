/* SPDX-License-Identifier: MIT */
#include "anchor.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <sched.h>
#include <stdint.h>
#include <unistd.h>

#include "syscall.h"
#include "thread.h"

#define LOOPBACK_IFINDEX 1

static void *attach(void *context)
{
    struct fd_anchor *anchor = context;
    union bpf_attr attributes;

    if (unshare(CLONE_NEWNET) != 0)
        return NULL;
    anchor->space = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (anchor->space < 0)
        return NULL;
    memset(&attributes, 0, sizeof(attributes));
    attributes.link_create.prog_fd = (uint32_t)anchor->program;
    attributes.link_create.target_ifindex = LOOPBACK_IFINDEX;
    attributes.link_create.attach_type = BPF_XDP;
    attributes.link_create.flags = XDP_FLAGS_SKB_MODE;
    anchor->link = fd_bpf(BPF_LINK_CREATE, &attributes, sizeof(attributes));
    if (anchor->link >= 0)
        __atomic_store_n(&anchor->is_set, 1, __ATOMIC_RELEASE);
    return NULL;
}

void fd_anchor_cast(struct fd_anchor *anchor, int program)
{
    *anchor = (struct fd_anchor){.program = program, .was_cast = 1, .space = -1, .link = -1};
    anchor->started = fd_thread_start(&anchor->thread, attach, anchor) == 0;
}

int fd_anchor_holds(const struct fd_anchor *anchor)
{
    return __atomic_load_n(&anchor->is_set, __ATOMIC_ACQUIRE);
}

void fd_anchor_weigh(struct fd_anchor *anchor)
{
    if (!anchor->started)
        return;
    pthread_join(anchor->thread, NULL);
    if (anchor->link >= 0)
        close(anchor->link);
    if (anchor->space >= 0)
        close(anchor->space);
    *anchor = (struct fd_anchor){.was_cast = 1, .space = -1, .link = -1};
}
