/* SPDX-License-Identifier: MIT */
/*
 * The batch evaluator. A program only jumps forward, so its tests in order are
 * a topological order of its graph: for a block of rows each test needs to be
 * looked at once. A byte per row says whether the row has reached the test;
 * the comparison of the whole column splits the set into those that go to
 * success and those that go to failure. There is no branch per packet, and a
 * test that no row of the block has reached is skipped, column and all.
 */
#include "match.h"

#include <stdlib.h>
#include <string.h>

#include "column.h"
#include "core/comparison.h"
#include "core/value.h"

#define NO_COLUMN 0xffffu

/* A column of one block, filled when first needed. */
struct column {
    uint32_t values[FD_BLOCK];
    uint8_t present[FD_BLOCK];
    uint32_t block; /* which block it holds */
    int32_t index;
    uint16_t field;
};

struct plan {
    const struct fd_program *program;
    uint32_t columns;
    uint16_t column[FD_PROGRAM_TESTS_MAX]; /* of each test; NO_COLUMN: compared row by row */
    struct column *cache;
    uint8_t (*reach)[FD_BLOCK]; /* rows that have come to each test */
};

static int is_wide(unsigned field)
{
    const struct fd_field *entry = &fd_field_table[field];
    return entry->bits > 32 || field == FD_FIELD_PRIORITY;
}

static int plan_make(struct plan *plan, const struct fd_program *program)
{
    plan->program = program;
    plan->columns = 0;
    plan->cache = malloc(program->length * sizeof *plan->cache);
    plan->reach = malloc(program->length * sizeof *plan->reach);
    if (plan->cache == NULL || plan->reach == NULL) {
        free(plan->cache);
        free(plan->reach);
        return -1;
    }
    for (uint32_t t = 0; t < program->length; t++) {
        const struct fd_filter_test *test = &program->test[t];
        if (is_wide(test->field)) {
            plan->column[t] = NO_COLUMN;
            continue;
        }
        uint32_t c = 0;
        while (c < plan->columns &&
               (plan->cache[c].field != test->field || plan->cache[c].index != test->index))
            c++;
        if (c == plan->columns) {
            plan->cache[c].field = test->field;
            plan->cache[c].index = test->index;
            plan->cache[c].block = UINT32_MAX;
            plan->columns++;
        }
        plan->column[t] = (uint16_t)c;
    }
    return 0;
}

static void plan_free(struct plan *plan)
{
    free(plan->cache);
    free(plan->reach);
}

static int any(const uint8_t *set)
{
    uint64_t word, all = 0;
    for (uint32_t k = 0; k < FD_BLOCK; k += 8) {
        memcpy(&word, set + k, 8);
        all |= word;
    }
    return all != 0;
}

/* The comparison of a value that has at most 32 bits (or is an IPv4 address)
 * with a constant that has 128 and a sign: either the high words decide for
 * every row (-1, 1), or the low words do (0). */
static int high_words(const struct fd_filter_test *test)
{
    const uint32_t *c = test->constant;
    if (test->negative)
        return 1;
    uint32_t mapped = fd_second_word(test->field);
    if (c[3] != 0 || c[2] != 0)
        return -1;
    return mapped < c[1] ? -1 : mapped > c[1] ? 1 : 0;
}

static void compare_column(const struct column *column, unsigned op, uint32_t constant,
                           uint8_t *restrict outcome)
{
    const uint32_t *restrict v = column->values;
    const uint8_t *restrict present = column->present;
#define COMPARE(operator)                                                        \
    for (uint32_t k = 0; k < FD_BLOCK; k++)                                      \
        outcome[k] = (uint8_t)(present[k] & -(uint8_t)(v[k] operator constant)); \
    break
    switch (op) {
    case FD_OPERATOR_EQ:
        COMPARE(==);
    case FD_OPERATOR_NE:
        COMPARE(!=);
    case FD_OPERATOR_LT:
        COMPARE(<);
    case FD_OPERATOR_LE:
        COMPARE(<=);
    case FD_OPERATOR_GT:
        COMPARE(>);
    default:
        COMPARE(>=);
    }
#undef COMPARE
}

/* Timestamps and IPv6 addresses: only for the rows that came here. */
static void test_wide(const struct fd_block *block, const struct fd_filter_test *test,
                      const uint8_t *reached, uint8_t *outcome)
{
    const struct fd_rows *rows = block->rows;
    memset(outcome, 0, FD_BLOCK);
    for (uint32_t k = 0; k < block->count; k++) {
        if (!reached[k])
            continue;
        uint32_t row = block->begin + k;
        const struct fd_subject subject = {&rows->descriptors[row], rows->records[row].packet,
                                           rows->records[row].captured, &rows->parsed[row]};
        struct fd_value value;
        if (fd_field_load(test->field, test->index, rows->layer, &subject, &value))
            outcome[k] = (uint8_t)-fd_accepts(test->op, fd_compare(&value, test));
    }
}

static void test_block(const struct plan *plan, const struct fd_block *block, uint32_t t,
                       uint8_t *outcome)
{
    const struct fd_filter_test *test = &plan->program->test[t];
    if (plan->column[t] == NO_COLUMN) {
        test_wide(block, test, plan->reach[t], outcome);
        return;
    }
    struct column *column = &plan->cache[plan->column[t]];
    if (column->block != block->begin) {
        fd_column_block(block, column->field, column->index, column->values, column->present);
        column->block = block->begin;
    }
    int comparison = high_words(test);
    if (comparison == 0)
        compare_column(column, test->op, test->constant[0], outcome);
    else if (fd_accepts(test->op, comparison))
        memcpy(outcome, column->present, FD_BLOCK);
    else
        memset(outcome, 0, FD_BLOCK);
}

/* Sends the rows of from that the outcome selects on to their next test. */
static void forward(const struct plan *plan, uint8_t *accepted, uint16_t target,
                    const uint8_t *restrict from, const uint8_t *restrict outcome, uint8_t flip)
{
    if (target == FD_PROGRAM_REJECT)
        return;
    uint8_t *restrict to = target == FD_PROGRAM_ACCEPT ? accepted : plan->reach[target];
    for (uint32_t k = 0; k < FD_BLOCK; k++)
        to[k] |= from[k] & (outcome[k] ^ flip);
}

static void match_block(const struct plan *plan, const struct fd_block *block, uint8_t *matches)
{
    const struct fd_program *program = plan->program;
    uint8_t accepted[FD_BLOCK] = {0};
    uint8_t outcome[FD_BLOCK];
    memset(plan->reach, 0, program->length * sizeof *plan->reach);
    for (uint32_t k = 0; k < FD_BLOCK; k++)
        plan->reach[0][k] = (uint8_t)-(block->headers[k] != 0);
    for (uint32_t t = 0; t < program->length; t++) {
        const uint8_t *reached = plan->reach[t];
        if (!any(reached))
            continue;
        test_block(plan, block, t, outcome);
        forward(plan, accepted, program->test[t].success, reached, outcome, 0x00);
        forward(plan, accepted, program->test[t].failure, reached, outcome, 0xff);
    }
    for (uint32_t k = 0; k < block->count; k++)
        matches[block->begin + k] = accepted[k] & 1;
}

int fd_match(const struct fd_rows *rows, const struct fd_program *program, int parse,
             uint8_t *matches)
{
    struct plan plan;
    if (program->layer != rows->layer || !fd_is_network(rows->layer)) {
        fd_match_interpreted(rows, program, parse, matches);
        return 0;
    }
    if (plan_make(&plan, program) < 0)
        return -1;
    for (uint32_t begin = 0; begin < rows->count; begin += FD_BLOCK) {
        struct fd_block block;
        if (parse)
            fd_rows_parse(rows, begin,
                          rows->count - begin < FD_BLOCK ? rows->count : begin + FD_BLOCK);
        fd_block_open(&block, rows, begin);
        match_block(&plan, &block, matches);
    }
    plan_free(&plan);
    return 0;
}

void fd_match_interpreted(const struct fd_rows *rows, const struct fd_program *program, int parse,
                          uint8_t *matches)
{
    if (parse)
        fd_rows_parse(rows, 0, rows->count);
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct fd_subject subject = {&rows->descriptors[i], rows->records[i].packet,
                                           rows->records[i].captured, &rows->parsed[i]};
        int readable = !fd_is_network(rows->layer) || rows->parsed[i].headers != 0;
        matches[i] = (uint8_t)(readable && program->layer == rows->layer &&
                               fd_program_run(program, &subject));
    }
}
