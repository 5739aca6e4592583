/* SPDX-License-Identifier: MIT */
/* A violation ends its process, so who expects one has a child for it. */
#ifndef FD_SIM_VIOLATIONS_H
#define FD_SIM_VIOLATIONS_H

#include "../sim.h"
#include "check.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* 1 if the rule was seen to be broken. signalled: a memory fault does as well. */
static inline int violates(void (*action)(void), int signalled)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setenv("FD_SIM_EXPECTED", "1", 1);
        fclose(stderr);
        action();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SIM_VIOLATION_EXIT)
        return 1;
    /* A sanitizer turns the fault into an exit of its own. */
    return signalled && (WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) != 0));
}

#define CHECK_VIOLATES(action) CHECK(violates((action), 0))
#define CHECK_FAULTS(action) CHECK(violates((action), 1))
#define CHECK_ALLOWED(action) CHECK(!violates((action), 1))

#endif
