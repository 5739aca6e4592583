/* SPDX-License-Identifier: MIT */
/*
 * A walk over the tests of a program with both ends of each that is not known
 * to go one way. Jumps go forward, so one pass sees every test after all that
 * lead to it.
 */
#include "reach.h"

#include "comparison.h"

enum outcome { FAILS = 0, HOLDS = 1, EITHER = 2 };

static enum outcome compare_flag(const struct fd_filter_test *test, int is_set)
{
    const struct fd_value value = {{(uint32_t)is_set, 0, 0, 0}, 0};

    return fd_accepts(test->op, fd_compare(&value, test)) ? HOLDS : FAILS;
}

static enum outcome outcome_of(const struct fd_filter_test *test, uint32_t known, uint32_t flags)
{
    int is_ipv6 = (flags & FD_FLAG_IPV6) != 0;
    int is_outbound = (flags & FD_FLAG_OUTBOUND) != 0;

    switch (test->field) {
    case FD_FIELD_ZERO:
        return compare_flag(test, 0);
    case FD_FIELD_INBOUND:
        return known & FD_FLAG_OUTBOUND ? compare_flag(test, !is_outbound) : EITHER;
    case FD_FIELD_OUTBOUND:
        return known & FD_FLAG_OUTBOUND ? compare_flag(test, is_outbound) : EITHER;
    case FD_FIELD_LOOPBACK:
        return known & FD_FLAG_LOOPBACK ? compare_flag(test, (flags & FD_FLAG_LOOPBACK) != 0)
                                        : EITHER;
    case FD_FIELD_IP:
        return known & FD_FLAG_IPV6 ? compare_flag(test, !is_ipv6) : EITHER;
    case FD_FIELD_IPV6:
        return known & FD_FLAG_IPV6 ? compare_flag(test, is_ipv6) : EITHER;
    default:
        break;
    }
    /* A field of a header that the packet has not: the test fails, whatever the
     * operator. */
    unsigned header = fd_field_table[test->field].header;
    if ((known & FD_FLAG_IPV6) && header == (is_ipv6 ? FD_HEADER_IP : FD_HEADER_IPV6))
        return FAILS;
    return EITHER;
}

/* 1: from there on, accepted at once. */
static int reach(uint8_t *reached, uint32_t target)
{
    if (target == FD_PROGRAM_ACCEPT)
        return 1;
    if (target != FD_PROGRAM_REJECT)
        reached[target] = 1;
    return 0;
}

int fd_program_may_match(const struct fd_program *program, uint32_t known, uint32_t flags)
{
    uint8_t reached[FD_PROGRAM_TESTS_MAX] = {1};

    for (uint32_t at = 0; at < program->length; at++) {
        const struct fd_filter_test *test = &program->test[at];
        if (!reached[at])
            continue;
        enum outcome outcome = outcome_of(test, known, flags);
        if (outcome != FAILS && reach(reached, test->success))
            return 1;
        if (outcome != HOLDS && reach(reached, test->failure))
            return 1;
    }
    return 0;
}
