# SPDX-License-Identifier: MIT
# Fragments to whole packets: the rows of a batch with each datagram in the place
# of the fragment that made it whole, and apart from them the fragments of which
# the filter wants nothing, as they came.


@cython.no_gc
cdef class Datagrams:
    """Datagrams on their way out of the table; freed with this."""

    cdef fd_datagram **list
    cdef uint32_t count
    cdef uint32_t room

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.count):
            fd_datagram_free(self.list[i])
        free(self.list)

    cdef int add(self, fd_datagram *datagram) except -1:
        cdef fd_datagram **grown
        if self.count == self.room:
            grown = <fd_datagram **>realloc(self.list,
                                            (2 * self.room + 16) * sizeof(fd_datagram *))
            if grown == NULL:
                fd_datagram_free(datagram)
                raise MemoryError("no memory for reassembled packets")
            self.list = grown
            self.room = 2 * self.room + 16
        self.list[self.count] = datagram
        self.count += 1
        return 0

    cdef Packets joined(self, uint32_t layer):
        """The whole packets, in memory of their own."""
        cdef uint64_t total = 0
        cdef uint32_t i, l2_length, length
        cdef uint8_t *at
        cdef Arena arena
        cdef Packets out = Packets.__new__(Packets)
        for i in range(self.count):
            total += fd_record_size(fd_datagram_l2_length(self.list[i]),
                                    fd_datagram_length(self.list[i]))
        arena = Arena(<Py_ssize_t>total)
        out.memory = Memory(arena)
        out.allocate(self.count, layer)
        out.own_descriptors()
        at = arena.data
        for i in range(self.count):
            l2_length = fd_datagram_l2_length(self.list[i])
            length = fd_datagram_length(self.list[i])
            memset(&out.rows.records[i], 0, sizeof(fd_record))
            out.rows.records[i].packet = at + fd_record_packet_at(l2_length)
            out.rows.records[i].captured = length
            out.rows.records[i].l2_length = <uint8_t>l2_length
            out.rows.records[i].layer = <uint8_t>layer
            fd_datagram_join(self.list[i], out.rows.records[i].packet, &out.rows.descriptors[i])
            out.rows.descriptors[i].offset = <uint32_t>(out.rows.records[i].packet - arena.data)
            at += fd_record_size(l2_length, length)
        fd_rows_parse_and_describe(&out.rows)
        out.parsed_version = out.memory.version
        return out

    cdef Packets fragments(self, const uint8_t *left_out, uint32_t layer):
        """The fragments of those whose byte in left_out is 0 (NULL: of all), as they came."""
        cdef uint64_t total = 0
        cdef uint32_t count = 0, at = 0
        cdef uint32_t i
        cdef uint8_t *bytes
        cdef Arena arena
        cdef Packets out = Packets.__new__(Packets)
        for i in range(self.count):
            if left_out == NULL or not left_out[i]:
                count += fd_datagram_count(self.list[i])
                total += fd_datagram_bytes(self.list[i])
        if count == 0:
            return None
        arena = Arena(<Py_ssize_t>total)
        out.memory = Memory(arena)
        out.allocate(count, layer)
        out.own_descriptors()
        bytes = arena.data
        for i in range(self.count):
            if left_out == NULL or not left_out[i]:
                fd_datagram_copy(self.list[i], out.rows.descriptors + at, out.rows.records + at,
                                 bytes)
                at += fd_datagram_count(self.list[i])
                bytes += fd_datagram_bytes(self.list[i])
        return out


cdef class Reassembler:
    """Fragments of one handle put together. Not for several threads at once.

    Args:
        secret: 64 random bits.
        gives_up: what is timed out, or finds no memory, comes back from ``feed``
            with the fragments that no filter wants, instead of being dropped.
        memory: bytes that may be held.
    """

    cdef fd_reassembly *table
    cdef uint64_t unwanted  # datagrams that the filter did not match

    def __cinit__(self, uint64_t secret, bint gives_up=False,
                  uint64_t memory=FD_REASSEMBLY_MEMORY):
        self.table = fd_reassembly_open(memory, secret, gives_up)
        if self.table == NULL:
            raise MemoryError("no memory for reassembly")

    def __dealloc__(self):
        fd_reassembly_close(self.table)

    def feed(self, Packets packets not None, Program program not None, int64_t now):
        """(what to deliver or None, fragments to give back or None).

        What is no fragment stays as it is; of fragments whole packets are made,
        and those that the program matches are delivered.
        """
        cdef uint32_t count = 0, row
        cdef const fd_descriptor *descriptors = packets.rows.descriptors
        cdef Datagrams whole, lost
        cdef Packets joined
        cdef bytearray matches
        for row in range(packets.rows.count):
            count += (descriptors[row].flags & FD_FLAG_FRAGMENT) != 0
        if count == 0:
            fd_reassembly_expire(self.table, now)
            return packets, self.lost(packets.rows.layer)
        places = bytearray(packets.rows.count)  # 1: a fragment, 2: one that makes a whole
        whole = Datagrams()
        self.put(packets, now, places, whole)
        if whole.count == 0:
            return _kept(packets, None, places), self.lost(packets.rows.layer)
        joined = whole.joined(packets.rows.layer)
        matches = bytearray(whole.count)
        joined.match(program, matches)
        self.unwanted += matches.count(0)
        returned = whole.fragments(matches, packets.rows.layer)
        given_up = self.lost(packets.rows.layer)
        if given_up is not None:
            returned = given_up if returned is None else Packets.concat([returned, given_up])
        return _kept(packets, joined, places, matches), returned

    cdef int put(self, Packets packets, int64_t now, bytearray places, Datagrams whole) except -1:
        cdef uint32_t row
        cdef fd_datagram *datagram
        cdef fd_reassembly_result result
        cdef uint8_t[::1] place = places
        for row in range(packets.rows.count):
            if not packets.rows.descriptors[row].flags & FD_FLAG_FRAGMENT:
                continue
            result = fd_reassembly_put(self.table, &packets.rows.descriptors[row],
                                       &packets.rows.records[row], now, &datagram)
            if result != FD_REASSEMBLY_NONE:
                place[row] = 1
            if datagram != NULL:
                place[row] = 2
                whole.add(datagram)
        return 0

    cdef Packets lost(self, uint32_t layer):
        """The fragments of what was given up."""
        cdef Datagrams lost = None
        cdef fd_datagram *datagram = fd_reassembly_take(self.table)
        while datagram != NULL:
            if lost is None:
                lost = Datagrams()
            lost.add(datagram)
            datagram = fd_reassembly_take(self.table)
        return None if lost is None else lost.fragments(NULL, layer)

    def give_up(self, unsigned layer):
        """Every fragment that is held, or None."""
        fd_reassembly_give_up(self.table)
        return self.lost(layer)

    def expire(self, int64_t now):
        """Ends what has waited too long."""
        fd_reassembly_expire(self.table, now)

    @property
    def held(self):
        """Fragments that wait for others."""
        return fd_reassembly_held(self.table)

    def counters(self):
        """What has become of the fragments: a dict; ``whole`` and ``unwanted`` are packets."""
        cdef const fd_reassembly_counters *counters = fd_reassembly_counters_of(self.table)
        return {"fragments": counters.fragments, "whole": counters.whole,
                "unwanted": self.unwanted, "joined": counters.joined,
                "copies": counters.copies, "timed_out": counters.timed_out,
                "crowded_out": counters.crowded_out, "invalid": counters.invalid,
                "given_up": counters.given_up}


cdef Packets _kept(Packets packets, Packets joined, bytearray places, bytearray matches=None):
    """packets without fragments, the matching ones of joined in their places; None if empty."""
    cdef Py_ssize_t i
    cdef uint32_t next_joined = 0
    index = array("I")
    parts = [packets] if joined is None else [packets, joined]
    cdef uint32_t first_joined = packets.rows.count
    for i in range(len(places)):
        if places[i] == 0:
            index.append(i)
        elif places[i] == 2:
            if matches[next_joined]:
                index.append(first_joined + next_joined)
            next_joined += 1
    if not index:
        return None
    if joined is None:
        return packets.gather(index)
    return Packets.concat(parts).gather(index)
