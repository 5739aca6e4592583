/* SPDX-License-Identifier: MIT */
/*
 * What a program must be before it may run. The checks work on the caller's
 * own copy, so what was checked is what will run. After them fd_program_run
 * needs no bounds: every jump goes forward and stays inside, so a program of
 * n tests ends after at most n of them.
 */
#include "program.h"

#define INDEX_MAX 65535

static int jump_is_bad(uint32_t target, uint32_t at, uint32_t length)
{
    if (target == FD_PROGRAM_ACCEPT || target == FD_PROGRAM_REJECT)
        return 0;
    return target <= at || target >= length;
}

static int index_is_bad(int32_t index, const struct fd_field *field)
{
    int32_t width = field->width;

    if (field->source != FD_SOURCE_PACKET && field->source != FD_SOURCE_PAYLOAD)
        return index != 0;
    if (index < 0)
        return index < -INDEX_MAX || index > -width;
    return index > INDEX_MAX - width;
}

static int constant_is_bad(const struct fd_filter_test *test)
{
    const uint32_t *word = test->constant;

    if (test->negative == 0)
        return 0;
    return test->negative != 1 || (word[0] | word[1] | word[2] | word[3]) == 0;
}

static enum fd_program_fault test_fault(const struct fd_filter_test *test, uint32_t at,
                                        uint32_t length, uint32_t layer)
{
    if (test->field >= FD_FIELD_COUNT || !(fd_field_table[test->field].layers >> layer & 1))
        return FD_PROGRAM_BAD_FIELD;
    if (test->op >= FD_OPERATOR_COUNT)
        return FD_PROGRAM_BAD_OPERATOR;
    if (jump_is_bad(test->success, at, length) || jump_is_bad(test->failure, at, length))
        return FD_PROGRAM_BAD_JUMP;
    if (index_is_bad(test->index, &fd_field_table[test->field]))
        return FD_PROGRAM_BAD_INDEX;
    if (constant_is_bad(test))
        return FD_PROGRAM_BAD_CONSTANT;
    if (test->reserved != 0)
        return FD_PROGRAM_BAD_RESERVED;
    return FD_PROGRAM_OK;
}

enum fd_program_fault fd_program_verify(const struct fd_program *program, uint64_t size,
                                        uint32_t *test)
{
    const uint64_t head = __builtin_offsetof(struct fd_program, test);

    *test = 0;
    if (size < head)
        return FD_PROGRAM_BAD_LENGTH;
    uint32_t length = program->length;
    if (length == 0 || length > FD_PROGRAM_TESTS_MAX ||
        (size - head) / sizeof(program->test[0]) < length)
        return FD_PROGRAM_BAD_LENGTH;
    uint32_t layer = program->layer;
    if (layer >= FD_LAYER_COUNT)
        return FD_PROGRAM_BAD_LAYER;

    for (uint32_t at = 0; at < length; at++) {
        enum fd_program_fault fault = test_fault(&program->test[at], at, length, layer);
        if (fault != FD_PROGRAM_OK) {
            *test = at;
            return fault;
        }
    }
    return FD_PROGRAM_OK;
}
