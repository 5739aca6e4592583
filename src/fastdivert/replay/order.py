# SPDX-License-Identifier: MIT
"""Packets leave a replay in the order in which they came.

A packet that no filter matches is ready at once, one that was diverted only
when it is sent, so without this a written capture would be out of order by up
to a queue's length. The capture is followed in chunks: a chunk is written, in
order, when each of its packets has left or is known to be lost. A batch that is
never sent would hold its chunk for ever, so only so many packets may wait.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from fastdivert._core import Packets
from fastdivert.batch import Batch
from fastdivert.dtypes import headers_of

#: The sequence of a packet that did not come from the capture.
NO_SEQUENCE = 0xFFFFFFFF

#: Packets of the capture, and chunks of them, that may wait for one before them.
PACKETS_WAITING = 131072
CHUNKS_WAITING = 4096


@runtime_checkable
class Sink(Protocol):
    """Where packets go that leave the replay: a CaptureWriter, or anything like it."""

    def write(self, batch: Batch, /) -> object: ...
    def close(self) -> None: ...


def sequences_of(packets: Packets) -> npt.NDArray[np.uint32]:
    """The sequence of each row: a view of the descriptors."""
    sequences: npt.NDArray[np.uint32] = headers_of(packets)["sequence"]
    return sequences


class _Chunk:
    __slots__ = ("count", "first", "left", "parts")

    def __init__(self, first: int, count: int) -> None:
        self.first = first
        self.count = count
        self.left = count  # neither left yet nor lost
        self.parts: list[Packets] = []


class Order:
    """Collects what leaves, and writes it chunk by chunk."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._chunks: deque[_Chunk] = deque()
        self._waiting = 0  # packets of them all

    def begin(self, first: int, count: int) -> None:
        """A new chunk of the capture: count packets, numbered from first."""
        self._chunks.append(_Chunk(first, count))
        self._waiting += count
        while len(self._chunks) > 1 and (
            self._waiting > PACKETS_WAITING or len(self._chunks) > CHUNKS_WAITING
        ):
            self._flush_oldest()

    def leave(self, packets: Packets, keep: bool) -> None:
        """Packets that leave; keep says that their memory outlives this call."""
        for chunk, part in self._by_chunk(packets, sequences_of(packets)):
            if chunk is None:
                self._sink.write(Batch(part))
                continue
            chunk.left -= len(part)
            ready = chunk is self._chunks[0] and chunk.left <= 0
            chunk.parts.append(part if keep or ready else part.copy())
            self._flush_ready()

    def lose(self, sequences: npt.NDArray[np.uint32]) -> None:
        """Packets of the capture that will not leave."""
        for sequence in sequences.tolist():
            chunk = self._chunk_of(sequence)
            if chunk is not None:
                chunk.left -= 1
        self._flush_ready()

    def finish(self) -> None:
        """Writes everything that has left."""
        while self._chunks:
            self._flush_oldest()

    def _chunk_of(self, sequence: int) -> _Chunk | None:
        if sequence == NO_SEQUENCE:
            return None
        for chunk in reversed(self._chunks):
            if chunk.first <= sequence:
                return chunk
        return None

    def _by_chunk(
        self, packets: Packets, sequences: npt.NDArray[np.uint32]
    ) -> list[tuple[_Chunk | None, Packets]]:
        """packets in runs that belong to one chunk; None: to none that waits."""
        if not len(sequences):
            return []
        lowest = self._chunk_of(int(sequences.min()))
        if lowest is self._chunk_of(int(sequences.max())):
            return [(lowest, packets)]
        firsts = np.array([chunk.first for chunk in self._chunks], np.int64)
        which = np.searchsorted(firsts, sequences, side="right") - 1
        which[sequences == NO_SEQUENCE] = -1
        cuts = np.flatnonzero(np.diff(which)) + 1
        runs = np.split(np.arange(len(sequences), dtype=np.uint32), cuts)
        return [
            (self._chunks[which[run[0]]] if which[run[0]] >= 0 else None, packets.gather(run))
            for run in runs
        ]

    def _flush_ready(self) -> None:
        while self._chunks and self._chunks[0].left <= 0:
            self._flush_oldest()

    def _flush_oldest(self) -> None:
        chunk = self._chunks.popleft()
        self._waiting -= chunk.count
        if not chunk.parts:
            return
        packets = chunk.parts[0] if len(chunk.parts) == 1 else Packets.concat(chunk.parts)
        sequences = sequences_of(packets)
        if (sequences[1:] < sequences[:-1]).any():
            order = np.argsort(sequences, kind="stable").astype(np.uint32)
            packets = packets.gather(order)
        self._sink.write(Batch(packets))
