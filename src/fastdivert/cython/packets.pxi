# SPDX-License-Identifier: MIT
# Packets: the rows of a batch, and the kernels over them.

from cpython.pythread cimport (
    PyThread_acquire_lock, PyThread_allocate_lock, PyThread_free_lock, PyThread_release_lock,
    PyThread_type_lock,
)


cdef class Memory:
    """The packet bytes that one or more Packets share.

    One lock orders all kernels over the same bytes. version counts the writes,
    so that parse results made before one are not used after it; exposed says
    that a writable view of the bytes was given away, so that no parse result
    can be kept at all.
    """

    cdef list owners
    cdef PyThread_type_lock lock
    cdef uint64_t version
    cdef bint exposed

    def __cinit__(self, owner):
        self.lock = PyThread_allocate_lock()
        if self.lock == NULL:
            raise MemoryError("no lock")
        self.owners = [owner]
        self.version = 1

    def __dealloc__(self):
        if self.lock != NULL:
            PyThread_free_lock(self.lock)


cdef class Packets:
    """The rows of a batch: descriptors, checked records and parse results.

    Every method takes the memory's lock and releases the GIL while it works.
    Under the lock nothing is made that the garbage collector knows: that could
    start it, and so a finalizer that wants the lock.
    After release() every method raises ReleasedError.
    """

    cdef fd_rows rows
    cdef size_t records_room
    cdef size_t parsed_room
    cdef object descriptor_owner
    cdef Memory memory
    cdef uint64_t parsed_version
    cdef bint released

    def __cinit__(self):
        global _live_packets
        _live_packets += 1

    def __dealloc__(self):
        global _live_packets
        _live_packets -= 1
        block_put(self.rows.records, self.records_room)
        block_put(self.rows.parsed, self.parsed_room)

    def __len__(self):
        return self.rows.count

    @property
    def layer(self):
        return self.rows.layer

    @property
    def is_released(self):
        return self.released

    @property
    def timestamp(self):
        """The first row's, in ns; 0 of an empty batch."""
        self.enter()
        cdef int64_t first = self.rows.descriptors[0].timestamp if self.rows.count != 0 else 0
        self.leave()
        return first

    # ---- making ----------------------------------------------------------

    cdef int allocate(self, uint32_t count, uint32_t layer) except -1:
        # One row at least, so that an empty batch has pointers too.
        self.rows.count = count
        self.rows.layer = layer
        # Whoever makes a batch writes every row of it; zeroing them first would
        # take as long as reading a capture does.
        self.records_room = max(count, 1) * sizeof(fd_record)
        self.parsed_room = max(count, 1) * sizeof(fd_parsed)
        self.rows.records = <fd_record *>block_get(&self.records_room)
        self.rows.parsed = <fd_parsed *>block_get(&self.parsed_room)
        if self.rows.records == NULL or self.rows.parsed == NULL:
            raise MemoryError(f"no memory for a batch of {count} packets")
        return 0

    cdef int own_descriptors(self) except -1:
        cdef Arena arena = Arena(max(self.rows.count, 1) * <Py_ssize_t>sizeof(fd_descriptor),
                                 False)
        self.descriptor_owner = arena
        self.rows.descriptors = <fd_descriptor *>arena.data
        return 0

    @staticmethod
    def from_sequence(packets, unsigned layer):
        """A batch of its own memory from a sequence of bytes-like packets."""
        cdef Py_ssize_t count = len(packets)
        cdef Py_ssize_t total = 0, size, position = 0
        cdef Py_ssize_t i
        cdef bint events = not fd_is_network(layer)
        cdef list borrowed = []
        cdef Borrowed source
        if count >= 0x7fffffff:
            raise ValueError(f"{count} packets are more than a batch can hold")
        for i in range(count):
            try:
                source = borrow(packets[i], 0, False, "a packet")
            except TypeError:
                raise TypeError(f"packet {i} is {type(packets[i]).__name__}, "
                                "not a bytes-like object") from None
            size = FD_EVENT_DATA_SIZE if events else source.buffer.len
            if size > FD_CAPTURED_MAX:
                raise ValueError(f"packet {i} has {size} bytes; {FD_CAPTURED_MAX} is the most")
            if events and source.buffer.len != 0:
                raise ValueError(f"packet {i} is not empty, but at layer {layer} there are "
                                 "events and no packets: the addresses say all")
            borrowed.append(source)
            total += (size + FD_RECORD_ALIGN - 1) & ~<Py_ssize_t>(FD_RECORD_ALIGN - 1)
        if total > 0x7fffffff:
            raise ValueError(f"{total} bytes of packets are more than a batch can hold")
        cdef Packets self = Packets.__new__(Packets)
        cdef Arena arena = Arena(total)
        self.allocate(<uint32_t>count, layer)
        self.own_descriptors()
        self.memory = Memory(arena)
        memset(self.rows.descriptors, 0, count * sizeof(fd_descriptor))
        memset(self.rows.records, 0, count * sizeof(fd_record))
        memset(self.rows.parsed, 0, count * sizeof(fd_parsed))
        for i in range(count):
            source = borrowed[i]
            size = FD_EVENT_DATA_SIZE if events else source.buffer.len
            self.rows.records[i].packet = arena.data + position
            self.rows.records[i].captured = <uint32_t>size
            self.rows.records[i].layer = <uint8_t>layer
            self.rows.descriptors[i].offset = <uint32_t>position
            self.rows.descriptors[i].captured = <uint32_t>size
            self.rows.descriptors[i].length = <uint32_t>source.buffer.len
            self.rows.descriptors[i].layer = <uint8_t>layer
            self.rows.descriptors[i].sequence = 0xffffffff  # none: made up
            if source.buffer.len != 0:
                memcpy(arena.data + position, source.buffer.buf, source.buffer.len)
            position += (size + FD_RECORD_ALIGN - 1) & ~<Py_ssize_t>(FD_RECORD_ALIGN - 1)
        if not events:
            with nogil:
                fd_rows_parse_and_describe(&self.rows)
            self.parsed_version = self.memory.version
        return self

    def copy(self):
        """The same rows in memory of their own."""
        cdef Packets out = Packets.__new__(Packets)
        cdef uint64_t total
        cdef Arena arena
        out.memory = Memory(None)
        self.enter()
        try:
            total = fd_rows_bytes(&self.rows)
            if total > 0x7fffffff:
                raise ValueError(f"{total} bytes of packets are more than one batch can own")
            arena = Arena(<Py_ssize_t>total, False)
            out.allocate(self.rows.count, self.rows.layer)
            out.own_descriptors()
            out.memory.owners[0] = arena
            with nogil:
                self.parse_rows()
                fd_rows_copy(&self.rows, &out.rows, arena.data)
            out.parsed_version = out.memory.version
        finally:
            self.leave()
        return out

    def gather(self, index):
        """The rows index (uint32, checked by the caller): bytes shared, descriptors copied."""
        cdef Borrowed source = borrow(index, 0, False, "an index")
        cdef uint32_t count = <uint32_t>(source.buffer.len // sizeof(uint32_t))
        cdef const uint32_t *rows = <const uint32_t *>source.buffer.buf
        cdef uint32_t k
        cdef Packets out = Packets.__new__(Packets)
        self.enter()
        try:
            for k in range(count):
                if rows[k] >= self.rows.count:
                    raise IndexError(f"row {rows[k]} of a batch of {self.rows.count}")
            out.allocate(count, self.rows.layer)
            out.own_descriptors()
            out.memory = self.memory
            with nogil:
                self.parse_rows()
                fd_rows_gather(&self.rows, rows, &out.rows)
            out.parsed_version = self.parsed_version
        finally:
            self.leave()
        return out

    @staticmethod
    def concat(parts):
        """The rows of several Packets of one layer as one: bytes shared, descriptors copied."""
        cdef Packets part
        cdef Packets out = Packets.__new__(Packets)
        cdef Py_ssize_t total = 0
        cdef uint32_t at = 0
        cdef uint32_t k
        if not parts:
            raise ValueError("nothing to put together")
        for part in parts:
            total += part.rows.count
        if total >= 0x7fffffff:
            raise ValueError(f"{total} packets are more than a batch can hold")
        out.allocate(<uint32_t>total, (<Packets>parts[0]).rows.layer)
        out.own_descriptors()
        out.memory = Memory(None)
        # All of them may now be edited without each other's lock: never keep a parse result.
        out.memory.exposed = True
        for part in parts:
            part.enter()
            try:
                if part.rows.layer != out.rows.layer or part.rows.count > total - at:
                    raise ValueError("the parts are of different layers")
                for k in range(part.rows.count):
                    out.rows.descriptors[at + k] = part.rows.descriptors[k]
                    out.rows.records[at + k] = part.rows.records[k]
                at += part.rows.count
                out.memory.owners.extend(part.memory.owners)
                part.memory.exposed = True
            finally:
                part.leave()
        return out

    def segments(self):
        """The rows with wire-size packets in place of super-packets, or self if there are none.

        What is not cut shares its bytes: self is not to be used any more.
        """
        cdef uint32_t supers = 0
        cdef uint32_t row
        cdef uint64_t count, total
        cdef fd_rows rows
        cdef Arena private, arena
        cdef Packets out
        self.enter()
        try:
            for row in range(self.rows.count):
                supers += (self.rows.descriptors[row].flags & (FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP)) != 0
            if supers == 0:
                return self
            # A copy: in the ring they could change between measuring and cutting.
            private = Arena(self.rows.count * <Py_ssize_t>sizeof(fd_descriptor), False)
            memcpy(private.data, self.rows.descriptors, private.size)
            self.parse_rows()
            rows = self.rows
            rows.descriptors = <fd_descriptor *>private.data
            with nogil:
                count = fd_segments_measure(&rows, &total)
            if count > 0x7fffffff or total > 0x7fffffff:
                raise ValueError(f"{count} segments of {total} bytes are more than a batch holds")
            arena = Arena(<Py_ssize_t>total, False)
            out = Packets.__new__(Packets)
            out.memory = Memory(arena)
            out.memory.owners.extend(self.memory.owners)
            out.allocate(<uint32_t>count, self.rows.layer)
            out.own_descriptors()
            with nogil:
                fd_segments_write(&rows, &out.rows, arena.data)
            out.parsed_version = out.memory.version
        finally:
            self.leave()
        return out

    # ---- lifetime --------------------------------------------------------

    cdef int enter(self) except -1:
        cdef Memory memory = self.memory
        if memory is None or self.released:
            raise ReleasedError(_RELEASED)
        if not PyThread_acquire_lock(memory.lock, 0): # mostly free: the GIL need not go
            with nogil:
                PyThread_acquire_lock(memory.lock, 1)
        if self.released: # while we waited
            PyThread_release_lock(memory.lock)
            raise ReleasedError(_RELEASED)
        return 0

    cdef int leave(self) except -1:
        PyThread_release_lock(self.memory.lock)
        return 0

    cdef void parse_rows(self) noexcept nogil:
        if self.must_parse():
            fd_rows_parse(&self.rows, 0, self.rows.count)
            self.parsed_version = self.memory.version

    cdef bint must_parse(self) noexcept nogil:
        return self.memory.exposed or self.parsed_version != self.memory.version

    def release(self):
        """Gives the bytes up. Views that were taken keep their own hold on them."""
        cdef Memory memory = self.memory
        if memory is None or self.released:
            return
        with nogil:
            PyThread_acquire_lock(memory.lock, 1)
        self.released = True # another thread may have been first, to the same end
        self.descriptor_owner = None
        self.memory = None
        PyThread_release_lock(memory.lock)

    def check_verdicts(self, uint8_t last):
        """The first row whose verdict is beyond last, or -1."""
        cdef uint32_t row
        cdef uint32_t found = self.rows.count
        self.enter()
        for row in range(self.rows.count):
            if self.rows.descriptors[row].verdict > last:
                found = row
                break
        self.leave()
        return found if found != self.rows.count else -1

    def claim(self, uint32_t mask, uint32_t value):
        """(headers, records) of a batch that is sent as it is, which is so released; else None.

        As it is: no row has a verdict, or these values of the flags in mask. Of
        several threads one gets it; what it gets keeps the packets' memory.
        """
        cdef uint32_t row
        cdef fd_descriptor *descriptors = self.rows.descriptors
        cdef Memory memory
        cdef bint whole = True
        cdef list owners
        self.enter()
        memory = self.memory
        for row in range(self.rows.count):
            if descriptors[row].verdict != 0 or descriptors[row].flags & mask == value:
                whole = False
                break
        if not whole:
            PyThread_release_lock(memory.lock)
            return None
        self.released = True
        PyThread_release_lock(memory.lock)
        owners = [self, memory.owners]
        headers = view_of(self.descriptor_owner, <uint8_t *>descriptors,
                          self.rows.count * <Py_ssize_t>sizeof(fd_descriptor))
        records = view_of(owners, <uint8_t *>self.rows.records,
                          self.rows.count * <Py_ssize_t>sizeof(fd_record), True)
        self.descriptor_owner = None
        self.memory = None
        return headers, records

    # ---- views -----------------------------------------------------------

    def headers(self):
        """The descriptors as a buffer: 64 bytes a row, writable."""
        self.enter()
        try:
            return view_of(self.descriptor_owner, <uint8_t *>self.rows.descriptors,
                           self.rows.count * <Py_ssize_t>sizeof(fd_descriptor))
        finally:
            self.leave()

    def records(self):
        """struct fd_record of every row, read-only: for a driver, which follows its pointers.

        The buffer keeps the packets' memory alive, also after release().
        """
        cdef list owners = [self, None]
        self.enter()
        try:
            owners[1] = self.memory.owners
            return view_of(owners, <uint8_t *>self.rows.records,
                           self.rows.count * <Py_ssize_t>sizeof(fd_record), True)
        finally:
            self.leave()

    def packet_view(self, uint32_t row, str part):
        """Bytes of one row as a writable buffer: part is "packet", "payload" or "link"."""
        cdef fd_record *record
        cdef fd_parsed *parsed
        self.enter()
        try:
            self.check_row(row)
            self.parse_rows()
            record = &self.rows.records[row]
            parsed = &self.rows.parsed[row]
            self.memory.exposed = True
            if part == "payload":
                return view_of(self.memory.owners, record.packet + parsed.payload_offset,
                               parsed.payload_length)
            if part == "link":
                return view_of(self.memory.owners, record.packet - record.l2_length,
                               record.l2_length)
            return view_of(self.memory.owners, record.packet, record.captured)
        finally:
            self.leave()

    def packet_size(self, uint32_t row):
        """Bytes of one row's packet that are here."""
        self.enter()
        try:
            self.check_row(row)
            return self.rows.records[row].captured
        finally:
            self.leave()

    def packet_bytes(self, uint32_t row):
        """A copy of one row's packet; unlike a view it leaves parse results worth keeping."""
        self.enter()
        try:
            self.check_row(row)
            return self.rows.records[row].packet[:self.rows.records[row].captured]
        finally:
            self.leave()

    cdef int check_row(self, uint32_t row) except -1:
        if row >= self.rows.count:
            raise IndexError(f"row {row} of a batch of {self.rows.count}")
        return 0

    def flagged(self, uint32_t mask, uint32_t value):
        """How many rows have these values of the flags in mask."""
        cdef uint32_t count = 0
        cdef uint32_t row
        self.enter()
        try:
            for row in range(self.rows.count):
                count += (self.rows.descriptors[row].flags & mask) == value
        finally:
            self.leave()
        return count

    # ---- kernels ---------------------------------------------------------

    def load(self, unsigned field, int32_t index, out, Py_ssize_t offset, Py_ssize_t stride):
        """Writes the column into out, element k at offset + k * stride."""
        cdef unsigned width = fd_column_width(self.check_field(field))
        self.enter()
        try:
            self.load_rows(&self.rows, field, index, out, offset, stride, width)
        finally:
            self.leave()

    cdef int load_rows(self, fd_rows *rows, unsigned field, int32_t index, object out,
                       Py_ssize_t offset, Py_ssize_t stride, unsigned width) except -1:
        cdef Py_ssize_t need = 0
        if offset < 0 or stride < <Py_ssize_t>width:
            raise ValueError(f"elements of {width} bytes do not fit a stride of {stride}")
        if rows.count > 0:
            need = offset + (rows.count - 1) * stride + width
        cdef Borrowed target = borrow(out, need, True, "the output")
        cdef uint8_t *to = <uint8_t *>target.buffer.buf + offset
        with nogil:
            self.parse_rows()
            if rows.count > 0:
                fd_column_load(rows, field, index, to, stride)
        return 0

    def load_one(self, uint32_t row, unsigned field, int32_t index, out):
        """One element of a column; returns whether the packet has the field."""
        cdef unsigned width = fd_column_width(self.check_field(field))
        cdef fd_rows one
        cdef uint8_t has = 0
        self.enter()
        try:
            self.check_row(row)
            self.parse_rows()
            one = self.one_row(row)
            self.load_rows(&one, field, index, out, 0, width, width)
            fd_column_present(&one, field, index, &has)
        finally:
            self.leave()
        return bool(has)

    cdef fd_rows one_row(self, uint32_t row) noexcept:
        cdef fd_rows one
        one.descriptors = self.rows.descriptors + row
        one.records = self.rows.records + row
        one.parsed = self.rows.parsed + row
        one.count = 1
        one.layer = self.rows.layer
        return one

    cdef unsigned check_field(self, unsigned field) except? 255:
        if field >= FD_FIELD_COUNT:
            raise IndexError(f"no field has the number {field}")
        return field

    def present(self, unsigned field, int32_t index, out):
        """1 where the packet has the field, else 0, into out (a byte a row)."""
        self.check_field(field)
        cdef Borrowed target
        self.enter()
        try:
            target = borrow(out, self.rows.count, True, "the output")
            with nogil:
                self.parse_rows()
                fd_column_present(&self.rows, field, index, <uint8_t *>target.buffer.buf)
        finally:
            self.leave()

    def writable(self, unsigned field):
        return bool(fd_column_writable(self.check_field(field), self.rows.layer))

    def store(self, unsigned field, int32_t index, values, selected):
        """Writes a column of checked values; selected is a mask of bytes or None."""
        cdef unsigned width = fd_column_width(self.check_field(field))
        cdef Borrowed source, mask = None
        cdef const uint8_t *chosen = NULL
        cdef int moved
        if not fd_column_writable(field, self.rows.layer):
            raise ValueError(f"field {field} cannot be written")
        self.enter()
        try:
            source = borrow(values, self.rows.count * <Py_ssize_t>width, False, "the values")
            if selected is not None:
                mask = borrow(selected, self.rows.count, False, "the mask")
                chosen = <const uint8_t *>mask.buffer.buf
            with nogil:
                self.parse_rows()
                moved = fd_column_store(&self.rows, field, index,
                                        <const uint8_t *>source.buffer.buf, chosen)
                self.wrote(moved)
        finally:
            self.leave()

    cdef void wrote(self, bint moved) noexcept nogil:
        # Others who share the bytes parse again; so do we if things have moved.
        self.memory.version += 1
        if not moved:
            self.parsed_version = self.memory.version

    def store_one(self, uint32_t row, unsigned field, int32_t index, value):
        """Writes one element of a column."""
        cdef unsigned width = fd_column_width(self.check_field(field))
        cdef Borrowed source = borrow(value, width, False, "the value")
        cdef fd_rows one
        if not fd_column_writable(field, self.rows.layer):
            raise ValueError(f"field {field} cannot be written")
        self.enter()
        try:
            self.check_row(row)
            self.parse_rows()
            one = self.one_row(row)
            self.wrote(fd_column_store(&one, field, index, <const uint8_t *>source.buffer.buf,
                                       NULL))
        finally:
            self.leave()

    def match(self, Program program, out, bint interpreted=False):
        """1 where the program matches, else 0, into out (a byte a row)."""
        cdef Borrowed target
        cdef int failed = 0
        cdef bint parse
        if program is None:
            raise TypeError("a program is needed")
        self.enter()
        try:
            target = borrow(out, self.rows.count, True, "the output")
            parse = self.must_parse()
            with nogil:
                if interpreted:
                    fd_match_interpreted(&self.rows, program.program, parse,
                                         <uint8_t *>target.buffer.buf)
                else:
                    failed = fd_match(&self.rows, program.program, parse,
                                      <uint8_t *>target.buffer.buf)
            if failed:
                raise MemoryError("no memory to evaluate the filter")
            self.parsed_version = self.memory.version
        finally:
            self.leave()

    def parse(self, bint again=False):
        """Parses now, unless it was done since the last write; see parsed_into."""
        self.enter()
        try:
            with nogil:
                if again:
                    fd_rows_parse(&self.rows, 0, self.rows.count)
                    self.parsed_version = self.memory.version
                else:
                    self.parse_rows()
        finally:
            self.leave()

    def parsed_into(self, out):
        """The parse results (32 bytes a row) into out."""
        cdef Borrowed target
        cdef Py_ssize_t size = self.rows.count * <Py_ssize_t>sizeof(fd_parsed)
        self.enter()
        try:
            target = borrow(out, size, True, "the output")
            with nogil:
                self.parse_rows()
                memcpy(target.buffer.buf, self.rows.parsed, size)
        finally:
            self.leave()

    def describe(self):
        """Brings the descriptors' parse results up to date."""
        self.enter()
        try:
            with nogil:
                if not fd_is_network(self.rows.layer):
                    self.parse_rows()
                elif self.must_parse():
                    fd_rows_parse_and_describe(&self.rows)
                    self.parsed_version = self.memory.version
                else:
                    fd_rows_describe(&self.rows)
        finally:
            self.leave()

    def addresses(self, out):
        """WINDIVERT_ADDRESS of every row (80 bytes each) into out."""
        cdef Borrowed target
        self.enter()
        try:
            target = borrow(out, self.rows.count * <Py_ssize_t>sizeof(fd_address), True,
                            "the output")
            with nogil:
                fd_addresses_from_rows(&self.rows, <fd_address *>target.buffer.buf)
        finally:
            self.leave()

    def set_addresses(self, addresses):
        """Overwrites what the addresses say."""
        cdef Borrowed source
        self.enter()
        try:
            source = borrow(addresses, self.rows.count * <Py_ssize_t>sizeof(fd_address), False,
                            "the addresses")
            with nogil:
                fd_addresses_to_rows(&self.rows, <const fd_address *>source.buffer.buf)
        finally:
            self.leave()

    def update_checksums(self, unsigned flags, out):
        """Computes checksums; 1 where all could be, into out."""
        cdef Borrowed target
        self.enter()
        try:
            target = borrow(out, self.rows.count, True, "the output")
            with nogil:
                self.parse_rows()
                fd_checksums_update(&self.rows, flags, <uint8_t *>target.buffer.buf)
                self.wrote(False)
        finally:
            self.leave()

    def verify_checksums(self, out):
        """Sets of fd_checksum_result, into out."""
        cdef Borrowed target
        self.enter()
        try:
            target = borrow(out, self.rows.count, True, "the output")
            with nogil:
                self.parse_rows()
                fd_checksums_verify(&self.rows, <uint8_t *>target.buffer.buf)
        finally:
            self.leave()

    def hashes(self, uint64_t seed, out):
        """WinDivert's hash of every packet, into out (uint64)."""
        cdef Borrowed target
        self.enter()
        try:
            target = borrow(out, self.rows.count * <Py_ssize_t>sizeof(uint64_t), True,
                            "the output")
            with nogil:
                self.parse_rows()
                fd_hashes(&self.rows, seed, <uint64_t *>target.buffer.buf)
        finally:
            self.leave()

    def decrement_ttl(self, selected, out):
        """One less for every TTL above 1 (where selected); 1 where done, into out."""
        cdef Borrowed target, mask = None
        cdef const uint8_t *chosen = NULL
        self.enter()
        try:
            target = borrow(out, self.rows.count, True, "the output")
            if selected is not None:
                mask = borrow(selected, self.rows.count, False, "the mask")
                chosen = <const uint8_t *>mask.buffer.buf
            with nogil:
                self.parse_rows()
                fd_decrement_ttls(&self.rows, chosen, <uint8_t *>target.buffer.buf)
                self.wrote(False)
        finally:
            self.leave()

    def replace_payload(self, uint32_t row, payload):
        """Gives one packet another payload, of any length, in memory of its own."""
        cdef Borrowed source = borrow(payload, 0, False, "a payload")
        cdef uint32_t size
        cdef uint32_t head
        cdef bint is_packet
        cdef Arena arena
        if source.buffer.len > FD_CAPTURED_MAX:
            raise ValueError(f"a payload of {source.buffer.len} bytes is more than a packet holds")
        self.enter()
        try:
            self.check_row(row)
            self.parse_rows()
            size = fd_payload_size(&self.rows, row, <uint32_t>source.buffer.len)
            is_packet = self.rows.parsed[row].headers != 0
            if size != 0:
                head = ((self.rows.records[row].l2_length + FD_PACKET_ALIGN - 1)
                        & ~<uint32_t>(FD_PACKET_ALIGN - 1))
                arena = Arena(head + size)
                self.memory.owners.append(arena)
                fd_payload_replace(&self.rows, row, <const uint8_t *>source.buffer.buf,
                                   <uint32_t>source.buffer.len, arena.data + head)
                self.wrote(False)
        finally:
            self.leave()
        if size == 0:
            raise ValueError(f"packet {row} cannot have a payload of {source.buffer.len} bytes: "
                             + ("the IP length field holds 16 bits" if is_packet
                                else "it is no IP packet"))


cdef str _RELEASED = ("the batch was sent or released and its memory may be in use again; "
                      "take a copy() first to keep packets")
