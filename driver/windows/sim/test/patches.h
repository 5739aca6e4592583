/* SPDX-License-Identifier: MIT */
/* A valid input with one field changed, and what the driver must say to it. */
#ifndef FD_SIM_PATCHES_H
#define FD_SIM_PATCHES_H

#include "world.h"

#include "check.h"

#include <stdlib.h>

struct patch {
    const char *name;
    uint32_t offset, width;
    uint64_t value;
    NTSTATUS expected;
};

#define PATCH(type, field, value, expected)                                            \
    {#field " = " #value, (uint32_t)offsetof(type, field), sizeof(((type *)0)->field), \
     (uint64_t)(value), (expected)}
#define PATCH_AT(text, offset, width, value, expected) \
    {text, (uint32_t)(offset), (width), (uint64_t)(value), (expected)}

static inline void check_patches(HANDLE file, uint32_t code, const void *valid, uint32_t size,
                                 const struct patch *patches, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint8_t *input = malloc(size);
        memcpy(input, valid, size);
        memcpy(input + patches[i].offset, &patches[i].value, patches[i].width);
        NTSTATUS status = sim_ioctl(file, code, input, size, NULL, 0, NULL);
        if (status != patches[i].expected)
            fprintf(stderr, "IOCTL 0x%x with %s: 0x%08x, not 0x%08x\n", code, patches[i].name,
                    (unsigned)status, (unsigned)patches[i].expected);
        CHECK(status == patches[i].expected);
        free(input);
    }
}

/* Shorter, in every length, and longer, though its size field agrees or not. */
static inline void check_lengths(HANDLE file, uint32_t code, const void *valid, uint32_t size)
{
    for (uint32_t length = 0; length < size + 70; length++) {
        if (length == size)
            continue;
        uint8_t *input = calloc(1, length + 1u);
        memcpy(input, valid, length < size ? length : size);
        CHECK_EQ(sim_ioctl(file, code, input, length, NULL, 0, NULL), STATUS_INFO_LENGTH_MISMATCH);
        if (length >= 4) {
            memcpy(input, &length, 4);
            CHECK_EQ(sim_ioctl(file, code, input, length, NULL, 0, NULL),
                     STATUS_INFO_LENGTH_MISMATCH);
        }
        free(input);
    }
}

static inline uint32_t state_of(HANDLE file)
{
    struct fd_windows_request input = {sizeof(input), 0};
    struct fd_windows_version version;
    ULONG_PTR got;
    CHECK_EQ(sim_ioctl(file, FD_IOCTL_QUERY_VERSION, &input, sizeof(input), &version,
                       sizeof(version), &got),
             STATUS_SUCCESS);
    CHECK_EQ(got, sizeof(version));
    return version.state;
}

#endif
