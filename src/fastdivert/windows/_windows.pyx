# SPDX-License-Identifier: MIT
"""The binding of driver/windows/user: a handle on the host's traffic, and its service.

Nothing here parses or keeps packets. ``Divert.queues`` are the regions of each
queue for ``_core.Queues``; ``Divert.inject`` takes what ``_core.Packets`` holds,
descriptors and records, and copies it into the queue that the driver reads.

    service    the driver as a service: installed, started, removed
    waiting    events: waited for with Ctrl-C, or watched by an event loop
    divert     a handle
"""

cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from fastdivert.windows.errors import KINDS, DriverError

cdef extern from "windows/user/failure.h" nogil:
    struct fd_failure:
        int kind
        uint32_t code
        char message[1000]


cdef int raise_failure(const fd_failure *failure) except -1:
    raise DriverError(KINDS[failure.kind], failure.code,
                      failure.message.decode(errors="replace"))


include "service.pxi"
include "waiting.pxi"
include "divert.pxi"
