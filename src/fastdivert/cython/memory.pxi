# SPDX-License-Identifier: MIT
# Who owns which bytes. An Arena owns memory of ours; a View shows somebody's
# bytes to Python (and so to numpy) and keeps that somebody alive.

from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

# Objects alive, for tests that look for leaks: arenas, leases, batches.
cdef int64_t _live_arenas = 0
cdef int64_t _live_leases = 0
cdef int64_t _live_packets = 0


def live_objects():
    """How many arenas, leases and packet tables exist: a dict."""
    return {"arenas": _live_arenas, "leases": _live_leases, "packets": _live_packets}


# Blocks that were freed, for the next batch. Blocks of a batch's size go back to
# the kernel when they are freed, and the next one of them faults in page by page:
# that cost more than everything else a replay does (measured: 286 ns a packet
# instead of 121). The GIL guards this.
# A sanitizer is to see every free, so under one there are none.
cdef extern from *:
    """
    #if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    #define FD_SPARE_BLOCKS 0
    #else
    #define FD_SPARE_BLOCKS 16
    #endif
    """
    const int FD_SPARE_BLOCKS

cdef enum:
    SPARE_BLOCKS = 16
    SPARE_LEAST = 1 << 16
    SPARE_MOST = 1 << 23

cdef struct spare_block:
    void *data
    size_t size

cdef spare_block _spare[SPARE_BLOCKS]


cdef void *block_get(size_t *size) noexcept:
    """At least *size bytes, or NULL; *size becomes what there is. Not zeroed."""
    cdef int i
    cdef void *data
    for i in range(FD_SPARE_BLOCKS):
        if _spare[i].data != NULL and size[0] <= _spare[i].size <= 2 * size[0]:
            data = _spare[i].data
            size[0] = _spare[i].size
            _spare[i].data = NULL
            return data
    return malloc(size[0])


cdef void block_put(void *data, size_t size) noexcept:
    cdef int i
    if data != NULL and SPARE_LEAST <= size <= SPARE_MOST:
        for i in range(FD_SPARE_BLOCKS):
            if _spare[i].data == NULL:
                _spare[i].data = data
                _spare[i].size = size
                return
    free(data)


cdef class Arena:
    """size bytes at a 64-byte boundary, freed with the last reference.

    They are zero unless the maker says that he will write them all.
    """

    cdef void *block
    cdef size_t room
    cdef uint8_t *data
    cdef readonly Py_ssize_t size

    def __cinit__(self, Py_ssize_t size, bint zeroed=True):
        global _live_arenas
        if size < 0:
            raise ValueError("an arena cannot have a negative size")
        self.room = <size_t>size + FD_RECORD_ALIGN
        self.block = calloc(1, self.room) if zeroed else block_get(&self.room)
        if self.block == NULL:
            raise MemoryError(f"no memory for {size} bytes of packets")
        _live_arenas += 1
        self.size = size
        self.data = <uint8_t *>((<size_t>self.block + FD_RECORD_ALIGN - 1)
                                & ~<size_t>(FD_RECORD_ALIGN - 1))

    def __dealloc__(self):
        global _live_arenas
        if self.block != NULL:
            _live_arenas -= 1
            block_put(self.block, self.room)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.data, self.size, 0, flags)


# Views and borrowed buffers are made while a lock is held. Were they known to the
# garbage collector, making one could start it, and a finalizer that it runs could
# want the same lock. No cycle leads through them: what they own owns no user's object.
@cython.no_gc
cdef class View:
    """Bytes of an owner, who lives for as long as the view does."""

    cdef readonly object owner
    cdef uint8_t *data
    cdef Py_ssize_t size
    cdef bint readonly_

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.data, self.size, self.readonly_, flags)


cdef View view_of(object owner, uint8_t *data, Py_ssize_t size, bint readonly=False):
    cdef View view = View.__new__(View)
    view.owner = owner
    view.data = data
    view.size = size
    view.readonly_ = readonly
    return view


@cython.no_gc
cdef class Borrowed:
    """Somebody's buffer, for the length of one call or of an owner's life."""

    cdef Py_buffer buffer
    cdef bint held

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.buffer)


cdef Borrowed borrow(object source, Py_ssize_t least, bint writable, str what):
    """Exactly-contiguous bytes of source, at least so many."""
    cdef Borrowed borrowed = Borrowed.__new__(Borrowed)
    PyObject_GetBuffer(source, &borrowed.buffer, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
    borrowed.held = True
    if borrowed.buffer.len < least:
        raise ValueError(f"{what} has {borrowed.buffer.len} bytes; {least} are needed")
    return borrowed
