# SPDX-License-Identifier: MIT
"""One handle's end of a live driver: its queues, and the way back. The same on every system."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastdivert._core import Packets, Queues
from fastdivert.dtypes import headers_of
from fastdivert.enums import Param, Shutdown, Verdict
from fastdivert.errors import HandleClosedError, HandleError, ShutdownError
from fastdivert.filter import Filter
from fastdivert.impostors import IMPOSTOR_KINDS, LOOPING, spend_ttl
from fastdivert.live.assembly import NO_FRAGMENTS, Assembly, fragment_kinds
from fastdivert.live.port import Doorbell, Port
from fastdivert.params import QueueParams, power_of_two

if TYPE_CHECKING:
    from typing_extensions import Buffer

_Faults = npt.NDArray[np.int32]

_DROP = int(Verdict.DROP)  # numpy compares with an enum five times slower

#: Looks at the queues of one spin: some 50 us, then signals have their turn.
_SPIN_TURNS = 1000

#: Longer than any call to the port can take.
_CALL_SECONDS = 5.0

#: How long closing runs after traffic that comes as fast as it is given back.
_OVERTAKING_SECONDS = 0.1

#: Packets that one step of closing gives back.
_DRAIN = 1024


class LiveChannel:
    """A driver channel (see ``driver.Channel``) on a port of the host's own driver.

    Args:
        port: the handle as the driver has it; closed with the channel.
        doorbell: what rings when a queue whose consumer sleeps has a record.
        params: those that the port was opened with.
        sniffs: the packets are copies, so that closing has nothing to give back.
        assembly: makes whole packets of fragments, where the system does not.
        segments: cut super-packets into those that go over the wire.
        busy_poll: seconds that ``recv`` spins before it sleeps.
    """

    def __init__(
        self,
        port: Port,
        doorbell: Doorbell,
        params: QueueParams,
        *,
        sniffs: bool,
        busy_poll: float = 0.0,
        assembly: Assembly | None = None,
        segments: bool = False,
    ) -> None:
        self._port = port
        self._doorbell = doorbell
        self._params = params
        self._geometry = power_of_two(params.length), power_of_two(params.size)
        self._sniffs = sniffs
        self._busy_poll = busy_poll
        self._assembly = assembly
        self._segments = segments
        self._left: Packets | None = None  # segments over a batch's size, from _left_at on
        self._left_at = 0
        self._more = 0  # packets that segments are more than records
        self._queues = Queues(port.queues)
        self._receiving = threading.Lock()  # one thread takes and waits at a time
        self._swapping = threading.Lock()  # one filter is put in place at a time
        self._books = threading.Lock()  # held while records are between two counters
        # Guards what follows. Reentrant, because a signal's handler may close the handle.
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)  # of a closed handle: the last call ends
        self._busy = 0  # calls to the port that closing waits for: sends and swaps of the filter
        self._ended = Shutdown(0)
        self._ending = False  # shut down or closed: whoever waits must look why
        self._closed = False
        self._owner = os.getpid()
        self._final_stats: dict[str, Any] | None = None  # of a closed handle
        self._sent = self._verdict_drops = self._send_errors = self._queue_wait = 0
        self._discarded = 0  # packets of fragments, by a handle that drops what matches

    # ---- receiving -----------------------------------------------------------

    def recv(self, most: int, timeout: float | None) -> Packets:
        if timeout is None:
            with self._receiving:
                return self._recv(most, None)
        deadline = time.monotonic() + timeout
        if not self._receiving.acquire(timeout=timeout):
            raise TimeoutError("another thread is receiving on this handle")
        try:
            return self._recv(most, deadline)
        finally:
            self._receiving.release()

    def _recv(self, most: int, deadline: float | None) -> Packets:
        while True:
            packets = self._try_recv(most)
            if packets is None and self._busy_poll:
                packets = self._spin(most, deadline)
            if packets is not None:
                return packets
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError("no packet came in time")
            self._wait(left)

    def _check_process(self) -> None:
        if os.getpid() != self._owner:
            raise HandleError("the handle belongs to the process that opened it: open one here")

    def _try_recv(self, most: int) -> Packets | None:
        """Packets, or None if it is worth waiting for some."""
        self._check_process()
        if self._closed:
            raise HandleClosedError("the handle is closed")
        packets = self._take(most)
        if packets is None and self._ending and self._ended & Shutdown.RECV:
            raise ShutdownError("the handle was shut down and everything has been received")
        return packets

    def _spin(self, most: int, deadline: float | None) -> Packets | None:
        """Looks again and again for busy_poll seconds: no sleep, no wake-up to pay for."""
        end = time.monotonic() + self._busy_poll
        if deadline is not None:
            end = min(end, deadline)
        while not self._queues.spin(_SPIN_TURNS):  # between two, signals are handled
            if time.monotonic() >= end or self._ending:
                break
        return self._try_recv(most)

    def _take(self, most: int) -> Packets | None:
        """Up to most packets of all queues, in the order of their timestamps."""
        if self._left is not None:
            with self._books:
                return self._next_left(self._left, most)
        now = self._port.now()
        oldest = now - self._params.time * 1_000_000
        while True:
            unwanted = None
            with self._books:
                packets = self._queues.take(most, oldest)
                if packets is None:
                    return None
                if self._assembly is not None:
                    packets, unwanted = self._assembly.feed(packets, now)
                if packets is not None and self._segments:
                    packets = self._cut(packets, most)
            if unwanted is not None and not self._sniffs:
                self._return(unwanted)
            if packets is not None:
                self._queue_wait = max(0, now - packets.timestamp)
                return packets

    def _cut(self, packets: Packets, most: int) -> Packets:
        """Packets of the size that goes over the wire; what is over most is left for later."""
        segments = packets.segments()
        self._more += len(segments) - len(packets)
        if len(segments) <= most:
            return segments
        self._left_at = 0
        return self._next_left(segments, most)

    def _next_left(self, segments: Packets, most: int) -> Packets:
        end = min(self._left_at + most, len(segments))
        rows = np.arange(self._left_at, end, dtype=np.uint32)
        self._left, self._left_at = (segments if end < len(segments) else None), end
        return segments.gather(rows)

    def _return(self, packets: Packets) -> None:
        """They go on as if they had never been taken."""
        faults = np.zeros(len(packets), np.int32)
        sent = self._port.inject(headers_of(packets), packets.records(), faults, True)
        with self._lock:
            self._send_errors += len(packets) - sent

    def _wait(self, timeout: float | None) -> None:
        """Until the doorbell rings. Signals are handled meanwhile, so Ctrl-C ends it."""
        try:
            if self._queues.arm():
                self._doorbell.wait(timeout)
        finally:
            self._disarm()

    async def ready(self, timeout: float | None) -> None:
        try:
            if self._queues.arm():
                await self._doorbell.ready(timeout)
        finally:
            self._disarm()

    def _disarm(self) -> None:
        self._queues.disarm()
        if not self._closed:
            self._doorbell.silence()

    def discard(self) -> None:
        """Receives and drops until the handle is shut down or closed.

        A driver that drops by itself what a filter matches still needs somebody
        to put fragments together.
        """
        with contextlib.suppress(HandleClosedError, ShutdownError):
            while True:
                packets = self.recv(_DRAIN, None)
                with self._books:
                    self._discarded += len(packets)
                packets.release()

    # ---- sending -------------------------------------------------------------

    def send(self, packets: Packets, faults: _Faults) -> int:
        count = len(packets)
        headers, records, rows, dropped = self._claim(packets, faults)
        found = faults if rows is None else np.zeros(len(rows), np.int32)
        sent = 0
        try:
            sent = self._port.inject(headers, records, found)
        finally:
            if rows is not None:
                faults[rows] = found
            with self._lock:
                self._sent += sent
                self._verdict_drops += dropped
                self._send_errors += count - dropped - sent
                self._busy -= 1
                if self._closed:
                    self._idle.notify_all()
        return sent

    def _claim(
        self, packets: Packets, faults: _Faults
    ) -> tuple[Buffer, Buffer, npt.NDArray[np.uint32] | None, int]:
        """The rows to send, their numbers if they are not all, and how many are dropped.

        Releases the batch: one thread gets it. What is returned keeps the
        packets' memory until it has been sent.
        """
        with self._lock:
            self._check_process()
            if self._closed:
                raise HandleClosedError("the handle is closed")
            if self._ending and self._ended & Shutdown.SEND:
                raise ShutdownError("the handle was shut down for sending")
            whole = packets.claim(IMPOSTOR_KINDS, LOOPING)
            if whole is not None:  # as mostly
                self._busy += 1
                return *whole, None, 0
            stays = headers_of(packets)["verdict"] == _DROP
            dropped = int(stays.sum())
            spend_ttl(packets, stays, faults)
            chosen, rows = packets, None
            if stays.any():
                rows = np.flatnonzero(~stays).astype(np.uint32)
                chosen = packets.gather(rows)
            claimed = headers_of(chosen), chosen.records(), rows, dropped
            packets.release()
            self._busy += 1
            return claimed

    # ---- ends ----------------------------------------------------------------

    def shutdown(self, how: Shutdown) -> None:
        with self._lock:
            self._check_process()
            if self._closed:
                raise HandleClosedError("the handle is closed")
            self._ended |= how
            self._ending = True
            if how & Shutdown.RECV:
                self._port.stop()
        self._doorbell.ring()

    def close(self) -> None:
        if os.getpid() != self._owner:
            return  # a child's copy: the parent goes on with it
        with self._lock:
            if self._closed:
                return
            self._closed = self._ending = True
            # Calls are short. If one was torn between its two ends by an exception
            # from a signal, its count stays up, and there is nothing to wait for.
            self._idle.wait_for(lambda: self._busy == 0, timeout=_CALL_SECONDS)
        self._doorbell.ring()  # whoever waits leaves, and lets go of the lock
        with self._receiving:
            try:
                if self._sniffs:
                    self._port.stop()
                else:
                    self._give_back()
            finally:
                with self._lock:
                    self._final_stats = self._stats()
                    self._port.close()

    def _give_back(self) -> None:
        """What was queued and not received goes on as if it had never been taken.

        What waits goes first, while later packets still queue up behind it: a
        driver takes milliseconds to stop, and they would overtake.
        """
        self._return_queued(time.monotonic() + _OVERTAKING_SECONDS)
        self._port.stop()
        self._return_queued(None)
        if self._assembly is not None:
            held = self._assembly.give_up()
            if held is not None:
                self._return(held)

    def _return_queued(self, until: float | None) -> None:
        while (packets := self._take(_DRAIN)) is not None:
            self._return(packets)
            if until is not None and time.monotonic() >= until:
                return

    # ---- parameters, counters, readiness -------------------------------------

    def set_filter(self, filter: Filter) -> None:
        with self._lock:
            self._check_process()
            if self._closed:
                raise HandleClosedError("the handle is closed")
            self._busy += 1
        program = filter.program.to_bytes()
        try:  # for as long as a kernel may take to verify a program, sends go on
            with self._swapping:
                if self._assembly is None:
                    self._port.set_program(program, filter.text)
                else:
                    self._port.set_program(program, filter.text, fragment_kinds(filter))
                    self._assembly.set_filter(filter)
        finally:
            with self._lock:
                self._busy -= 1
                self._idle.notify_all()

    def get_param(self, param: Param) -> int:
        return self._params.get(param)

    def set_param(self, param: Param, value: int) -> None:
        with self._lock:
            most = dict(zip((Param.QUEUE_LENGTH, Param.QUEUE_SIZE), self._geometry, strict=True))
            if value > most.get(param, value):
                raise ValueError(
                    f"{param.name} is {value}; this handle's queues hold {most[param]}: "
                    "open it with as much as will be needed"
                )
            self._params.set(param, value)
            self._port.set_policy(self._params.length, self._params.time, self._params.size)

    def stats(self) -> dict[str, Any]:
        with self._lock:
            return self._final_stats or self._stats()

    def _stats(self) -> dict[str, Any]:
        with self._books:
            produced = self._port.stats()
            consumed = [ring.counters() for ring in self._queues.rings]
            left = 0 if self._left is None else len(self._left) - self._left_at
            waiting, held = self._queues.waiting + left, self._queues.held
            more = self._more
            pieces = NO_FRAGMENTS
            if self._assembly is not None:
                pieces = self._assembly.stats(self._port.now())
        dropped = produced["dropped"]
        dropped["queue_time"] += sum(each["dropped"]["queue_time"] for each in consumed)
        dropped["flag"] += self._discarded
        dropped["fragment_time"] = pieces["timed_out"]
        dropped["fragment_memory"] = pieces["crowded_out"]
        dropped["fragment_invalid"] = pieces["invalid"]
        lost = pieces["timed_out"] + pieces["crowded_out"] + pieces["invalid"]
        # A packet counts once; a fragment for itself while it waits, and if it is lost.
        made = pieces["whole"] - pieces["unwanted"] - pieces["fragments"] + more
        taken = sum(each["delivered"] for each in consumed)
        return {
            **produced,
            "matched": produced["matched"] + made + pieces["held"] + lost,
            "delivered": taken + made - left - self._discarded,
            "waiting": waiting + pieces["held"],
            "held": held,
            "dropped": dropped,
            "fragments": pieces["fragments"],
            "reassembled": pieces["whole"],
            "reassembled_unmatched": pieces["unwanted"],
            "sent": self._sent,
            "send_errors": self._send_errors,
            "verdict_dropped": self._verdict_drops,
            "queue_wait_ns": self._queue_wait,
        }

    def fileno(self) -> int:
        return self._doorbell.fileno()
