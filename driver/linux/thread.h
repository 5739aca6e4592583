/* SPDX-License-Identifier: MIT */
/* Threads of the driver's own: signals are for those of the program. */
#ifndef FD_LINUX_THREAD_H
#define FD_LINUX_THREAD_H

#include <pthread.h>
#include <signal.h>

/* 0, or an errno. */
static inline int fd_thread_start(pthread_t *thread, void *(*run)(void *), void *context)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

#endif
