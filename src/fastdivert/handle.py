# SPDX-License-Identifier: MIT
"""A handle: packets taken from a host, and given back."""

from __future__ import annotations

import operator
import threading
import time
import warnings
from collections.abc import AsyncIterator, Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from fastdivert._core import Packets
from fastdivert.batch import Batch
from fastdivert.driver import Channel
from fastdivert.dtypes import FAULT_DTYPE
from fastdivert.enums import AddressFlag, ChecksumFlag, Flag, Layer, Param, Shutdown, Verdict
from fastdivert.errors import HandleError, SendError, ShutdownError
from fastdivert.filter import Filter
from fastdivert.filter import compile as compile_filter
from fastdivert.params import LIMITS

_VERDICT_LAST = int(max(Verdict))

#: No ring holds more, so no batch does.
_LONGEST = LIMITS[Param.QUEUE_LENGTH][2]

#: Packets a batch from an iterating handle has at the most, by default.
MAX_BATCH = 1024


class Handle:
    """An open handle; made by ``fastdivert.open``.

    Iterating it gives batches until it is shut down or closed, or (replay) the
    capture ends. Safe to use from several threads.
    """

    def __init__(self, channel: Channel, filter: Filter, priority: int, flags: Flag) -> None:
        self._channel = channel
        self._filter = filter
        self._priority = priority
        self._flags = flags
        self._layer = int(filter.layer)  # an enum's arithmetic takes longer than a packet's
        self._receives = not flags & Flag.SEND_ONLY
        self._sends = not flags & Flag.RECV_ONLY
        self._closed = False
        self.max_batch = MAX_BATCH

    @property
    def filter(self) -> Filter:
        """The filter that the driver evaluates."""
        return self._filter

    @filter.setter
    def filter(self, filter: str | Filter) -> None:
        """Swaps the filter atomically: no packet is lost or seen twice.

        Raises:
            FilterError: it does not compile; the old one stays. ValueError: it
                was compiled for another layer.
        """
        compiled = compile_filter(filter, self.layer) if isinstance(filter, str) else filter
        if compiled.layer != self.layer:
            raise ValueError(
                f"the filter was compiled for {compiled.layer.name}, the handle is at "
                f"{self.layer.name}"
            )
        self._channel.set_filter(compiled)
        self._filter = compiled

    @property
    def layer(self) -> Layer:
        """The layer that the handle was opened at."""
        return self._filter.layer

    @property
    def priority(self) -> int:
        """-30000 to 30000; handles of higher priority see a packet first."""
        return self._priority

    @property
    def flags(self) -> Flag:
        """The flags that the handle was opened with."""
        return self._flags

    # ---- receiving ---------------------------------------------------------

    def recv(self, max_packets: int | None = None, timeout: float | None = None) -> Batch:
        """The next batch: at least one packet, at most max_packets (default ``max_batch``).

        Waits up to timeout seconds (None: for as long as it takes; 0: not at all).

        Raises:
            TimeoutError: nothing came in time.
            ShutdownError: the handle was shut down (or the capture has ended)
                and everything has been received.
            HandleClosedError: the handle is closed, or was while waiting.
            HandleError: opened with SEND_ONLY. RingError: the driver broke the
                ring's rules. ValueError: a bad argument.
        """
        return Batch(self._channel.recv(self._most(max_packets), _seconds(timeout)))

    def _most(self, max_packets: int | None) -> int:
        most = operator.index(self.max_batch if max_packets is None else max_packets)
        if most < 1:
            raise ValueError(f"max_packets is {most}; at least 1 is needed")
        if not self._receives:
            raise HandleError("the handle was opened with SEND_ONLY: it receives nothing")
        return most if most < _LONGEST else _LONGEST

    def __iter__(self) -> Iterator[Batch]:
        while True:
            try:
                batch = self.recv()
            except ShutdownError:
                return
            yield batch
            del batch  # our own hold on the slots ends before we wait for more

    async def recv_async(
        self, max_packets: int | None = None, timeout: float | None = None
    ) -> Batch:
        """``recv`` for asyncio: waits in the event loop, in no thread."""
        most, limit = self._most(max_packets), _seconds(timeout)
        deadline = None if limit is None else time.monotonic() + limit
        while True:
            try:
                return Batch(self._channel.recv(most, 0))
            except TimeoutError:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise
            await self._channel.ready(left)

    async def __aiter__(self) -> AsyncIterator[Batch]:
        while True:
            try:
                batch = await self.recv_async()
            except ShutdownError:
                return
            yield batch
            del batch

    # ---- sending -----------------------------------------------------------

    def send(
        self,
        packets: Batch | bytes | bytearray | memoryview | Sequence[bytes | bytearray | memoryview],
        addresses: npt.ArrayLike | None = None,
        *,
        faults: npt.NDArray[np.int32] | None = None,
    ) -> int:
        """Puts packets back into the stack in one call; returns how many.

        A batch goes without the packets whose verdict is DROP, and is released:
        using it afterwards raises ReleasedError. Bytes, or a sequence of bytes,
        are made-up packets; addresses (ADDRESS_DTYPE) say where they go: Outbound
        in Flags which way, IfIdx the interface (outbound and forwarded, 0: that of
        the host's route). With them, checksums whose flag is not set there are computed.

        A packet that cannot be sent stops no other. faults, an int32 array of as
        many elements, gets its errno (0: sent, or left out as dropped); without
        it SendError is raised once all others have been sent.

        Raises:
            SendError: some could not be sent; it names each.
            HandleClosedError: the handle is closed. ShutdownError: it was shut
                down for sending. HandleError: opened with RECV_ONLY.
            ReleasedError: the batch was sent before. ValueError: a batch of
                another layer, a verdict that does not exist, wrong addresses.
        """
        if not self._sends:
            raise HandleError("the handle was opened with RECV_ONLY: it sends nothing")
        if isinstance(packets, Batch):
            self._check_batch(packets)
            if addresses is not None:
                packets.addresses = addresses
            return self._send(packets._packets, faults)
        one = isinstance(packets, (bytes, bytearray, memoryview, np.ndarray))
        sequence: Any = [packets] if one else packets
        made = Batch.from_packets(sequence, addresses, layer=self.layer)
        if addresses is not None:
            _complete_checksums(made)
        return self._send(made._packets, faults)

    def _send(self, packets: Packets, faults: npt.NDArray[np.int32] | None) -> int:
        count = len(packets)
        if faults is not None:
            _check_faults(faults, count)
            faults[...] = 0
            return self._channel.send(packets, faults)
        found = np.zeros(count, np.int32)
        sent = self._channel.send(packets, found)
        if sent != count and found.any():
            rows = np.flatnonzero(found)
            error = np.empty(len(rows), FAULT_DTYPE)
            error["row"], error["errno"] = rows, found[rows]
            raise SendError(error, sent)
        return sent

    def _check_batch(self, batch: Batch) -> None:
        packets = batch._packets
        if packets.layer != self._layer:
            raise ValueError(f"a batch of {batch.layer.name} cannot be sent at {self.layer.name}")
        row = packets.check_verdicts(_VERDICT_LAST)
        if row >= 0:
            raise ValueError(f"packet {row} has verdict {batch.verdicts[row]}; no Verdict is that")

    # ---- the rest of its life ----------------------------------------------

    def shutdown(self, how: Shutdown = Shutdown.BOTH) -> None:
        """Stops receiving (what waits can still be received), sending, or both."""
        if how not in (Shutdown.RECV, Shutdown.SEND, Shutdown.BOTH):
            raise ValueError(f"shutdown: {how!r} is neither RECV nor SEND nor BOTH")
        self._channel.shutdown(Shutdown(how))

    def close(self) -> None:
        """Closes the handle; idempotent. Packets that were not received go back to the stack.

        Whoever waits in ``recv`` gets HandleClosedError. Batches and arrays that
        were taken stay valid.
        """
        self._closed = True
        self._channel.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self.close()

    def __enter__(self) -> Handle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def get_param(self, param: Param) -> int:
        """A queue parameter (WinDivertGetParam): packets, milliseconds or bytes; or the version."""
        return self._channel.get_param(Param(param))

    def set_param(self, param: Param, value: int) -> None:
        """Sets a queue parameter. Raises ValueError if it is out of range or cannot be set."""
        self._channel.set_param(Param(param), value)

    def stats(self) -> dict[str, Any]:
        """Every counter since the handle was opened; see docs/statistics.md.

        ``matched == delivered + waiting + sum(dropped.values())``, exactly.
        """
        return self._channel.stats()

    def fileno(self) -> int:
        """A descriptor that is readable when packets wait, for select and poll.

        Raises:
            HandleError: this driver has none.
        """
        return self._channel.fileno()

    def __repr__(self) -> str:
        return f"<Handle {self._filter.text!r} at {self.layer.name}, priority {self._priority}>"


#: A checksum's flag in an address, and what computes no other.
_CHECKSUMS = {
    AddressFlag.IP_CHECKSUM: ChecksumFlag.NO_TCP | ChecksumFlag.NO_UDP,
    AddressFlag.TCP_CHECKSUM: ChecksumFlag.NO_IP | ChecksumFlag.NO_UDP,
    AddressFlag.UDP_CHECKSUM: ChecksumFlag.NO_IP | ChecksumFlag.NO_TCP,
}


def _complete_checksums(made: Batch) -> None:
    """As WinDivert does: a made-up packet's checksums are right, or said not to be."""
    if made.layer > Layer.NETWORK_FORWARD:
        return
    flags = made.addresses["Flags"]
    for flag, others in _CHECKSUMS.items():
        missing = (flags & int(flag)) == 0
        if missing.any():
            others |= ChecksumFlag.NO_ICMP | ChecksumFlag.NO_ICMPV6
            made.select(missing).checksums("update", others)


def _check_faults(faults: npt.NDArray[np.int32], count: int) -> None:
    if faults.dtype != np.int32 or faults.shape != (count,) or not faults.flags.c_contiguous:
        raise ValueError(
            f"faults is {faults.dtype} of shape {faults.shape}; "
            f"contiguous int32 of ({count},) is needed"
        )


def _seconds(timeout: float | None) -> float | None:
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout is {timeout}; seconds from 0, or None, are needed")
    return None if timeout is None else min(timeout, threading.TIMEOUT_MAX)
