/* SPDX-License-Identifier: MIT */
/*
 * The interpreter. Where it differs from WinDivert's on purpose (see value.h
 * also): constants are compared whole, not by their low 32 bits, and what is
 * no packet matches no filter; WinDivert refuses to evaluate it.
 */
#include "program.h"

#include "value.h"

/* -1, 0 or 1: value is below, at or above the test's constant. */
static int compare(const struct fd_value *value, const struct fd_filter_test *test)
{
    if (value->negative != test->negative)
        return value->negative ? -1 : 1;
    int above = value->negative ? -1 : 1;
    for (int i = 3; i >= 0; i--)
        if (value->word[i] != test->constant[i])
            return value->word[i] > test->constant[i] ? above : -above;
    return 0;
}

/* A set of results of compare: bit 0 below, bit 1 at, bit 2 above. */
static const uint8_t accepted[FD_OPERATOR_COUNT] = {
    [FD_OPERATOR_EQ] = 2, [FD_OPERATOR_NE] = 5, [FD_OPERATOR_LT] = 1,
    [FD_OPERATOR_LE] = 3, [FD_OPERATOR_GT] = 4, [FD_OPERATOR_GE] = 6,
};

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
            order = compare(&value, test);
        }
    } else {
        struct fd_value value;
        if (!fd_load_wide(field, layer, subject, &value))
            return 0;
        order = compare(&value, test);
    }
    return accepted[test->op] >> (order + 1) & 1;
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
