# SPDX-License-Identifier: MIT
"""The compiled half of fastdivert: rings, batches, and the kernels over them."""

from libc.stdint cimport uint8_t

cdef extern from "core/field.h" nogil:
    enum:
        FD_FIELD_COUNT
    struct fd_field:
        const char *name
        uint8_t layers
        uint8_t source
        uint8_t header
        uint8_t offset
        uint8_t width
        uint8_t shift
        uint8_t bits
        uint8_t range
        uint8_t style
    const fd_field fd_field_table[FD_FIELD_COUNT]


def field_table():
    """The rows of driver/abi/fields.h, in the order of their ids.

    Each row is (name, layers, source, header, offset, width, shift, bits,
    range, style), the last eight as the enums of driver/abi/program.h.
    """
    rows = []
    cdef int i
    for i in range(FD_FIELD_COUNT):
        f = &fd_field_table[i]
        rows.append((f.name.decode(), f.layers, f.source, f.header, f.offset,
                     f.width, f.shift, f.bits, f.range, f.style))
    return rows
