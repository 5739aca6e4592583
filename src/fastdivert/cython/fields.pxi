# SPDX-License-Identifier: MIT
# The field table, for Python.


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
