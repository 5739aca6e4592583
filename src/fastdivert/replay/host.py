# SPDX-License-Identifier: MIT
"""The host of a replay: a capture, the handles that are open on it, and a sink."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Literal

import numpy as np

from fastdivert._core import Packets
from fastdivert.batch import Batch
from fastdivert.dtypes import headers_of
from fastdivert.errors import HandleError
from fastdivert.replay.order import Order, Sink, sequences_of

if TYPE_CHECKING:
    from fastdivert.replay.channel import ReplayChannel

Path = str | PathLike[str]


Source = Path | Batch | Iterable[Batch]


class Replay:
    """A capture that plays the part of a host's traffic.

    Several handles can be open on one replay, as on one host: each packet is
    offered to the handle of the highest priority first, then to the next, and
    what none keeps goes to the sink, in the order of the capture.

    Args:
        source: a capture file, a batch, or an iterable of batches; it is read
            when a handle receives, and while it does not answer, neither do the
            handles.
        sink: a capture file to write, an object with ``write(batch)`` and
            ``close()``, a function of a batch, or None. The batch is theirs for
            the time of the call: ``copy()`` what is to be kept.
        pace: False: as fast as packets are received, and none is ever lost to a
            full queue. True, or a factor: at the capture's own timestamps times
            the factor; queues overflow and time out as they do live.
        unmatched: what becomes of packets that no filter matches: "pass" writes
            them to the sink, "discard" does not.

    Raises:
        CaptureError: the source is no capture. OSError: a file cannot be opened.
    """

    def __init__(
        self,
        source: Source,
        sink: Path | Sink | Callable[[Batch], object] | None = None,
        *,
        pace: bool | float = False,
        unmatched: Literal["pass", "discard"] = "pass",
    ) -> None:
        if unmatched not in ("pass", "discard"):
            raise ValueError(f"unmatched is {unmatched!r}; 'pass' or 'discard' is needed")
        if pace is not False and not float(pace) > 0:
            raise ValueError(f"pace is {pace}; a factor above 0 is needed")
        self._process = os.getpid()
        self.changed = threading.Condition(threading.RLock())
        self.channels: list[ReplayChannel] = []  # highest priority first
        self.paced = pace is not False
        self.exhausted = False
        self.passed = 0  # packets that left
        self._source, self._batches = _open_source(source)
        self._pace = float(pace)
        self._keep_unmatched = unmatched == "pass"
        self._sink = _open_sink(sink)
        self._order = None if self._sink is None else Order(self._sink)
        self._chunk: Packets | None = None
        self._cursor = 0
        self._sequence = 0
        self._epoch: tuple[float, int] | None = None  # monotonic seconds, capture ns
        self._finished = False

    # ---- packets through the host: all with self.changed held ----------------

    def feed(self, channel: ReplayChannel) -> bool:
        """Moves packets towards channel; False if nothing could be moved now."""
        while True:
            if channel.inbox:
                return channel.judge()
            at = self.channels.index(channel)
            if at == 0:
                return self._read(channel)
            channel = self.channels[at - 1]

    def pass_on(self, channel: ReplayChannel, packets: Packets, touched: bool, keep: bool) -> None:
        """Packets that channel does not keep: to the next handle, or out.

        touched says that a handle sent them; keep that their memory lives on.
        """
        if not len(packets):
            return
        at = self.channels.index(channel) + 1
        if at < len(self.channels):
            follower = self.channels[at]
            follower.inbox.append((packets if keep else packets.copy(), 0, touched))
            self.changed.notify_all()
            return
        leaves = touched or self._keep_unmatched
        if leaves:
            self.passed += len(packets)
        if self._order is None:
            return
        if leaves:
            self._order.leave(packets, keep)
        else:
            self._order.lose(sequences_of(packets))

    def lose(self, packets: Packets) -> None:
        """Packets that a handle dropped."""
        if self._order is not None:
            self._order.lose(sequences_of(packets))

    def _read(self, first: ReplayChannel) -> bool:
        if self._chunk is None and not self._next_chunk():
            return False
        packets, begin = self._chunk, self._cursor
        assert packets is not None
        end = self._due(packets, begin)
        if end == begin:
            return False
        if (begin, end) != (0, len(packets)):
            packets = packets.gather(np.arange(begin, end, dtype=np.uint32))
        self._cursor = end
        if end == len(self._chunk or ()):
            self._chunk = None
        first.inbox.append((packets, 0, False))
        return True

    def _next_chunk(self) -> bool:
        if self.exhausted:
            return False
        try:
            packets = self._next_packets()
        except BaseException as error:
            # The end, or a fault: either way nothing comes after it.
            self.exhausted = True
            self.changed.notify_all()
            if isinstance(error, StopIteration):
                return False
            raise
        sequences = sequences_of(packets)
        sequences[:] = np.arange(self._sequence, self._sequence + len(packets), dtype=np.uint32)
        if self._order is not None:
            self._order.begin(self._sequence, len(packets))
        self._sequence += len(packets)
        self._chunk, self._cursor = packets, 0
        return True

    def _next_packets(self) -> Packets:
        """The next batch of the source that has packets, with headers that are ours to number."""
        batch = next(self._batches)
        while isinstance(batch, Batch) and not len(batch):
            batch = next(self._batches)
        if not isinstance(batch, Batch):
            raise TypeError(f"the source gave {type(batch).__name__}; it must give batches")
        packets = batch._packets
        if self._source is not None:  # a reader's batches are nobody else's
            return packets
        return packets.gather(np.arange(len(packets), dtype=np.uint32))

    # ---- pace ----------------------------------------------------------------

    def _due(self, packets: Packets, begin: int) -> int:
        """The first row from begin on whose time has not come."""
        if not self.paced:
            return len(packets)
        stamps = headers_of(packets)["timestamp"]
        if self._epoch is None:
            self._epoch = (time.monotonic(), int(stamps[begin]))
        later = np.flatnonzero(stamps[begin:] > self.now())
        return begin + int(later[0]) if len(later) else len(packets)

    def now(self) -> int:
        """The time in the capture, in ns."""
        if self._epoch is None:
            return 0
        start, first = self._epoch
        return first + int((time.monotonic() - start) * self._pace * 1e9)

    def next_due(self) -> float | None:
        """Seconds until the next packet of the source is due; None if none is known."""
        if self._chunk is None or self._epoch is None or self._cursor >= len(self._chunk):
            return None
        stamps = headers_of(self._chunk)
        ahead = int(stamps["timestamp"][self._cursor]) - self.now()
        return max(0.0, ahead / 1e9 / self._pace)

    # ---- processes -----------------------------------------------------------

    @property
    def is_elsewhere(self) -> bool:
        """Whether this is the copy that a fork made: source and sink belong to the parent."""
        return os.getpid() != self._process

    def check_process(self) -> None:
        if self.is_elsewhere:
            raise HandleError(
                f"the handle was opened in process {self._process} and stays there: "
                "open one after the fork"
            )

    # ---- handles come and go -------------------------------------------------

    def join(self, channel: ReplayChannel) -> None:
        with self.changed:
            if self._finished:
                raise ValueError("this replay is over: its last handle was closed")
            at = sum(other.priority >= channel.priority for other in self.channels)
            self.channels.insert(at, channel)

    def part(self, channel: ReplayChannel) -> None:
        """Takes a handle away; with the last one the replay ends."""
        with self.changed:
            self.channels.remove(channel)
            if self.channels:
                return
            self._finished = True
            try:
                if self._order is not None:
                    self._order.finish()
            finally:
                for end in (self._sink, self._source):
                    close = getattr(end, "close", None)
                    if close is not None:
                        close()


class _FunctionSink:
    def __init__(self, function: Callable[[Batch], object]) -> None:
        self.write = function

    def close(self) -> None:
        pass


def _open_source(source: Source) -> tuple[object, Iterator[Batch]]:
    if isinstance(source, Batch):
        return None, iter((source,))
    if isinstance(source, (str, PathLike)):
        from fastdivert.pcap import read_pcap

        reader = read_pcap(source)
        return reader, iter(reader)
    return None, iter(source)


def _open_sink(sink: Path | Sink | Callable[[Batch], object] | None) -> Sink | None:
    if sink is None or isinstance(sink, Sink):
        return sink
    if isinstance(sink, (str, PathLike)):
        from fastdivert.pcap import CaptureWriter

        return CaptureWriter(sink)
    if not callable(sink):
        raise TypeError(
            f"sink is {type(sink).__name__}; a path, a function of a batch, "
            "or an object with write and close is needed"
        )
    return _FunctionSink(sink)
