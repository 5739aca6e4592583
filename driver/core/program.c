/* SPDX-License-Identifier: MIT */
/*
 * The interpreter. Where it differs from WinDivert's on purpose (see value.h
 * also): constants are compared whole, not by their low 32 bits, and what is
 * no packet matches no filter; WinDivert refuses to evaluate it.
 */
#include "program.h"

#include "comparison.h"
#include "value.h"

static inline int holds(const struct fd_filter_test *test, unsigned layer,
                        const struct fd_subject *subject)
{
    unsigned field = test->field;
    int order;

    if (FD_LIKELY(fd_is_narrow(field))) {
        uint32_t number;
        uint32_t second = fd_second_word(field);
        if (!fd_load_narrow(field, test->index, layer, subject, &number))
            return 0;
        if (FD_LIKELY(((test->constant[1] ^ second) | test->constant[2] | test->constant[3] |
                       test->negative) == 0)) {
            order = (number > test->constant[0]) - (number < test->constant[0]);
        } else {
            struct fd_value value = {{number, second, 0, 0}, 0};
            order = fd_compare(&value, test);
        }
    } else {
        struct fd_value value;
        if (!fd_load_wide(field, layer, subject, &value))
            return 0;
        order = fd_compare(&value, test);
    }
    return fd_accepts(test->op, order);
}

int fd_program_run(const struct fd_program *program, const struct fd_subject *subject)
{
    unsigned layer = program->layer;
    unsigned at = 0;

    if (fd_is_packet_layer(layer) && subject->parsed->headers == 0)
        return 0;
    for (;;) {
        const struct fd_filter_test *test = &program->test[at];
        /* A branch, not a conditional move: it lets the processor go on with
         * the next test before this one's operands have come from memory. */
        if (holds(test, layer, subject)) {
            at = test->success;
            fd_keep_branch();
        } else {
            at = test->failure;
        }
        if (at >= FD_PROGRAM_ACCEPT)
            return at == FD_PROGRAM_ACCEPT;
    }
}
