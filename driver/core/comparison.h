/* SPDX-License-Identifier: MIT */
/* How a field's value stands to a test's constant, and which operators take
 * that: one rule for the interpreter and for the batch evaluator. */
#ifndef FD_CORE_COMPARISON_H
#define FD_CORE_COMPARISON_H

#include "program.h"

/* -1, 0 or 1: value is below, at or above the test's constant. */
static inline int fd_compare(const struct fd_value *value, const struct fd_filter_test *test)
{
    if (value->negative != test->negative)
        return value->negative ? -1 : 1;
    int above = value->negative ? -1 : 1;
    for (int i = 3; i >= 0; i--)
        if (value->word[i] != test->constant[i])
            return value->word[i] > test->constant[i] ? above : -above;
    return 0;
}

/* 1 if the operator takes this result of fd_compare. */
static inline int fd_accepts(unsigned op, int order)
{
    /* Sets of results: bit 0 below, bit 1 at, bit 2 above. */
    static const uint8_t accepted[FD_OPERATOR_COUNT] = {
        [FD_OPERATOR_EQ] = 2, [FD_OPERATOR_NE] = 5, [FD_OPERATOR_LT] = 1,
        [FD_OPERATOR_LE] = 3, [FD_OPERATOR_GT] = 4, [FD_OPERATOR_GE] = 6,
    };

    return accepted[op] >> (order + 1) & 1;
}

#endif
