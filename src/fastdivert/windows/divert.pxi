# SPDX-License-Identifier: MIT

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
    struct fd_producer_counters:
        uint64_t seen
        uint64_t matched
        uint64_t queued
        uint64_t malformed
        uint64_t bytes
        uint64_t doorbells
        uint64_t dropped[8]
    uint64_t fd_ring_descriptor_region_size(uint32_t descriptor_count)
    uint64_t fd_ring_byte_region_size(uint64_t byte_size)

cdef extern from "windows/user/port.h" nogil:
    enum:
        FD_WINDOWS_OVERFLOW_PASS
    struct fd_windows_queue:
        uint64_t descriptors
        uint64_t bytes
        uint64_t byte_size
        uint32_t descriptor_count
    struct fd_memory:
        fd_windows_queue *queues
        uint32_t queue_count
    void fd_memory_free(fd_memory *memory)
    struct fd_port:
        pass
    struct fd_port_options:
        const fd_program *program
        uint32_t program_size
        uint32_t layer
        uint32_t flags
        int32_t priority
        uint32_t queue_length
        uint32_t queue_time
        uint64_t queue_size
    struct fd_windows_injection_counters:
        uint64_t injected
        uint64_t passed_over
        uint64_t refused
        uint64_t completed
        uint64_t failed
        uint64_t returned
        uint64_t returned_failed
        uint64_t outstanding
        uint64_t outstanding_size
        uint64_t own
    struct fd_port_stats:
        fd_producer_counters producer
        fd_windows_injection_counters injection
    fd_port *fd_port_open(const fd_port_options *options, fd_memory *memory, fd_failure *failure)
    int fd_port_stop(fd_port *port, fd_failure *failure)
    void fd_port_close(fd_port *port)
    void fd_port_free(fd_port *port)
    uint32_t fd_port_receive_count(const fd_port *port)
    void *fd_port_doorbell(const fd_port *port)
    int64_t fd_port_now(const fd_port *port)
    int fd_port_set_program(fd_port *port, const fd_program *program, uint32_t program_size,
                            fd_failure *failure)
    int fd_port_set_policy(fd_port *port, uint32_t length, uint32_t time, uint64_t size,
                           fd_failure *failure)
    int fd_port_read_stats(fd_port *port, fd_port_stats *stats, fd_failure *failure)
    int64_t fd_port_inject(fd_port *port, const fd_descriptor *descriptors,
                           const fd_record *records, uint32_t count, bint untouched,
                           int32_t *status, fd_failure *failure)

_DROP_CAUSES = ("queue_length", "queue_size", "queue_time", "oversize", "memory", "flag",
                "passed_by", "unreadable")


@cython.no_gc
cdef class Memory:
    """The mapping of a handle's queues; it lives as long as a region of it does."""

    cdef fd_memory memory

    def __dealloc__(self):
        with nogil:
            fd_memory_free(&self.memory)


@cython.no_gc_clear
cdef class Region:
    """One region of a queue."""

    cdef Memory owner
    cdef void *data
    cdef Py_ssize_t size

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.data, self.size, 0, flags)


cdef class Program:
    """A copy of a filter program, verified."""

    cdef fd_program *program
    cdef uint32_t size

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
        self.size = <uint32_t>size

    def __dealloc__(self):
        free(self.program)


@cython.no_gc_clear
cdef class Divert:
    """A handle of the Windows driver, which must run: see ``start_service``.

    Args:
        program: struct fd_program as bytes (``Filter.program.to_bytes()``).
        priority: -30000 to 30000.
        flags: WinDivert's, of those that concern the driver.
        queue_length, queue_time, queue_size: of each queue; see ``queues``.
        passes_overflow: let pass what finds no room, instead of dropping it.

    Raises:
        DriverError: Windows or the driver refused; ValueError: the program is not valid.
    """

    cdef fd_port *port
    cdef Memory memory
    cdef bint closed

    def __cinit__(self, program, int32_t priority=0, *, uint32_t flags=0,
                  uint32_t queue_length=4096, uint32_t queue_time=2000,
                  uint64_t queue_size=4194304, bint passes_overflow=False):
        cdef Program checked = Program(program)
        cdef Memory memory = Memory()
        cdef fd_port_options options
        cdef fd_failure failure
        options.program = checked.program
        options.program_size = checked.size
        options.layer = checked.program.layer
        options.flags = flags | (<uint32_t>FD_WINDOWS_OVERFLOW_PASS if passes_overflow else 0)
        options.priority = priority
        options.queue_length = queue_length
        options.queue_time = queue_time
        options.queue_size = queue_size
        failure.kind = 0
        failure.code = 0
        failure.message[0] = 0
        with nogil:
            self.port = fd_port_open(&options, &memory.memory, &failure)
        if self.port == NULL:
            raise_failure(&failure)
        self.memory = memory

    def __dealloc__(self):
        if self.port != NULL:
            with nogil:
                fd_port_free(self.port)

    cdef fd_port *opened(self) except NULL:
        if self.closed:
            raise DriverError("argument", 0, "the handle is closed")
        return self.port

    @property
    def queues(self):
        """(descriptor region, byte region) of each queue that the driver fills."""
        cdef uint32_t i
        cdef fd_windows_queue *queue
        result = []
        for i in range(fd_port_receive_count(self.port)):
            queue = &self.memory.memory.queues[i]
            result.append((
                self.region(queue.descriptors,
                            fd_ring_descriptor_region_size(queue.descriptor_count)),
                self.region(queue.bytes, fd_ring_byte_region_size(queue.byte_size))))
        return result

    cdef Region region(self, uint64_t address, uint64_t size):
        cdef Region region = Region.__new__(Region)
        region.owner = self.memory
        region.data = <void *><size_t>address
        region.size = <Py_ssize_t>size
        return region

    @property
    def doorbell(self):
        """The event that the driver sets for a queue whose consumer sleeps."""
        return borrowed_event(fd_port_doorbell(self.port), self)

    def now(self):
        """The clock of the descriptors' timestamps: ns since the epoch."""
        return fd_port_now(self.port)

    def set_program(self, program, str text="", uint32_t fragments=0):
        """Swaps the filter: each packet is judged by the old one or the new one.

        fragments means nothing here: Windows shows whole packets by itself.
        """
        cdef Program checked = Program(program)
        cdef fd_port *port = self.opened()
        cdef fd_failure failure
        cdef int failed
        with nogil:
            failed = fd_port_set_program(port, checked.program, checked.size, &failure)
        if failed:
            raise_failure(&failure)

    def set_policy(self, uint32_t length, uint32_t time, uint64_t size):
        """Queue parameters of every queue: records, milliseconds, bytes."""
        cdef fd_failure failure
        if fd_port_set_policy(self.opened(), length, time, size, &failure) != 0:
            raise_failure(&failure)

    def inject(self, headers, records, faults, bint untouched=False):
        """Puts packets back; returns how many the driver took.

        headers are struct fd_descriptor, records the struct fd_record of the
        same rows (as _core keeps them: their pointers are trusted), faults
        gets an NTSTATUS for every row (int32; 0 is success). untouched: nobody
        has had them, and lower handles take them for what they were.
        """
        cdef fd_port *port = self.opened()
        cdef Py_buffer descriptors, rows, results
        cdef fd_failure failure
        cdef uint32_t count
        cdef int64_t sent
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
                        sent = fd_port_inject(port, <const fd_descriptor *>descriptors.buf,
                                              <const fd_record *>rows.buf, count, untouched,
                                              <int32_t *>results.buf, &failure)
                finally:
                    PyBuffer_Release(&results)
            finally:
                PyBuffer_Release(&rows)
        finally:
            PyBuffer_Release(&descriptors)
        if sent < 0:
            raise_failure(&failure)
        return sent

    def stats(self):
        """What the driver has counted, over all queues; drops by cause."""
        cdef fd_port_stats stats
        cdef fd_failure failure
        cdef int failed
        cdef fd_port *port = self.opened()
        with nogil:
            failed = fd_port_read_stats(port, &stats, &failure)
        if failed:
            raise_failure(&failure)
        produced = stats.producer
        injection = stats.injection
        return {
            "seen": produced.seen, "matched": produced.matched, "queued": produced.queued,
            "malformed": produced.malformed, "bytes": produced.bytes,
            "doorbells": produced.doorbells,
            "dropped": {name: stats.producer.dropped[i] for i, name in enumerate(_DROP_CAUSES)},
            "injected": injection.injected, "completed": injection.completed,
            "failed": injection.failed, "refused": injection.refused,
            "returned": injection.returned, "returned_failed": injection.returned_failed,
            "outstanding": injection.outstanding, "own": injection.own,
        }

    def stop(self):
        """Captures nothing more; what was put back still arrives."""
        cdef fd_failure failure
        cdef int failed
        cdef fd_port *port = self.opened()
        with nogil:
            failed = fd_port_stop(port, &failure)
        if failed:
            raise_failure(&failure)

    def close(self):
        """The driver lets go of everything; idempotent. The queues stay readable."""
        if not self.closed:
            self.closed = True
            with nogil:
                fd_port_close(self.port)
