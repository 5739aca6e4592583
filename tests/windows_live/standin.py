# SPDX-License-Identifier: MIT
"""The test's side of the stand-in filter engine (driver/windows/wine): packets in, packets out."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import BinaryIO

PIPE = r"\\.\pipe\fastdivert-standin"

LOOPBACK = 0x01  # FWP_CONDITION_FLAG_IS_LOOPBACK

_REQUEST = struct.Struct("<11I")
_REPLY = struct.Struct("<6I")
_STATE = struct.Struct("<10I96s")
_OFFER, _TAKE, _STATE_OF = 1, 2, 3


class At(IntEnum):
    """enum fd_wire_layer."""

    INBOUND_V4 = 0
    INBOUND_V6 = 1
    OUTBOUND_V4 = 2
    OUTBOUND_V6 = 3
    FORWARD_V4 = 4
    FORWARD_V6 = 5


@dataclass(frozen=True)
class Through:
    """A packet that got through: where, and whether a driver had put it there."""

    at: At
    ifindex: int
    subifindex: int
    injected: bool
    packet: bytes


@dataclass(frozen=True)
class State:
    """struct fd_wire_state."""

    callouts: int
    sessions: int
    filters: int
    injection_handles: int
    lists: int
    in_flight: int
    injected: int
    waiting: int
    regions: int
    complaints: int
    complaint: str


class Standin:
    """A connection to the stand-in, which is there while the driver runs."""

    def __init__(self) -> None:
        self._pipe = _connect()

    def __enter__(self) -> Standin:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pipe.close()

    def offer(
        self,
        packet: bytes,
        at: At = At.OUTBOUND_V4,
        *,
        conditions: int = 0,
        ifindex: int = 7,
        subifindex: int = 3,
        lists: int = 1,
        buffers: int = 1,
        split: int = 0,
        info: int = 0,
    ) -> bool:
        """The packet, lists * buffers times, comes to its layer; whether it was taken."""
        result, *_ = self._ask(
            _OFFER, at, conditions, ifindex, subifindex, lists, buffers, split, info, 0, packet
        )
        return bool(result)

    def take(self, patience: float = 5.0) -> Through | None:
        """The next packet that no filter wanted, or None."""
        result, at, ifindex, subifindex, injected, packet = self._ask(
            _TAKE, 0, 0, 0, 0, 0, 0, 0, 0, int(patience * 1000), b""
        )
        return Through(At(at), ifindex, subifindex, bool(injected), packet) if result else None

    def take_all(self, count: int) -> list[Through]:
        """So many packets, all of which must come; and no more."""
        found = [through for _ in range(count) if (through := self.take()) is not None]
        more = self.take(0)
        if len(found) != count or more is not None:
            raise AssertionError(f"{len(found)} packets got through, {count} expected; then {more}")
        return found

    def state(self) -> State:
        *_, data = self._ask(_STATE_OF, 0, 0, 0, 0, 0, 0, 0, 0, 0, b"")
        *numbers, complaint = _STATE.unpack(data)
        return State(*numbers, complaint.split(b"\0")[0].decode())

    def _ask(self, *fields: int | bytes) -> tuple[int, int, int, int, int, bytes]:
        *numbers, packet = fields
        self._pipe.write(_REQUEST.pack(*numbers, len(packet)) + packet)
        reply = self._pipe.read(1 << 17)
        result, at, ifindex, subifindex, injected, length = _REPLY.unpack_from(reply)
        return result, at, ifindex, subifindex, injected, reply[_REPLY.size :][:length]


def _connect() -> BinaryIO:
    """One test at a time: the pipe may still be with the one before."""
    end = time.monotonic() + 10
    while True:
        try:
            return open(PIPE, "r+b", buffering=0)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
