# SPDX-License-Identifier: MIT
"""The binding of driver/linux/live.h: a handle on the host's traffic.

Nothing here parses or keeps packets. ``Divert.queues`` are the regions of each
queue for ``_core.Ring.attach``; ``Divert.inject`` takes what ``_core.Packets``
holds, descriptors and records, and sends it from where it lies.
"""

cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from fastdivert.linux.errors import KINDS, DriverError

cdef extern from "core/program.h" nogil:
    struct fd_program:
        uint32_t length
        uint32_t layer
    enum fd_program_fault:
        FD_PROGRAM_OK
    fd_program_fault fd_program_verify(const fd_program *program, uint64_t size, uint32_t *test)

cdef extern from "core/ring.h" nogil:
    struct fd_descriptor:
        pass
    struct fd_record:
        pass

cdef extern from "linux/error.h" nogil:
    struct fd_error:
        int kind
        int number
        char message[1000]

cdef extern from "linux/queues.h" nogil:
    struct fd_queue_region:
        void *descriptors
        size_t descriptors_size
        void *bytes
        size_t bytes_size
    struct fd_queues:
        uint32_t count
        fd_queue_region *regions

cdef extern from "linux/live.h" nogil:
    struct fd_live:
        pass
    struct fd_live_options:
        const fd_program *program
        int32_t priority
        uint32_t queue_length
        uint32_t queue_time
        uint64_t queue_size
        uint32_t reassembles
        uint8_t sniffs
        uint8_t discards
        uint8_t captures
        uint8_t passes_overflow
        uint8_t by_socket
        const char *text
        uint32_t flags
    struct fd_producer_counters:
        uint64_t seen
        uint64_t matched
        uint64_t queued
        uint64_t malformed
        uint64_t bytes
        uint64_t doorbells
        uint64_t dropped[8]
    struct fd_live_counters:
        uint64_t restored
        uint64_t turned
        uint64_t routed
        uint64_t foreign
        uint64_t stray
        uint64_t super
        uint64_t framed
    struct fd_live_stats:
        fd_producer_counters producer
        fd_live_counters way_back
        uint32_t interfaces
        uint32_t attach_failures
    fd_live *fd_live_open(const fd_live_options *options, fd_error *error)
    void fd_live_stop(fd_live *live)
    void fd_live_detach(fd_live *live)
    void fd_live_close(fd_live *live)
    int fd_live_set_program(fd_live *live, const fd_program *program, uint32_t reassembles,
                            const char *text, fd_error *error)
    const fd_queues *fd_live_queues(const fd_live *live)
    void fd_live_set_policy(fd_live *live, uint32_t length, uint32_t time, uint64_t size)
    int fd_live_doorbell(const fd_live *live)
    void fd_live_silence(fd_live *live)
    int64_t fd_live_now(const fd_live *live)
    uint32_t fd_live_inject(fd_live *live, const fd_descriptor *descriptors,
                            const fd_record *records, uint32_t count, int untouched,
                            int32_t *faults)
    int fd_live_program(const fd_live *live, int direction)
    int fd_live_read_stats(fd_live *live, fd_live_stats *stats, fd_error *error)

cdef extern from "linux/kernel_features.h" nogil:
    struct fd_features:
        uint8_t tcx
        uint8_t casts
        uint8_t reads
        uint8_t loops
    const char *fd_features_tier(const fd_features *features)

cdef extern from "linux/attach.h" nogil:
    int fd_attach_sweep(bint remove, fd_error *error)

cdef extern from "linux/probe.h" nogil:
    enum:
        FD_CHECK_COUNT
    struct fd_check:
        const char *name
        int good
        fd_error error
    int fd_probe(fd_check *checks)
    int fd_probe_features(fd_features *features, fd_error *error)


def probe():
    """What this host can do, by trying: (check, "" or what is wrong and the cure)."""
    cdef fd_check checks[FD_CHECK_COUNT]
    cdef int i
    with nogil:
        fd_probe(checks)
    return [(checks[i].name.decode(),
             "" if checks[i].good else checks[i].error.message.decode(errors="replace"))
            for i in range(FD_CHECK_COUNT)]


def features():
    """What this kernel has of what came late, by loading: its tier, and each by name."""
    cdef fd_features found
    cdef fd_error error
    cdef int failed
    with nogil:
        failed = fd_probe_features(&found, &error)
    if failed:
        raise_error(&error)
    return {"tier": fd_features_tier(&found).decode(), "tcx": bool(found.tcx),
            "casts": bool(found.casts), "reads": bool(found.reads), "loops": bool(found.loops)}


def leftovers(bint remove):
    """How many filters of dead handles this namespace has, or had if they are to go."""
    cdef fd_error error
    cdef int count
    with nogil:
        count = fd_attach_sweep(remove, &error)
    if count < 0:
        raise_error(&error)
    return count


_DROP_CAUSES = ("queue_length", "queue_size", "queue_time", "oversize", "memory", "flag",
                "passed_by", "unreadable")


cdef int raise_error(const fd_error *error) except -1:
    raise DriverError(KINDS[error.kind], error.number, error.message.decode(errors="replace"))


@cython.no_gc_clear
cdef class Region:
    """One region of a queue; it keeps the mapping alive."""

    cdef Divert owner
    cdef void *data
    cdef Py_ssize_t size

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.data, self.size, 0, flags)


cdef class Program:
    """A copy of a filter program, verified."""

    cdef fd_program *program

    def __cinit__(self, const uint8_t[::1] data not None):
        cdef uint32_t test = 0
        cdef Py_ssize_t size = data.shape[0]
        self.program = <fd_program *>calloc(1, max(size, <Py_ssize_t>sizeof(fd_program)))
        if self.program == NULL:
            raise MemoryError("no memory for a filter program")
        if size > 0:
            memcpy(self.program, &data[0], size)
        if fd_program_verify(self.program, size, &test) != FD_PROGRAM_OK:
            raise ValueError(f"the filter program is not valid at test {test}")

    def __dealloc__(self):
        free(self.program)


@cython.no_gc_clear
cdef class Divert:
    """A handle of the Linux driver, in the network namespace of the calling thread.

    Args:
        program: struct fd_program as bytes (``Filter.program.to_bytes()``).
        priority: -30000 to 30000.
        queue_length, queue_time, queue_size: of each queue; see ``queues``.
        sniffs: copy packets, and let them go on.
        discards: drop what matches, queue nothing.
        captures: False for a handle that only sends.
        passes_overflow: let pass what finds no room, instead of dropping it.
        fragments: the kinds of fragments (``live.assembly``) that come unjudged.
        text, flags: what ``handles`` tells of it: the filter's text, WinDivert's flags.

    Raises:
        DriverError: the kernel refused; ValueError: the program is not valid.
    """

    cdef fd_live *live
    cdef bint detached

    def __cinit__(self, program, int32_t priority=0, *, uint32_t queue_length=4096,
                  uint32_t queue_time=2000, uint64_t queue_size=4194304, bint sniffs=False,
                  bint discards=False, bint captures=True, bint passes_overflow=False,
                  uint32_t fragments=0, str text="", uint32_t flags=0):
        cdef Program checked = Program(program)
        cdef fd_live_options options
        cdef fd_error error
        cdef bytes encoded = text.encode()
        options.text = encoded
        options.flags = flags
        options.program = checked.program
        options.priority = priority
        options.queue_length = queue_length
        options.queue_time = queue_time
        options.queue_size = queue_size
        options.reassembles = fragments
        options.sniffs = sniffs
        options.discards = discards
        options.captures = captures
        options.passes_overflow = passes_overflow
        options.by_socket = False
        error.kind = error.number = 0
        error.message[0] = 0
        with nogil:
            self.live = fd_live_open(&options, &error)
        if self.live == NULL:
            raise_error(&error)

    def __dealloc__(self):
        if self.live != NULL:
            with nogil:
                fd_live_close(self.live)

    cdef fd_live *attached(self) except NULL:
        if self.detached:
            raise DriverError("argument", 0, "the handle is closed")
        return self.live

    @property
    def queues(self):
        """(descriptor region, byte region) of each queue, one queue a CPU."""
        cdef const fd_queues *queues = fd_live_queues(self.live)
        cdef uint32_t i
        result = []
        for i in range(queues.count):
            result.append((
                self.region(queues.regions[i].descriptors, queues.regions[i].descriptors_size),
                self.region(queues.regions[i].bytes, queues.regions[i].bytes_size)))
        return result

    cdef Region region(self, void *data, size_t size):
        cdef Region region = Region.__new__(Region)
        region.owner = self
        region.data = data
        region.size = <Py_ssize_t>size
        return region

    def fileno(self):
        """Readable when a queue whose consumer slept has a record; see silence."""
        return fd_live_doorbell(self.attached())

    def silence(self):
        """Makes the doorbell wait for the next ring."""
        fd_live_silence(self.attached())

    def now(self):
        """The clock of the descriptors' timestamps: ns since the epoch."""
        return fd_live_now(self.live)

    def set_program(self, program, str text="", uint32_t fragments=0):
        """Swaps the filter: each packet is judged by the old one or the new one."""
        cdef Program checked = Program(program)
        cdef bytes encoded = text.encode()
        cdef const char *shown = encoded
        cdef fd_live *live = self.attached()
        cdef fd_error error
        cdef int failed
        with nogil:
            failed = fd_live_set_program(live, checked.program, fragments, shown, &error)
        if failed:
            raise_error(&error)

    def set_policy(self, uint32_t length, uint32_t time, uint64_t size):
        """Queue parameters of every queue: records, milliseconds, bytes."""
        fd_live_set_policy(self.live, length, time, size)

    def inject(self, headers, records, faults, bint untouched=False):
        """Puts packets back; returns how many were sent.

        headers are struct fd_descriptor, records the struct fd_record of the
        same rows (as _core keeps them: their pointers are trusted), faults
        gets an errno or 0 for every row (int32). untouched: no user has had
        them, so that later handles take them for what they were.
        """
        cdef fd_live *live = self.attached()
        cdef Py_buffer descriptors, rows, results
        cdef uint32_t count, sent
        PyObject_GetBuffer(headers, &descriptors, PyBUF_SIMPLE)
        try:
            PyObject_GetBuffer(records, &rows, PyBUF_SIMPLE)
            try:
                PyObject_GetBuffer(faults, &results, PyBUF_WRITABLE)
                try:
                    count = <uint32_t>(descriptors.len // <Py_ssize_t>sizeof(fd_descriptor))
                    if (rows.len < <Py_ssize_t>(count * sizeof(fd_record))
                            or results.len < <Py_ssize_t>(count * sizeof(int32_t))):
                        raise ValueError(f"{count} headers, but fewer records or faults")
                    with nogil:
                        sent = fd_live_inject(live, <const fd_descriptor *>descriptors.buf,
                                              <const fd_record *>rows.buf, count, untouched,
                                              <int32_t *>results.buf)
                finally:
                    PyBuffer_Release(&results)
            finally:
                PyBuffer_Release(&rows)
        finally:
            PyBuffer_Release(&descriptors)
        return sent

    def stats(self):
        """What the programs have counted, over all CPUs; drops by cause."""
        cdef fd_live_stats stats
        cdef fd_error error
        if fd_live_read_stats(self.live, &stats, &error) != 0:
            raise_error(&error)
        produced = stats.producer
        return {
            "seen": produced.seen, "matched": produced.matched, "queued": produced.queued,
            "malformed": produced.malformed, "bytes": produced.bytes,
            "doorbells": produced.doorbells,
            "dropped": {name: stats.producer.dropped[i] for i, name in enumerate(_DROP_CAUSES)},
            "restored": stats.way_back.restored, "turned": stats.way_back.turned,
            "routed": stats.way_back.routed, "foreign": stats.way_back.foreign,
            "stray": stats.way_back.stray, "super_packets": stats.way_back.super,
            "framed": stats.way_back.framed,
            "interfaces": stats.interfaces, "attach_failures": stats.attach_failures,
        }

    def program(self, bint egress):
        """The descriptor of a loaded program, for BPF_PROG_TEST_RUN."""
        return fd_live_program(self.attached(), egress)

    def stop(self):
        """Captures nothing more; what was put back still arrives."""
        fd_live_stop(self.attached())

    def close(self):
        """Detaches from every interface; idempotent. The queues stay readable."""
        if not self.detached:
            self.detached = True
            with nogil:
                fd_live_detach(self.live)


include "registry.pxi"
