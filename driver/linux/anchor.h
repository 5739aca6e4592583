/* SPDX-License-Identifier: MIT */
/*
 * An XDP program that is attached nowhere is patched into the kernel's text and
 * out again at every run by hand, 28 ms each time. An anchor attaches it to the
 * loopback device of a network namespace of its own, which nobody sees, and
 * where that device is never up. Link and namespace go with the process.
 */
#ifndef FD_LINUX_ANCHOR_H
#define FD_LINUX_ANCHOR_H

#include <pthread.h>

struct fd_anchor {
    int program;
    int was_cast; /* once, whether it worked or not */
    int started;  /* there is a thread to wait for */
    int is_set;   /* atomic: the thread has succeeded */
    int space;    /* the namespace, kept by this descriptor */
    int link;
    pthread_t thread;
};

/* Begins to attach program, in a thread: it takes as long as the kernel's
 * patching, and the calling thread must not leave its namespace. Once. */
void fd_anchor_cast(struct fd_anchor *anchor, int program);

/* Whether it is attached by now. */
int fd_anchor_holds(const struct fd_anchor *anchor);

void fd_anchor_weigh(struct fd_anchor *anchor);

#endif
