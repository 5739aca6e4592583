# SPDX-License-Identifier: MIT
"""A handle that cannot keep up loses packets, says how many and why, and lets none pass unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.namespaces import Namespace
from tests.live.pump import Pump, conserves
from tests.live.traffic import received_numbers, receiver, send_numbers

HOST = "10.1.0.2"


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"length": 64, "size": 32 << 20}, "queue_length"),
        ({"length": 16384, "size": 65536}, "queue_size"),
    ],
)
def test_what_does_not_fit_is_dropped_and_counted(
    programs: Path,
    pair: tuple[Namespace, Namespace],
    side: int,
    settings: dict[str, int],
    cause: str,
) -> None:
    left, right = pair
    with (
        receiver(right, HOST) as sink,
        Pump(programs, pair[side], "udp", stall=1000, **settings) as pump,
    ):
        send_numbers(left, HOST, 5000, size=200)
        delivered = received_numbers(sink, quiet=1.5)
        counted = pump.stop()
    assert counted["dropped"][cause] > 0
    assert counted["matched"] == 5000
    assert len(delivered) + counted["dropped"][cause] == 5000
    assert len(set(delivered)) == len(delivered) == counted["restored"]
    assert conserves(counted)


def test_overflow_passes_only_if_asked_for(
    programs: Path, pair: tuple[Namespace, Namespace]
) -> None:
    left, right = pair
    with (
        receiver(right, HOST) as sink,
        Pump(programs, left, "udp", stall=1000, length=64, **{"pass": 1}) as pump,
    ):
        send_numbers(left, HOST, 3000)
        delivered = received_numbers(sink, quiet=1.5)
        counted = pump.stop()
    assert sorted(delivered) == list(range(3000))
    assert counted["dropped"]["passed_by"] == 3000 - counted["taken"] > 0


def test_closing_gives_back_what_was_queued(
    programs: Path, pair: tuple[Namespace, Namespace]
) -> None:
    left, right = pair
    with (
        receiver(right, HOST) as sink,
        Pump(programs, left, "udp", stall=600, length=16384) as pump,
    ):
        send_numbers(left, HOST, 1000)
        counted = pump.stop()
        assert received_numbers(sink) == list(range(1000))
    assert counted["taken"] == counted["restored"] == 1000
