# SPDX-License-Identifier: MIT
"""A live channel over several queues: packets stay in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import fastdivert as fd
from fastdivert.live.channel import LiveChannel
from fastdivert.params import QueueParams
from tests.ring.layout import Peer
from tests.traffic import udp


class Host:
    """A driver's port (live.port.Port), and its doorbell, that a test plays by hand."""

    def __init__(self, queues: int) -> None:
        self.peers = [Peer() for _ in range(queues)]
        self.clock = 0

    @property
    def queues(self) -> list[tuple[Any, Any]]:
        return [(peer.descriptor_region, peer.byte_region) for peer in self.peers]

    def now(self) -> int:
        return self.clock

    def put(self, queue: int, *stamps: int) -> None:
        for stamp in stamps:
            self.peers[queue].put(udp(stamp, 80), timestamp=stamp)

    def stop(self) -> None: ...
    def close(self) -> None: ...
    def silence(self) -> None: ...
    def ring(self) -> None: ...

    def stats(self) -> dict[str, Any]:
        return {"dropped": {"queue_time": 0}}


def received(host: Host, most: int = 1000) -> Callable[[], list[int] | None]:
    channel = LiveChannel(host, host, QueueParams(), sniffs=True)  # type: ignore[arg-type]

    def recv() -> list[int] | None:
        try:
            return fd.Batch(channel.recv(most, 0))["udp.SrcPort"].tolist()
        except TimeoutError:
            return None

    return recv


def test_what_a_queue_still_has_comes_before_what_others_have_later() -> None:
    host = Host(2)
    recv = received(host, most=2)
    host.clock = 100
    host.put(0, 1, 2, 3, 4)
    host.put(1, 5, 6)
    assert [recv(), recv(), recv()] == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize("before", range(60, 65))
def test_a_queue_that_goes_round_its_end_keeps_its_place(before: int) -> None:
    """The consumer takes what lies side by side: a region's end cuts a run in two."""
    host = Host(2)
    recv = received(host)
    host.clock = 1000
    host.put(0, *range(1, before + 1))
    assert recv() == list(range(1, before + 1))
    host.put(0, 101, 103, 105, 107, 109, 111)
    host.put(1, 102, 104, 106, 108, 110, 112)
    got: list[int] = []
    while (some := recv()) is not None:
        got += some
    assert got == list(range(101, 113))


def test_queues_that_are_silent_hold_nobody_up() -> None:
    host = Host(4)
    recv = received(host)
    host.clock = 5
    host.put(2, 1, 2, 3)
    assert recv() == [1, 2, 3]
    assert recv() is None
