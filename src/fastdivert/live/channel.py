# SPDX-License-Identifier: MIT
"""One handle's end of a live driver: its queues, and the way back. The same on every system."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastdivert._core import Packets, Queues
from fastdivert.dtypes import headers_of
from fastdivert.enums import Param, Shutdown, Verdict
from fastdivert.errors import HandleClosedError, HandleError, ShutdownError
from fastdivert.filter import Filter
from fastdivert.live.port import Doorbell, Port
from fastdivert.params import QueueParams, power_of_two

if TYPE_CHECKING:
    from typing_extensions import Buffer

_Headers = npt.NDArray[np.void]

_DROP = int(Verdict.DROP)  # numpy compares with an enum five times slower

#: Looks at the queues of one spin: some 50 us, then signals have their turn.
_SPIN_TURNS = 1000

#: Longer than any call that puts packets back can take.
_SEND_SECONDS = 5.0

#: Packets that one step of closing gives back.
_DRAIN = 1024


class LiveChannel:
    """A driver channel (see ``driver.Channel``) on a port of the host's own driver.

    Args:
        port: the handle as the driver has it; closed with the channel.
        doorbell: what rings when a queue whose consumer sleeps has a record.
        params: those that the port was opened with.
        sniffs: the packets are copies, so that closing has nothing to give back.
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
    ) -> None:
        self._port = port
        self._doorbell = doorbell
        self._params = params
        self._geometry = power_of_two(params.length), power_of_two(params.size)
        self._sniffs = sniffs
        self._busy_poll = busy_poll
        self._queues = Queues(port.queues)
        self._receiving = threading.Lock()  # one thread takes and waits at a time
        self._state = threading.Condition()  # guards what follows; notified as sends end
        self._sending = 0  # threads that are putting packets back right now
        self._ended = Shutdown(0)
        self._ending = False  # shut down or closed: whoever waits must look why
        self._closed = False
        self._owner = os.getpid()
        self._final_stats: dict[str, Any] | None = None  # of a closed handle
        self._sent = self._verdict_drops = self._send_errors = self._queue_wait = 0

    # ---- receiving -----------------------------------------------------------

    def recv(self, most: int, timeout: float | None) -> Packets:
        deadline = None if timeout is None else time.monotonic() + timeout
        with _locked(self._receiving, timeout):
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
        oldest = self._port.now() - self._params.time * 1_000_000
        packets = self._queues.take(most, oldest)
        if packets is not None:
            self._queue_wait = max(0, self._port.now() - packets.timestamp)
        return packets

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

    # ---- sending -------------------------------------------------------------

    def send(self, packets: Packets) -> int:
        headers, records, dropped = self._claim(packets)
        sent = 0
        try:
            sent = self._inject(headers, records)
        finally:
            with self._state:
                self._sent += sent
                self._verdict_drops += dropped
                self._send_errors += len(headers) - sent
                self._sending -= 1
                self._state.notify_all()
        return sent

    def _claim(self, packets: Packets) -> tuple[_Headers, Buffer, int]:
        """The rows to send, and how many are dropped. Releases the batch: one thread gets it.

        What is returned keeps the packets' memory until it has been sent.
        """
        with self._state:
            self._check_process()
            if self._closed:
                raise HandleClosedError("the handle is closed")
            if self._ended & Shutdown.SEND:
                raise ShutdownError("the handle was shut down for sending")
            drop = headers_of(packets)["verdict"] == _DROP
            dropped = int(drop.sum())
            chosen = packets
            if dropped:
                chosen = packets.gather(np.flatnonzero(~drop).astype(np.uint32))
            claimed = headers_of(chosen), chosen.records(), dropped
            packets.release()
            self._sending += 1
            return claimed

    def _inject(self, headers: _Headers, records: Buffer) -> int:
        faults = np.zeros(len(headers), np.int32)
        sent: int = self._port.inject(headers, records, faults)
        return sent

    # ---- ends ----------------------------------------------------------------

    def shutdown(self, how: Shutdown) -> None:
        with self._state:
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
        with self._state:
            if self._closed:
                return
            self._port.stop()
            self._closed = self._ending = True
            # Sends are short. If one was torn between its two ends by an exception
            # from a signal, its count stays up, and there is nothing to wait for.
            self._state.wait_for(lambda: self._sending == 0, timeout=_SEND_SECONDS)
        self._doorbell.ring()  # whoever waits leaves, and lets go of the lock
        with self._receiving:
            if not self._sniffs:
                self._give_back()
            with self._state:
                self._final_stats = self._stats()
                self._port.close()

    def _give_back(self) -> None:
        """What was queued and not received goes on as if it had never been taken."""
        while (packets := self._take(_DRAIN)) is not None:
            self._inject(headers_of(packets), packets.records())

    # ---- parameters, counters, readiness -------------------------------------

    def set_filter(self, filter: Filter) -> None:
        with self._state:
            self._check_process()
            if self._closed:
                raise HandleClosedError("the handle is closed")
            self._port.set_program(filter.program.to_bytes(), filter.text)

    def get_param(self, param: Param) -> int:
        return self._params.get(param)

    def set_param(self, param: Param, value: int) -> None:
        with self._state:
            most = dict(zip((Param.QUEUE_LENGTH, Param.QUEUE_SIZE), self._geometry, strict=True))
            if value > most.get(param, value):
                raise ValueError(
                    f"{param.name} is {value}; this handle's queues hold {most[param]}: "
                    "open it with as much as will be needed"
                )
            self._params.set(param, value)
            self._port.set_policy(self._params.length, self._params.time, self._params.size)

    def stats(self) -> dict[str, Any]:
        with self._state:
            return self._final_stats or self._stats()

    def _stats(self) -> dict[str, Any]:
        produced = self._port.stats()
        consumed = [ring.counters() for ring in self._queues.rings]
        dropped = produced["dropped"]
        dropped["queue_time"] += sum(each["dropped"]["queue_time"] for each in consumed)
        return {
            **produced,
            "delivered": sum(each["delivered"] for each in consumed),
            "waiting": self._queues.waiting,
            "held": self._queues.held,
            "dropped": dropped,
            "sent": self._sent,
            "send_errors": self._send_errors,
            "verdict_dropped": self._verdict_drops,
            "queue_wait_ns": self._queue_wait,
        }

    def fileno(self) -> int:
        return self._doorbell.fileno()


@contextlib.contextmanager
def _locked(lock: threading.Lock, timeout: float | None) -> Iterator[None]:
    """Holds a lock that is waited for no longer than timeout seconds."""
    if not lock.acquire(timeout=-1 if timeout is None else timeout):
        raise TimeoutError("another thread is receiving on this handle")
    try:
        yield
    finally:
        lock.release()
