/* SPDX-License-Identifier: MIT */
/*
 * A loop whose end only the packet knows. The kernel's counted loop is verified
 * as one turn, however many there are; without it (before Linux 6.4) every turn
 * is walked, and there can be but few.
 */
#ifndef FD_LINUX_BPF_TURNS_H
#define FD_LINUX_BPF_TURNS_H

#include "maps.h"

/* Until turn, an expression, is 0; `most` turns at most, or `few`. */
#define TAKE_TURNS(most, few, turn)             \
    do {                                        \
        if (config.loops) {                     \
            struct bpf_iter_num turns_;         \
            bpf_iter_num_new(&turns_, 0, most); \
            while (bpf_iter_num_next(&turns_))  \
                if (!(turn))                    \
                    break;                      \
            bpf_iter_num_destroy(&turns_);      \
        } else {                                \
            for (int i_ = 0; i_ < (few); i_++)  \
                if (!(turn))                    \
                    break;                      \
        }                                       \
    } while (0)

#endif
