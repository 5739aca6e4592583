# SPDX-License-Identifier: MIT
# The queues of a live handle, one for each CPU, as one.


cdef class Queues:
    """Several rings that are filled by somebody else, in the order of their timestamps.

    One thread takes, arms or spins at a time: that is the caller's to see to.
    """

    cdef readonly list rings
    cdef fd_share *shares
    cdef uint32_t count

    def __cinit__(self, regions):
        """regions: (descriptor region, byte region) of each; see Ring.attach."""
        cdef Ring ring
        cdef uint32_t i
        self.rings = [Ring.attach(descriptors, data) for descriptors, data in regions]
        self.count = <uint32_t>len(self.rings)
        self.shares = <fd_share *>calloc(max(self.count, 1), sizeof(fd_share))
        if self.shares == NULL:
            raise MemoryError(f"no memory for {self.count} queues")
        for i in range(self.count):
            ring = self.rings[i]
            self.shares[i].consumer = &ring.consumer

    def __dealloc__(self):
        free(self.shares)

    def take(self, uint32_t most, int64_t expire_before):
        """Up to most records as Packets, or None if none waits; see Ring.take.

        Raises RingError once all good records of a broken ring have been taken.
        """
        cdef list parts = []
        cdef Ring ring
        cdef fd_share *share
        cdef object packets
        cdef uint32_t i
        cdef uint32_t waiting = 0
        fd_merge_look(self.shares, self.count)
        for i in range(self.count):
            ring = self.rings[i]
            self.shares[i].waiting = ring.look()
            if self.shares[i].waiting == 0:
                raise_ring_fault(ring.consumer.fault)
            waiting += self.shares[i].waiting
        if waiting == 0:
            return None
        fd_merge_plan(self.shares, self.count, most, expire_before)
        for i in range(self.count):
            share = &self.shares[i]
            if share.count == 0 and share.expired == 0:
                continue
            ring = self.rings[i]
            packets = ring.take(max(share.count, 1), expire_before)
            if packets is not None:
                parts.append(packets)
        if len(parts) < 2:
            return parts[0] if parts else None
        return merge(parts)

    def arm(self):
        """Asks every queue for its doorbell. False: records came meanwhile, so do not wait."""
        cdef Ring ring
        for ring in self.rings:
            if not ring.sleep():
                return False
        return True

    def disarm(self):
        """Takes the request back."""
        cdef Ring ring
        for ring in self.rings:
            ring.wake()

    def spin(self, uint32_t turns):
        """Looks so many times for a record; whether one has come."""
        cdef bint come
        with nogil:
            come = fd_merge_spin(self.shares, self.count, turns)
        return come

    @property
    def waiting(self):
        """How many records wait to be taken. Raises RingError on a broken ring."""
        return sum([ring.waiting for ring in self.rings])

    @property
    def held(self):
        """How many records were taken and cannot go back yet."""
        return sum([ring.held for ring in self.rings])


cdef Packets merge(list parts):
    """The rows of several takes of one layer, in order: bytes shared, descriptors copied."""
    cdef Packets out = Packets.__new__(Packets)
    cdef Packets part
    cdef uint32_t count = <uint32_t>len(parts)
    cdef uint32_t total = 0
    cdef uint32_t i
    cdef Arena room = Arena(count * <Py_ssize_t>(sizeof(void *) + sizeof(uint32_t)))
    cdef const fd_rows **rows = <const fd_rows **>room.data
    cdef uint32_t *used = <uint32_t *>(room.data + count * sizeof(void *))
    out.memory = Memory(None)
    for i in range(count):
        part = parts[i]
        if part.rows.layer != (<Packets>parts[0]).rows.layer:
            raise RingError("queues of one handle are of different layers; close the handle")
        rows[i] = &part.rows
        total += part.rows.count
        out.memory.owners.extend(part.memory.owners)
    out.allocate(total, (<Packets>parts[0]).rows.layer)
    out.own_descriptors()
    with nogil:
        fd_merge(rows, used, count, &out.rows)
    return out
