/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share: reading the input piece by piece, and memory
 * with red zones. */
#ifndef FD_FUZZ_H
#define FD_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REQUIRE(condition)    \
    do {                      \
        if (!(condition))     \
            __builtin_trap(); \
    } while (0)

struct input {
    const uint8_t *bytes;
    size_t left;
};

/* The next bytes of the input; zeros when it has ended. */
static inline void take_bytes(struct input *input, void *to, size_t size)
{
    size_t here = size < input->left ? size : input->left;
    memset(to, 0, size);
    if (here != 0)
        memcpy(to, input->bytes, here);
    input->bytes += here;
    input->left -= here;
}

static inline uint8_t take8(struct input *input)
{
    uint8_t value;
    take_bytes(input, &value, sizeof(value));
    return value;
}

static inline uint16_t take16(struct input *input)
{
    uint16_t value;
    take_bytes(input, &value, sizeof(value));
    return value;
}

static inline uint32_t take32(struct input *input)
{
    uint32_t value;
    take_bytes(input, &value, sizeof(value));
    return value;
}

static inline uint64_t take64(struct input *input)
{
    uint64_t value;
    take_bytes(input, &value, sizeof(value));
    return value;
}

/* A copy that ends where its allocation ends. */
static inline uint8_t *exact_copy(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size);
    REQUIRE(copy != NULL || size == 0);
    if (size != 0)
        memcpy(copy, bytes, size);
    return copy;
}

/* Zeroed pages between two stretches that nobody may touch, wide enough for
 * any offset of a few megabytes. The end of the region, which size must be a
 * multiple of 64 to reach, lies at the upper one. */
#define RED_ZONE (8u << 20)

static inline uint8_t *guarded_region(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = (size + page - 1) / page * page;
    uint8_t *all = mmap(NULL, pages + 2 * RED_ZONE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(all != MAP_FAILED);
    REQUIRE(mprotect(all + RED_ZONE, pages, PROT_READ | PROT_WRITE) == 0);
    return all + RED_ZONE + (pages - size);
}

#endif
