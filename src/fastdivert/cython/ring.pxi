# SPDX-License-Identifier: MIT
# A queue, and the leases on its slots. A Lease holds the records of one take;
# batches and numpy views hold the Lease. Slots go back to the producer in
# order: a lease that ends early waits for those before it.

from libc.stdlib cimport realloc
from libc.string cimport memmove

_RING_FAULTS = {
    1: "the header's magic, version or geometry is wrong",
    2: "the other side's descriptor index is out of range",
    3: "the other side's byte index is out of range or misaligned",
    4: "a descriptor's offset is not where its packet must be",
    5: "a descriptor's captured or L2 length is impossible",
    6: "a descriptor's layer, event or link type is unknown",
}
_DROP_CAUSES = ("queue_length", "queue_size", "queue_time", "oversize", "memory")

cdef struct lease_end:
    uint32_t descriptor
    uint64_t byte
    bint done


# Of garbage in a cycle the collector clears members first: a lease that ends
# afterwards must still find the ring's regions.
@cython.no_gc_clear
cdef class Ring:
    """One queue: its two regions, its consumer and, in process, its producer."""

    cdef object descriptor_region
    cdef object byte_region
    cdef fd_ring ring
    cdef fd_producer producer
    cdef fd_consumer consumer
    cdef bint produces
    cdef PyThread_type_lock lock
    cdef lease_end *leases       # the open ones, oldest first
    cdef size_t lease_count
    cdef size_t lease_room
    cdef uint64_t lease_first    # serial number of leases[0]

    def __cinit__(self):
        self.lock = PyThread_allocate_lock()
        if self.lock == NULL:
            raise MemoryError("no lock")

    def __dealloc__(self):
        free(self.leases)
        if self.lock != NULL:
            PyThread_free_lock(self.lock)

    @staticmethod
    def create(uint32_t descriptor_count, uint64_t byte_size):
        """A ring in this process, empty, with both of its ends."""
        cdef Ring self = Ring.__new__(Ring)
        cdef Arena descriptors
        cdef Arena data
        if (descriptor_count < FD_DESCRIPTORS_MIN or descriptor_count > FD_DESCRIPTORS_MAX
                or descriptor_count & (descriptor_count - 1)):
            raise ValueError(f"{descriptor_count} descriptors: a power of two from "
                             f"{FD_DESCRIPTORS_MIN} to {FD_DESCRIPTORS_MAX} is needed")
        if byte_size < FD_BYTES_MIN or byte_size > FD_BYTES_MAX or byte_size & (byte_size - 1):
            raise ValueError(f"{byte_size} bytes: a power of two from {FD_BYTES_MIN} to "
                             f"{FD_BYTES_MAX} is needed")
        descriptors = Arena(<Py_ssize_t>fd_ring_descriptor_region_size(descriptor_count))
        data = Arena(<Py_ssize_t>fd_ring_byte_region_size(byte_size))
        raise_ring_fault(fd_ring_format(&self.ring, descriptors.data, data.data,
                                        descriptor_count, byte_size, 0))
        self.descriptor_region = descriptors
        self.byte_region = data
        fd_producer_attach(&self.producer, &self.ring)
        fd_consumer_attach(&self.consumer, &self.ring)
        self.produces = True
        return self

    @staticmethod
    def attach(descriptor_region, byte_region):
        """The consumer's end of a ring that somebody else fills.

        Both are writable buffers; they stay borrowed for the ring's life.
        Raises RingError if the header is not that of a ring of this geometry.
        """
        cdef Ring self = Ring.__new__(Ring)
        cdef Borrowed descriptors = borrow(descriptor_region, 0, True, "the descriptor region")
        cdef Borrowed data = borrow(byte_region, 0, True, "the byte region")
        raise_ring_fault(fd_ring_attach(&self.ring, descriptors.buffer.buf, descriptors.buffer.len,
                                        data.buffer.buf, data.buffer.len))
        self.descriptor_region = descriptors
        self.byte_region = data
        fd_consumer_attach(&self.consumer, &self.ring)
        return self

    cdef void enter(self) noexcept:
        if PyThread_acquire_lock(self.lock, 0): # mostly free: the GIL need not go
            return
        with nogil:
            PyThread_acquire_lock(self.lock, 1)

    cdef void leave(self) noexcept:
        PyThread_release_lock(self.lock)

    def set_policy(self, uint32_t queue_length, uint32_t queue_time, uint64_t queue_size):
        """Queue parameters: records, milliseconds, bytes."""
        self.enter()
        self.ring.header.queue_length = queue_length
        self.ring.header.queue_time = queue_time
        self.ring.header.queue_size = queue_size
        self.leave()

    cdef uint32_t look(self) noexcept:
        """How many records wait; 0 on a broken ring, whose fault is then set."""
        self.enter()
        cdef uint32_t count = fd_consumer_waiting(&self.consumer)
        self.leave()
        return count

    @property
    def waiting(self):
        """How many records wait to be taken. Raises RingError on a broken ring."""
        cdef uint32_t count = self.look()
        if count == 0:
            raise_ring_fault(self.consumer.fault)
        return count

    @property
    def held(self):
        """How many records were taken and cannot go back yet: batches or views hold them."""
        self.enter()
        cdef uint32_t count = self.consumer.taken - self.consumer.released
        self.leave()
        return count

    def sleep(self):
        """Asks for the doorbell. False: a record came meanwhile, so do not wait."""
        self.enter()
        cdef bint may_wait = fd_consumer_sleep(&self.consumer)
        self.leave()
        return may_wait

    def wake(self):
        """Takes the request back."""
        self.enter()
        fd_consumer_wake(&self.consumer)
        self.leave()

    def produce(self, Program program, Packets packets, uint32_t begin, bint wait,
                bint count_only, uint32_t set_flags, outcome):
        """Judges packets from row begin on and queues those that match.

        outcome (a byte a row) gets 0 for what passes by, 1 for queued, 2 for
        dropped. Returns the first row not looked at.
        """
        cdef fd_produce_options options
        cdef Borrowed target
        cdef uint32_t row
        cdef fd_ring_fault fault
        if not self.produces:
            raise ValueError("this ring is filled by somebody else")
        options.wait = wait
        options.count_only = count_only
        options.set_flags = set_flags
        packets.enter()
        try:
            target = borrow(outcome, packets.rows.count, True, "the outcome")
            if begin > packets.rows.count:
                raise IndexError(f"row {begin} of a batch of {packets.rows.count}")
            with nogil:
                packets.parse_rows()
                PyThread_acquire_lock(self.lock, 1)
                row = fd_produce(&self.producer, program.program, &packets.rows, begin, &options,
                                 <uint8_t *>target.buffer.buf)
                fault = self.producer.fault
                PyThread_release_lock(self.lock)
        finally:
            packets.leave()
        raise_ring_fault(fault)
        return row

    def take(self, uint32_t most, int64_t expire_before):
        """Up to most records as Packets, or None if none waits.

        Records stamped before expire_before have waited longer than QUEUE_TIME
        allows: they are passed over and counted. Raises RingError once all
        good records of a broken ring have been taken.
        """
        cdef Packets packets
        cdef Lease lease
        cdef uint32_t first = 0
        cdef uint32_t count
        cdef fd_ring_fault fault
        count = self.waiting
        if count == 0:
            return None
        # No Python object may be made under the lock: that can start a garbage
        # collection, which can end a lease, which needs the lock.
        packets = Packets.__new__(Packets)
        packets.allocate(min(count, most), 0)
        lease = Lease.__new__(Lease)
        packets.descriptor_owner = lease
        packets.memory = Memory(lease)
        self.enter()
        if not self.lease_reserve():
            self.leave()
            raise MemoryError("no memory for a lease")
        count = fd_consumer_take(&self.consumer, packets.rows.count, expire_before,
                                 packets.rows.records, &first)
        fault = self.consumer.fault
        self.lease_open(lease)
        self.leave()
        if count == 0:
            raise_ring_fault(fault)
            return None
        packets.rows.count = count
        packets.rows.layer = packets.rows.records[0].layer
        packets.rows.descriptors = self.ring.descriptors + first
        return packets

    cdef bint lease_reserve(self) noexcept:
        cdef size_t room
        cdef lease_end *grown
        if self.lease_count == self.lease_room:
            room = self.lease_room * 2 + 16
            grown = <lease_end *>realloc(self.leases, room * sizeof(lease_end))
            if grown == NULL:
                return False
            self.leases = grown
            self.lease_room = room
        return True

    cdef void lease_open(self, Lease lease) noexcept:
        global _live_leases
        cdef lease_end *end = &self.leases[self.lease_count]
        end.descriptor = self.consumer.taken
        end.byte = self.consumer.byte_taken
        end.done = False
        lease.ring = self
        lease.serial = self.lease_first + self.lease_count
        self.lease_count += 1
        _live_leases += 1

    cdef void lease_close(self, uint64_t serial) noexcept:
        cdef size_t done = 0
        self.enter()
        self.leases[serial - self.lease_first].done = True
        while done < self.lease_count and self.leases[done].done:
            done += 1
        if done != 0:
            fd_consumer_release(&self.consumer, self.leases[done - 1].descriptor,
                                self.leases[done - 1].byte)
            self.lease_count -= done
            self.lease_first += done
            memmove(self.leases, self.leases + done, self.lease_count * sizeof(lease_end))
        self.leave()

    def counters(self):
        """What both sides counted: a dict, drops by cause."""
        cdef int cause
        self.enter()
        cdef fd_producer_counters produced = self.producer.counters
        if not self.produces:
            produced = self.ring.header.producer
        cdef fd_consumer_counters consumed = self.consumer.counters
        self.leave()
        dropped = {name: produced.dropped[cause] for cause, name in enumerate(_DROP_CAUSES)}
        dropped["queue_time"] += consumed.expired
        return {"seen": produced.seen, "matched": produced.matched, "queued": produced.queued,
                "malformed": produced.malformed, "bytes": produced.bytes,
                "doorbells": produced.doorbells, "delivered": consumed.delivered,
                "dropped": dropped}


@cython.no_gc_clear
cdef class Lease:
    """The slots of one take, given back when the last holder lets go."""

    cdef Ring ring
    cdef uint64_t serial

    def __dealloc__(self):
        global _live_leases
        if self.ring is not None:
            _live_leases -= 1
            self.ring.lease_close(self.serial)


cdef int raise_ring_fault(fd_ring_fault fault) except -1:
    if fault != FD_RING_OK:
        raise RingError(f"{_RING_FAULTS.get(<int>fault, 'unknown fault')}; "
                        "this ring is dead: close the handle and open it again")
    return 0
