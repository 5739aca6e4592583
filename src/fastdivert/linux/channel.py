# SPDX-License-Identifier: MIT
"""A handle's channel on the Linux driver, in the caller's network namespace."""

from __future__ import annotations

import threading

from fastdivert.enums import Flag, Layer
from fastdivert.filter import Filter
from fastdivert.linux._linux import Divert
from fastdivert.linux.doorbell import EpollDoorbell
from fastdivert.live.assembly import Assembly, fragment_kinds
from fastdivert.live.channel import LiveChannel
from fastdivert.params import QueueParams


def open_channel(
    filter: Filter,
    priority: int,
    flags: Flag,
    params: QueueParams,
    *,
    overflow: str = "drop",
    busy_poll: float = 0.0,
    segment: bool = False,
) -> LiveChannel:
    """Captures from now on. Raises DriverError; ValueError for a bad option."""
    if overflow not in ("drop", "pass"):
        raise ValueError(f"overflow is {overflow!r}; 'drop' or 'pass' is needed")
    if not busy_poll >= 0:
        raise ValueError(f"busy_poll is {busy_poll}; seconds from 0 are needed")
    # What Flag.FRAGMENTS asks for is judged as it is, and so is what a router passes on.
    assembles = filter.layer == Layer.NETWORK and not flags & (Flag.FRAGMENTS | Flag.SEND_ONLY)
    divert = Divert(
        filter.program.to_bytes(),
        priority,
        queue_length=params.length,
        queue_time=params.time,
        queue_size=params.size,
        text=filter.text,
        flags=int(flags),
        sniffs=bool(flags & Flag.SNIFF),
        discards=bool(flags & Flag.DROP),
        captures=not flags & Flag.SEND_ONLY,
        passes_overflow=overflow == "pass",
        fragments=fragment_kinds(filter) if assembles else 0,
    )
    channel = LiveChannel(
        divert,
        EpollDoorbell(divert),
        params,
        sniffs=bool(flags & Flag.SNIFF),
        busy_poll=busy_poll,
        segments=segment,
        assembly=Assembly(filter, gives_up=overflow == "pass") if assembles else None,
    )
    if assembles and flags & Flag.DROP:
        threading.Thread(target=channel.discard, name="fastdivert drop", daemon=True).start()
    return channel
