/* SPDX-License-Identifier: MIT */
/* Checks that say what they saw, and go on. A test program's main ends with
 * return check_result(). */
#ifndef FD_TEST_CHECK_H
#define FD_TEST_CHECK_H

#include <stdint.h>
#include <stdio.h>

static unsigned check_count;
static unsigned check_failures;

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        check_count++;                                                                            \
        if (!(condition)) {                                                                       \
            check_failures++;                                                                     \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #condition); \
        }                                                                                         \
    } while (0)

#define CHECK_EQ(seen, expected)                                                                   \
    do {                                                                                           \
        uint64_t seen_ = (uint64_t)(seen), expected_ = (uint64_t)(expected);                       \
        check_count++;                                                                             \
        if (seen_ != expected_) {                                                                  \
            check_failures++;                                                                      \
            fprintf(stderr, "%s:%d: %s: %s is 0x%llx, not 0x%llx\n", __FILE__, __LINE__, __func__, \
                    #seen, (unsigned long long)seen_, (unsigned long long)expected_);              \
        }                                                                                          \
    } while (0)

static inline int check_result(void)
{
    printf("%u checks, %u failed\n", check_count, check_failures);
    return check_failures != 0 || check_count == 0;
}

/* xorshift64*: the same numbers on every machine. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)((random_next(state) >> 32) * limit >> 32);
}

#endif
