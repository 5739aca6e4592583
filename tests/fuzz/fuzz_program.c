/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a program: what the verifier lets through must end with 0 or 1
 * on any packet or event, and say the same as a second interpreter that loads
 * every field by fd_field_load and compares sign and magnitude digit by digit.
 */
#include "core/program.h"
#include "fuzz.h"

static int plain_compare(const struct fd_value *value, const struct fd_filter_test *test)
{
    for (int digit = 3; digit >= -1; digit--) {
        int64_t seen = digit < 0 ? 0 : value->word[digit];
        int64_t asked = digit < 0 ? 0 : test->constant[digit];
        seen = value->negative ? -seen : seen;
        asked = test->negative ? -asked : asked;
        if (seen != asked)
            return seen < asked ? -1 : 1;
    }
    return 0;
}

static int plain_test(const struct fd_filter_test *test, unsigned layer,
                      const struct fd_subject *subject)
{
    struct fd_value value;
    if (!fd_field_load(test->field, test->index, layer, subject, &value))
        return 0;
    int order = plain_compare(&value, test);
    switch ((enum fd_operator)test->op) {
    case FD_OPERATOR_EQ:
        return order == 0;
    case FD_OPERATOR_NE:
        return order != 0;
    case FD_OPERATOR_LT:
        return order < 0;
    case FD_OPERATOR_LE:
        return order <= 0;
    case FD_OPERATOR_GT:
        return order > 0;
    case FD_OPERATOR_GE:
        return order >= 0;
    default:
        __builtin_trap();
    }
}

static int plain_run(const struct fd_program *program, const struct fd_subject *subject)
{
    uint32_t at = 0;
    if (program->layer <= FD_LAYER_NETWORK_FORWARD && subject->parsed->headers == 0)
        return 0;
    for (uint32_t steps = 0; steps < program->length; steps++) {
        const struct fd_filter_test *test = &program->test[at];
        REQUIRE(at < program->length);
        at = plain_test(test, program->layer, subject) ? test->success : test->failure;
        if (at == FD_PROGRAM_ACCEPT || at == FD_PROGRAM_REJECT)
            return at == FD_PROGRAM_ACCEPT;
    }
    __builtin_trap(); /* a verified program takes at most length steps */
}

/* Bends a test towards what the verifier accepts, so that programs run. */
static void tame(struct fd_filter_test *test, uint32_t at, uint32_t length)
{
    test->field %= FD_FIELD_COUNT;
    test->op %= FD_OPERATOR_COUNT;
    test->negative &= 1;
    test->reserved = 0;
    if (fd_field_table[test->field].source < FD_SOURCE_PACKET)
        test->index = 0;
    else
        test->index %= 128;
    uint16_t *jumps[] = {&test->success, &test->failure};
    for (int i = 0; i < 2; i++) {
        uint32_t target = at + 1 + *jumps[i] % 8;
        if (target >= length)
            *jumps[i] = *jumps[i] & 8 ? FD_PROGRAM_ACCEPT : FD_PROGRAM_REJECT;
        else
            *jumps[i] = (uint16_t)target;
    }
    for (int i = 1; i < 4; i++) /* mostly small constants */
        if (test->constant[i] & 1)
            test->constant[i] = i == 1 && test->constant[i] & 2 ? 0xffff : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    uint8_t mode = take8(&input);
    uint32_t length = mode & 1 ? take8(&input) % 12 + 1 : take32(&input);
    uint32_t layer = mode & 1 ? take8(&input) % FD_LAYER_COUNT : take32(&input);
    struct fd_descriptor descriptor;
    take_bytes(&input, &descriptor, sizeof(descriptor));

    uint32_t tests = length <= FD_PROGRAM_TESTS_MAX ? length : FD_PROGRAM_TESTS_MAX;
    size_t bytes = 8 + sizeof(struct fd_filter_test) * (size_t)tests;
    if (mode & 2) /* less than the header says */
        bytes -= bytes < 40 ? bytes : take8(&input) % 40;
    uint8_t *copy = malloc(bytes);
    REQUIRE(copy != NULL || bytes == 0);
    if (bytes >= 8) {
        memcpy(copy, &length, 4);
        memcpy(copy + 4, &layer, 4);
        take_bytes(&input, copy + 8, bytes - 8);
    }
    struct fd_program *program = (struct fd_program *)(void *)copy;
    if (mode & 1)
        for (uint32_t at = 0; 8 + 32 * ((size_t)at + 1) <= bytes; at++)
            tame(&program->test[at], at, length);

    uint32_t bad = UINT32_MAX;
    enum fd_program_fault fault = fd_program_verify(program, bytes, &bad);
    REQUIRE(bad != UINT32_MAX);
    if (fault != FD_PROGRAM_OK) {
        REQUIRE(bad == 0 || bad < length);
        free(copy);
        return 0;
    }
    REQUIRE(length >= 1 && length <= FD_PROGRAM_TESTS_MAX && bytes >= 8 + 32 * (size_t)length);

    uint8_t *packet = exact_copy(input.bytes, input.left);
    struct fd_parsed parsed;
    fd_parse(packet, (uint32_t)input.left, &parsed);
    const struct fd_subject subject = {&descriptor, packet, (uint32_t)input.left, &parsed};
    int result = fd_program_run(program, &subject);
    REQUIRE(result == 0 || result == 1);
    REQUIRE(result == plain_run(program, &subject));
    free(packet);
    free(copy);
    return 0;
}
