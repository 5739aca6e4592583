# SPDX-License-Identifier: MIT
"""One handle's end of a replay: its queue, its filter, its counters."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastdivert._core import Packets, Ring
from fastdivert.driver import resolve
from fastdivert.dtypes import headers_of
from fastdivert.enums import Flag, HeaderFlag, Param, Shutdown, Verdict
from fastdivert.errors import HandleClosedError, HandleError, ShutdownError
from fastdivert.filter import Filter
from fastdivert.impostors import spend_ttl
from fastdivert.params import LIMITS, QueueParams, power_of_two

if TYPE_CHECKING:
    import asyncio

    from fastdivert.replay.host import Replay

_EVER = -(1 << 63)  # expire nothing
_QUEUED, _DROPPED = 1, 2  # enum fd_produce_outcome

#: How often a waiter looks whether somebody has let go of slots; that has no bell.
_HELD_POLL = 0.01


class ReplayChannel:
    """A driver channel (see ``driver.Channel``) on a Replay."""

    def __init__(
        self, host: Replay, filter: Filter, priority: int, flags: Flag, params: QueueParams
    ) -> None:
        self.host = host
        self.priority = priority
        self.inbox: deque[tuple[Packets, int, bool]] = deque()  # packets, next row, touched
        self._program = filter.core_program
        self._flags = flags
        self._params = params
        self._rings = [self._make_ring()]  # the last one is filled, the first one drained
        self._ended = Shutdown(0)
        self._closed = False
        self._full_since: float | None = None  # with slots held, and nothing to receive
        self._callbacks: list[Callable[[], None]] = []
        self._sent = self._send_errors = self._verdict_drops = self._flag_drops = (
            self._queue_wait
        ) = 0
        self._retired: Counter[str] = Counter()  # of rings that were replaced
        self._retired_drops: Counter[str] = Counter()
        host.join(self)

    # ---- the producer's side: with host.changed held -------------------------

    def judge(self) -> bool:
        """Runs the filter over what waits in the inbox; False if the queue is full."""
        packets, begin, touched = self.inbox.popleft()
        if self._ended & Shutdown.RECV or self._flags & Flag.SEND_ONLY:
            self.host.pass_on(self, _rows(packets, begin, len(packets)), touched, True)
            return True
        outcome = np.empty(len(packets), np.uint8)
        sniff = bool(self._flags & Flag.SNIFF)
        end = self._rings[-1].produce(
            self._program,
            packets,
            begin,
            not self.host.paced,
            bool(self._flags & Flag.DROP),
            int(HeaderFlag.SNIFFED) if sniff else 0,
            outcome,
        )
        if end < len(packets):
            self.inbox.appendleft((packets, end, touched))
        judged = outcome[begin:end]
        gone = judged == _DROPPED
        stays = gone | (judged == _QUEUED)
        if self._flags & Flag.DROP:
            self._flag_drops += int(gone.sum())
        if sniff:
            stays[:] = gone[:] = False
        if gone.any():
            self.host.lose(packets.gather(_index(gone, begin)))
        if not stays.all():
            self.host.pass_on(self, packets.gather(_index(~stays, begin)), touched, True)
        return end > begin

    def _make_ring(self) -> Ring:
        # Twice what may wait, so that a full queue can fill up again while the
        # user has what was in it.
        ring = Ring.create(
            min(2 * power_of_two(self._params.length), LIMITS[Param.QUEUE_LENGTH][2]),
            min(2 * power_of_two(self._params.size), LIMITS[Param.QUEUE_SIZE][2]),
        )
        ring.set_policy(self._params.length, self._params.time, self._params.size)
        return ring

    # ---- receiving -----------------------------------------------------------

    def recv(self, most: int, timeout: float | None) -> Packets:
        deadline = None if timeout is None else time.monotonic() + timeout
        self.host.check_process()
        with self.host.changed:
            while True:
                packets = self._try_recv(most)
                now = time.monotonic()
                self._complain_if_held(now, packets)
                if packets is not None:
                    return packets
                if deadline is not None and now >= deadline:
                    raise TimeoutError("no packet came in time")
                wait = self.retry_after()
                if deadline is not None:
                    wait = deadline - now if wait is None else min(wait, deadline - now)
                self.host.changed.wait(wait)

    def retry_after(self) -> float | None:
        with self.host.changed:
            wait = self.host.next_due() if self.host.paced else None
            # Not _held(): what was let go since the last try is worth another one now.
            if self.host.exhausted or self.inbox:
                wait = _HELD_POLL if wait is None else min(wait, _HELD_POLL)
            return wait

    def _try_recv(self, most: int) -> Packets | None:
        """Packets, or None if it is worth waiting for some."""
        while True:
            if self._closed:
                raise HandleClosedError("the handle is closed")
            packets = self._take(most)
            if packets is not None:
                return packets
            if self._ended & Shutdown.RECV:
                raise ShutdownError("the handle was shut down and everything has been received")
            if self.host.feed(self):
                continue
            if self._is_over():
                raise ShutdownError("the capture has ended and everything has been received")
            return None

    def _take(self, most: int) -> Packets | None:
        oldest = _EVER
        if self.host.paced:
            oldest = max(_EVER, self.host.now() - self._params.time * 1_000_000)
        for ring in self._rings:
            packets = ring.take(most, oldest)
            if packets is not None:
                self._note_wait(packets)
                return packets
        while len(self._rings) > 1 and not self._rings[0].held:
            # Drained and nobody's: its counters are final.
            _add(self._retired, self._retired_drops, self._rings.pop(0).counters())
        return None

    def _note_wait(self, packets: Packets) -> None:
        if self.host.paced:
            first = headers_of(packets)["timestamp"][0]
            self._queue_wait = max(0, self.host.now() - int(first))

    def _is_over(self) -> bool:
        """Nothing can come any more: the source has ended and nobody above holds packets."""
        if not self.host.exhausted or self.host.next_due() is not None:
            return False
        above = self.host.channels[: self.host.channels.index(self) + 1]
        return not any(channel.inbox for channel in above) and not any(
            channel.busy for channel in above[:-1]
        )

    @property
    def busy(self) -> bool:
        """Whether packets are in the queue or with the user."""
        return any(ring.waiting or ring.held for ring in self._rings)

    def _held(self) -> int:
        return sum(ring.held for ring in self._rings) if self.inbox else 0

    def _complain_if_held(self, now: float, packets: Packets | None) -> None:
        if packets is not None or self.host.paced or not self._held():
            self._full_since = None
            return
        self._full_since = now if self._full_since is None else self._full_since
        seconds = now - self._full_since
        if seconds * 1000 > self._params.time:
            raise HandleError(
                f"the queue has been full for {seconds:.1f} s: {self._held()} packets are held "
                "by batches or arrays; send or release batches, and copy() what you keep"
            )

    # ---- sending -------------------------------------------------------------

    def send(self, packets: Packets, faults: npt.NDArray[np.int32]) -> int:
        self.host.check_process()
        with self.host.changed:
            if self._closed:
                raise HandleClosedError("the handle is closed")
            if self._ended & Shutdown.SEND:
                raise ShutdownError("the handle was shut down for sending")
            given = packets
            headers = headers_of(packets)
            drop = headers["verdict"] == Verdict.DROP
            dropped = int(drop.sum())
            spend_ttl(packets, drop, faults)
            if drop.any():
                self._verdict_drops += dropped
                self._send_errors += int(drop.sum()) - dropped
                self.host.lose(packets.gather(_index(drop, 0)))
                packets = packets.gather(_index(~drop, 0))
                headers = headers_of(packets)
            self._sent += len(packets)
            headers["flags"] |= int(HeaderFlag.IMPOSTOR | HeaderFlag.REINJECTED)
            sent = len(packets)
            self.host.pass_on(self, packets, True, False)
            given.release()
            self.host.changed.notify_all()
            return sent

    # ---- ends ----------------------------------------------------------------

    def shutdown(self, how: Shutdown) -> None:
        self.host.check_process()
        with self.host.changed:
            if self._closed:
                raise HandleClosedError("the handle is closed")
            self._ended |= how
        self._wake()

    def close(self) -> None:
        if self.host.is_elsewhere:
            return
        with self.host.changed:
            if self._closed:
                return
            self._closed = True
            try:
                self._give_back()
            finally:
                self.host.part(self)
                self._wake()

    def _give_back(self) -> None:
        """What was queued and what had not been judged goes on as if never seen."""
        for ring in self._rings:
            while (packets := ring.take(1 << 16, _EVER)) is not None:
                if not self._flags & Flag.SNIFF:
                    self.host.pass_on(self, packets, True, False)
        while self.inbox:
            packets, begin, touched = self.inbox.popleft()
            self.host.pass_on(self, _rows(packets, begin, len(packets)), touched, True)

    def _wake(self) -> None:
        with self.host.changed:
            self.host.changed.notify_all()
            waiting = [channel._callbacks for channel in (*self.host.channels, self)]
            callbacks = [callback for listed in waiting for callback in listed]
            for listed in waiting:
                listed.clear()
        for callback in callbacks:
            callback()

    # ---- parameters, counters, readiness -------------------------------------

    def set_filter(self, filter: Filter) -> None:
        with self.host.changed:
            self._program = filter.core_program

    def get_param(self, param: Param) -> int:
        return self._params.get(param)

    def set_param(self, param: Param, value: int) -> None:
        with self.host.changed:
            before = power_of_two(self._params.length), power_of_two(self._params.size)
            self._params.set(param, value)
            after = power_of_two(self._params.length), power_of_two(self._params.size)
            if after[0] > before[0] or after[1] > before[1]:
                self._rings.append(self._make_ring())
            else:
                self._rings[-1].set_policy(
                    self._params.length, self._params.time, self._params.size
                )

    def stats(self) -> dict[str, Any]:
        with self.host.changed:
            total = self._retired.copy()
            dropped = self._retired_drops.copy()
            for ring in self._rings:
                _add(total, dropped, ring.counters())
            return {
                **total,
                "matched": total["matched"] + self._flag_drops,
                "waiting": sum(ring.waiting for ring in self._rings),
                "held": sum(ring.held for ring in self._rings),
                "dropped": {**dropped, "flag": self._flag_drops},
                "sent": self._sent,
                "send_errors": self._send_errors,
                "verdict_dropped": self._verdict_drops,
                "queue_wait_ns": self._queue_wait,
            }

    def fileno(self) -> int:
        raise HandleError("the replay driver has no file descriptor: use recv, or async for")

    async def ready(self, timeout: float | None) -> None:
        import asyncio  # 30 ms that most programs never need

        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        callback = partial(_resolve_soon, loop, ready)
        with self.host.changed:
            self._callbacks.append(callback)
            retry = self.retry_after()
        waits = [seconds for seconds in (timeout, retry) if seconds is not None]
        try:
            await asyncio.wait((ready,), timeout=min(waits, default=None))
        finally:
            with self.host.changed:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)


def _resolve_soon(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    """Wakes who waits in an event loop, from any thread."""
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(resolve, future)


def _add(total: Counter[str], dropped: Counter[str], counters: dict[str, Any]) -> None:
    dropped.update(counters.pop("dropped"))
    total.update(counters)


def _index(mask: npt.NDArray[np.bool_], begin: int) -> npt.NDArray[np.uint32]:
    return (np.flatnonzero(mask) + begin).astype(np.uint32)


def _rows(packets: Packets, begin: int, end: int) -> Packets:
    if (begin, end) == (0, len(packets)):
        return packets
    return packets.gather(np.arange(begin, end, dtype=np.uint32))
