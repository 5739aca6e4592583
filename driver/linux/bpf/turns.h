/* SPDX-License-Identifier: MIT */
/*
 * A loop whose end only the packet knows. bpf_loop is verified as one turn,
 * however many there are; kernels without it unroll theirs, and take few.
 */
#ifndef FD_LINUX_BPF_TURNS_H
#define FD_LINUX_BPF_TURNS_H

#include "maps.h"

/* Until a turn returns 1; `most` turns at most, or `few` before Linux 5.17. */
INLINE void take_turns(uint32_t most, uint32_t few, long (*turn)(uint32_t index, void *context),
                       void *context)
{
    if (config.loops) {
        bpf_loop(most, turn, context, 0);
        return;
    }
    for (uint32_t i = 0; i < few; i++)
        if (turn(i, context))
            break;
}

#endif
