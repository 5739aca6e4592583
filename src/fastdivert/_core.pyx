# SPDX-License-Identifier: MIT
"""The compiled half of fastdivert: rings, batches, and the kernels over them.

Nothing here knows numpy: memory goes in and out by the buffer protocol, so one
binary serves every CPython from 3.11 on. Each part is a file of cython/:

    abi       the C that is wrapped
    memory    who owns which bytes
    program   a verified filter program
    packets   the rows of a batch, and the kernels over them
    ring      a queue, its two ends, and the leases on its slots
    queues    the queues of a live handle as one
    fragments fragments to whole packets
    capture   capture files to rows, and rows to capture files
"""

cimport cython

from array import array

from fastdivert.errors import CaptureError, FilterError, ReleasedError, RingError

include "cython/abi.pxi"
include "cython/fields.pxi"
include "cython/memory.pxi"
include "cython/program.pxi"
include "cython/packets.pxi"
include "cython/ring.pxi"
include "cython/queues.pxi"
include "cython/fragments.pxi"
include "cython/capture.pxi"
