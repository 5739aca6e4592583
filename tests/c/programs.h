/* SPDX-License-Identifier: MIT */
/* Programs for the tests. */
#ifndef FD_TEST_PROGRAMS_H
#define FD_TEST_PROGRAMS_H

#include "core/program.h"

/* field op constant, else reject. */
static inline struct fd_filter_test test_of(unsigned field, enum fd_operator op, uint32_t constant)
{
    return (struct fd_filter_test){
        .field = (uint16_t)field,
        .op = (uint8_t)op,
        .success = FD_PROGRAM_ACCEPT,
        .failure = FD_PROGRAM_REJECT,
        .constant = {constant, 0, 0, 0},
    };
}

/* Bytes of a program of this length. */
static inline uint64_t size_of(uint32_t length)
{
    return 8 + 32 * (uint64_t)length;
}

/* Every packet with a TTL passes all of its tests. */
static inline struct fd_program chain(uint32_t length)
{
    struct fd_program program = {.length = length, .layer = FD_LAYER_NETWORK};
    for (uint32_t i = 0; i < length && i < FD_PROGRAM_TESTS_MAX; i++) {
        program.test[i] = test_of(FD_FIELD_IP_TTL, FD_OPERATOR_GE, 1);
        if (i + 1 < length)
            program.test[i].success = (uint16_t)(i + 1);
    }
    return program;
}

#endif
