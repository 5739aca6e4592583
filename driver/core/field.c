/* SPDX-License-Identifier: MIT */
#include "field.h"

const struct fd_field fd_field_table[FD_FIELD_COUNT] = {
#define FD_FIELD(symbol, id, name, layers, source, header, offset, width, shift, bits, range, \
                 style)                                                                       \
    [id] = {name,  layers, FD_SOURCE_##source, FD_HEADER_##header, offset, width,             \
            shift, bits,   FD_RANGE_##range,   FD_STYLE_##style},
#include "../abi/fields.h"
#undef FD_FIELD
};
