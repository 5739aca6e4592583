/* SPDX-License-Identifier: MIT */
/* Which programs may run. */
#include "check.h"
#include "packets.h"
#include "programs.h"

#define CHECK_FAULT(program, fault, at)                                                      \
    do {                                                                                     \
        uint32_t test_ = 999;                                                                \
        CHECK_EQ(fd_program_verify(&(program), size_of((program).length), &test_), (fault)); \
        CHECK_EQ(test_, (at));                                                               \
    } while (0)

static void length_is_checked_against_what_is_there(void)
{
    struct fd_program program = chain(FD_PROGRAM_TESTS_MAX);
    CHECK_FAULT(program, FD_PROGRAM_OK, 0);
    uint32_t test;
    CHECK_EQ(fd_program_verify(&program, sizeof(program), &test), FD_PROGRAM_OK);
    CHECK_EQ(fd_program_verify(&program, sizeof(program) - 1, &test), FD_PROGRAM_BAD_LENGTH);
    program.length = 257;
    CHECK_EQ(fd_program_verify(&program, UINT64_MAX, &test), FD_PROGRAM_BAD_LENGTH);
    program.length = UINT32_MAX;
    CHECK_EQ(fd_program_verify(&program, UINT64_MAX, &test), FD_PROGRAM_BAD_LENGTH);
    program.length = 0;
    CHECK_EQ(fd_program_verify(&program, sizeof(program), &test), FD_PROGRAM_BAD_LENGTH);

    /* Nothing is read behind size. */
    program = chain(3);
    for (uint32_t size = 0; size <= size_of(3); size++) {
        uint8_t *copy = exact_copy((const uint8_t *)&program, size);
        CHECK_EQ(fd_program_verify((const struct fd_program *)(const void *)copy, size, &test),
                 size == size_of(3) ? FD_PROGRAM_OK : FD_PROGRAM_BAD_LENGTH);
        free(copy);
    }
}

static void layer_and_field_must_go_together(void)
{
    for (uint32_t layer = 0; layer < 8; layer++) {
        for (unsigned field = 0; field < 90; field++) {
            struct fd_program program = {
                .length = 1, .layer = layer, .test = {test_of(field, 0, 0)}};
            if (field < FD_FIELD_COUNT && fd_field_table[field].source >= FD_SOURCE_PACKET)
                program.test[0].index = 4;
            int known = layer < FD_LAYER_COUNT;
            int exists =
                known && field < FD_FIELD_COUNT && (fd_field_table[field].layers >> layer & 1);
            CHECK_FAULT(program,
                        !known   ? FD_PROGRAM_BAD_LAYER
                        : exists ? FD_PROGRAM_OK
                                 : FD_PROGRAM_BAD_FIELD,
                        0);
        }
    }
    struct fd_program program = {.length = 1, .layer = UINT32_MAX, .test = {test_of(0, 0, 0)}};
    CHECK_FAULT(program, FD_PROGRAM_BAD_LAYER, 0);
    program = chain(1);
    program.test[0].field = 0xffff;
    CHECK_FAULT(program, FD_PROGRAM_BAD_FIELD, 0);
}

static void operators_and_reserved_bits_are_known(void)
{
    for (unsigned op = 0; op < 256; op++) {
        struct fd_program program = chain(2);
        program.test[1].op = (uint8_t)op;
        CHECK_FAULT(program, op < 6 ? FD_PROGRAM_OK : FD_PROGRAM_BAD_OPERATOR, op < 6 ? 0u : 1u);
    }
    struct fd_program program = chain(2);
    program.test[1].reserved = 0x80000000u;
    CHECK_FAULT(program, FD_PROGRAM_BAD_RESERVED, 1);
}

static void jumps_go_forward_and_stay_inside(void)
{
    for (uint32_t target = 0; target < 0x10000; target++) {
        int good = (target > 4 && target < 10) || target == FD_PROGRAM_ACCEPT ||
                   target == FD_PROGRAM_REJECT;
        struct fd_program program = chain(10);
        program.test[4].success = (uint16_t)target;
        CHECK_FAULT(program, good ? FD_PROGRAM_OK : FD_PROGRAM_BAD_JUMP, good ? 0u : 4u);
        program = chain(10);
        program.test[4].failure = (uint16_t)target;
        CHECK_FAULT(program, good ? FD_PROGRAM_OK : FD_PROGRAM_BAD_JUMP, good ? 0u : 4u);
    }
}

static void indexes_stay_inside_the_largest_packet(void)
{
    static const struct {
        unsigned field;
        int32_t width;
    } fields[] = {
        {FD_FIELD_PACKET, 1},      {FD_FIELD_PACKET16, 2},      {FD_FIELD_PACKET32, 4},
        {FD_FIELD_TCP_PAYLOAD, 1}, {FD_FIELD_TCP_PAYLOAD16, 2}, {FD_FIELD_UDP_PAYLOAD32, 4},
    };
    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        int32_t width = fields[i].width;
        const struct {
            int32_t index;
            int good;
        } cases[] = {
            {0, 1},         {65535 - width, 1}, {65536 - width, 0},
            {INT32_MAX, 0}, {-width, 1},        {1 - width, width == 1},
            {-65535, 1},    {-65536, 0},        {INT32_MIN, 0},
        };
        for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
            struct fd_program program = {.length = 1, .test = {test_of(fields[i].field, 0, 0)}};
            program.test[0].index = cases[c].index;
            CHECK_FAULT(program, cases[c].good ? FD_PROGRAM_OK : FD_PROGRAM_BAD_INDEX, 0);
        }
    }
    struct fd_program program = chain(1);
    program.test[0].index = 1; /* ip.TTL has no index */
    CHECK_FAULT(program, FD_PROGRAM_BAD_INDEX, 0);
}

static void constants_have_one_form(void)
{
    struct fd_program program = chain(1);
    program.test[0].negative = 1;
    CHECK_FAULT(program, FD_PROGRAM_OK, 0);
    program.test[0].constant[0] = 0; /* minus zero */
    CHECK_FAULT(program, FD_PROGRAM_BAD_CONSTANT, 0);
    program.test[0].constant[3] = 1;
    CHECK_FAULT(program, FD_PROGRAM_OK, 0);
    program.test[0].negative = 2;
    CHECK_FAULT(program, FD_PROGRAM_BAD_CONSTANT, 0);
}

int main(void)
{
    length_is_checked_against_what_is_there();
    layer_and_field_must_go_together();
    operators_and_reserved_bits_are_known();
    jumps_go_forward_and_stay_inside();
    indexes_stay_inside_the_largest_packet();
    constants_have_one_form();
    return check_result();
}
