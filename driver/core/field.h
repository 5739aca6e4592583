/* SPDX-License-Identifier: MIT */
/* The field table of abi/fields.h as an array, indexed by field id. */
#ifndef FD_CORE_FIELD_H
#define FD_CORE_FIELD_H

#include "../abi/program.h"

struct fd_field {
    const char *name;
    uint8_t layers; /* bit per enum fd_layer */
    uint8_t source; /* enum fd_source */
    uint8_t header; /* enum fd_header */
    uint8_t offset;
    uint8_t width; /* 1, 2, 4, 8 or 16 bytes */
    uint8_t shift;
    uint8_t bits;
    uint8_t range; /* enum fd_range */
    uint8_t style; /* enum fd_style */
};

extern const struct fd_field fd_field_table[FD_FIELD_COUNT];

#endif
