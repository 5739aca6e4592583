# SPDX-License-Identifier: MIT
# Capture files: their bytes to rows that point into them, and rows to bytes.

from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize

cdef extern from "capture.h" nogil:
    enum fd_capture_format:
        FD_CAPTURE_UNKNOWN
        FD_CAPTURE_PCAP
        FD_CAPTURE_PCAPNG
    enum fd_capture_fault:
        FD_CAPTURE_OK
    const char *fd_capture_fault_text(fd_capture_fault fault)

cdef extern from "capture_reader.h" nogil:
    struct fd_capture_clock:
        int64_t offset
        uint8_t resolution
    struct fd_capture_interface:
        fd_capture_clock clock
        uint64_t name_offset
        uint32_t name_length
        uint32_t link_type
        uint32_t snaplen
    struct fd_capture_reader:
        uint64_t position
        uint64_t packets
        uint64_t fault_offset
        fd_capture_fault fault
        fd_capture_format format
        uint32_t interface_count
        fd_capture_interface interfaces[1]
    void fd_capture_open(fd_capture_reader *reader, uint8_t *base, uint64_t size)
    uint32_t fd_capture_read(fd_capture_reader *reader, uint32_t most, fd_descriptor *descriptors,
                             fd_record *records, fd_parsed *parsed, uint64_t *origin)

cdef extern from "capture_writer.h" nogil:
    enum:
        FD_CAPTURE_LINK_KEEP
    struct fd_capture_writer:
        fd_capture_fault fault
        uint32_t fault_index
    void fd_capture_writer_init(fd_capture_writer *writer, fd_capture_format format, uint8_t link,
                                int nanosecond)
    uint64_t fd_capture_write_size(fd_capture_writer *writer, const fd_descriptor *descriptors,
                                   const fd_record *records, uint32_t count)
    uint64_t fd_capture_write(fd_capture_writer *writer, const fd_descriptor *descriptors,
                              const fd_record *records, uint32_t count, uint8_t *out,
                              uint64_t room)

# No packet takes less of a file than a pcap record's header.
cdef uint64_t _LEAST_RECORD = 16


cdef class CaptureDecoder:
    """Reads the capture file that lies in a writable buffer, a batch at a time.

    The batches' packets are the buffer's own bytes; the buffer stays borrowed
    until the last of them is gone.
    """

    cdef fd_capture_reader *reader
    cdef Borrowed data
    cdef PyThread_type_lock lock

    def __cinit__(self, buffer):
        self.lock = PyThread_allocate_lock()
        self.reader = <fd_capture_reader *>malloc(sizeof(fd_capture_reader))
        if self.lock == NULL or self.reader == NULL:
            raise MemoryError("no memory for a capture reader")
        self.data = borrow(buffer, 0, True, "the capture")
        with nogil:
            fd_capture_open(self.reader, <uint8_t *>self.data.buffer.buf, self.data.buffer.len)

    def __dealloc__(self):
        free(self.reader)
        if self.lock != NULL:
            PyThread_free_lock(self.lock)

    def read(self, uint32_t most):
        """Up to most packets, or None at the end of the file or at a fault."""
        cdef uint64_t origin = 0
        cdef uint64_t left
        cdef uint32_t count
        cdef Packets packets = Packets.__new__(Packets)
        if most == 0:
            raise ValueError("a batch holds at least one packet")
        left = (<uint64_t>self.data.buffer.len - self.reader.position) // _LEAST_RECORD + 1
        packets.allocate(<uint32_t>min(<uint64_t>most, left), 0)
        packets.own_descriptors()
        packets.memory = Memory(self.data)
        packets.parsed_version = packets.memory.version
        with nogil:
            PyThread_acquire_lock(self.lock, 1)
            count = fd_capture_read(self.reader, packets.rows.count, packets.rows.descriptors,
                                    packets.rows.records, packets.rows.parsed, &origin)
            PyThread_release_lock(self.lock)
        packets.rows.count = count
        return packets if count > 0 else None

    @property
    def format(self):
        """"pcap" or "pcapng"; "" if it is neither."""
        return ("", "pcap", "pcapng")[<int>self.reader.format]

    @property
    def packets(self):
        """How many packets have been read."""
        return self.reader.packets

    @property
    def position(self):
        """Bytes of the file that are done with."""
        return self.reader.position

    @property
    def fault(self):
        """What ended the reading early, and at which byte; None if nothing did."""
        if self.reader.fault == FD_CAPTURE_OK:
            return None
        return fd_capture_fault_text(self.reader.fault).decode(), self.reader.fault_offset

    @property
    def interfaces(self):
        """(link type, snap length, if_tsresol, if_tsoffset, name) of each interface so far.

        Of pcapng: those of the section that the last batch came from.
        """
        cdef fd_capture_interface *each
        cdef const char *file = <const char *>self.data.buffer.buf
        cdef uint32_t i
        found = []
        with nogil:
            PyThread_acquire_lock(self.lock, 1)
        try:
            for i in range(self.reader.interface_count):
                each = &self.reader.interfaces[i]
                name = file[each.name_offset:each.name_offset + each.name_length]
                found.append((each.link_type, each.snaplen, each.clock.resolution,
                              each.clock.offset, <bytes>name))
        finally:
            PyThread_release_lock(self.lock)
        return found


cdef class CaptureEncoder:
    """Turns batches into the bytes of one capture file.

    link is that of the ring ABI, 0 for packets without their link-layer
    headers, or -1 to keep each packet's own (pcapng only).
    """

    cdef fd_capture_writer *writer
    cdef PyThread_type_lock lock
    cdef str path

    def __cinit__(self, str format, int link, bint nanosecond, str path):
        if format not in ("pcap", "pcapng"):
            raise ValueError(f"format is {format!r}; 'pcap' or 'pcapng' is needed")
        if link < (-1 if format == "pcapng" else 0) or link >= <int>FD_CAPTURE_LINK_KEEP:
            raise ValueError(f"{link} is no link type of a {format} file")
        self.path = path
        self.lock = PyThread_allocate_lock()
        self.writer = <fd_capture_writer *>malloc(sizeof(fd_capture_writer))
        if self.lock == NULL or self.writer == NULL:
            raise MemoryError("no memory for a capture writer")
        fd_capture_writer_init(
            self.writer, FD_CAPTURE_PCAP if format == "pcap" else FD_CAPTURE_PCAPNG,
            <uint8_t>(FD_CAPTURE_LINK_KEEP if link < 0 else link), nanosecond)

    def __dealloc__(self):
        free(self.writer)
        if self.lock != NULL:
            PyThread_free_lock(self.lock)

    def encode(self, Packets packets):
        """The bytes that a file grows by; with the file's header the first time.

        packets may be None. Raises CaptureError if one of them cannot be in
        such a file: then none of them is.
        """
        cdef fd_rows rows
        rows.descriptors = NULL
        rows.records = NULL
        rows.count = 0
        if packets is not None:
            packets.enter()
            rows = packets.rows
        with nogil:
            PyThread_acquire_lock(self.lock, 1)
        try:
            return self.encode_rows(&rows)
        finally:
            PyThread_release_lock(self.lock)
            if packets is not None:
                packets.leave()

    cdef bytes encode_rows(self, const fd_rows *rows):
        cdef uint64_t size
        cdef bytes out
        cdef uint8_t *to
        with nogil:
            size = fd_capture_write_size(self.writer, rows.descriptors, rows.records, rows.count)
        self.check()
        out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
        to = <uint8_t *>PyBytes_AsString(out)
        with nogil:
            size = fd_capture_write(self.writer, rows.descriptors, rows.records, rows.count, to,
                                    size)
        self.check()
        return out

    cdef int check(self) except -1:
        if self.writer.fault != FD_CAPTURE_OK:
            raise CaptureError(f"packet {self.writer.fault_index} of the batch: "
                               + fd_capture_fault_text(self.writer.fault).decode(), -1, self.path)
        return 0
