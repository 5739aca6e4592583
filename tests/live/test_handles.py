# SPDX-License-Identifier: MIT
"""Several handles, their order, their flags, and what is left when one dies."""

from __future__ import annotations

import contextlib
import itertools
import time
from pathlib import Path

import pytest

from tests.live.namespaces import Namespace, ip, join
from tests.live.pump import Pump
from tests.live.traffic import received_numbers, receiver, send_numbers, stream

HOST = "10.1.0.2"
ROOM = {"length": 16384, "size": 32 << 20}


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
@pytest.mark.parametrize("order", list(itertools.permutations((100, 0, -100)))[::2])
def test_every_handle_sees_every_packet_once(
    programs: Path, pair: tuple[Namespace, Namespace], side: int, order: tuple[int, ...]
) -> None:
    left, right = pair
    with receiver(right, HOST) as sink, contextlib.ExitStack() as stack:
        pumps = {
            priority: stack.enter_context(
                Pump(programs, pair[side], "udp", priority=priority, **ROOM)
            )
            for priority in order
        }
        send_numbers(left, HOST, 1000)
        assert received_numbers(sink) == list(range(1000))
        counted = {priority: pump.stop() for priority, pump in pumps.items()}
    assert [one["taken"] for one in counted.values()] == [1000] * 3


def test_the_higher_handle_comes_first_and_its_packets_are_impostors_to_the_lower(
    programs: Path, pair: tuple[Namespace, Namespace]
) -> None:
    left, right = pair
    with (
        receiver(right, HOST) as sink,
        Pump(programs, left, "udp and impostor", priority=-1, sniff=1, **ROOM) as lower,
        Pump(programs, left, "udp and not impostor", priority=1, **ROOM) as higher,
    ):
        send_numbers(left, HOST, 500)
        assert received_numbers(sink) == list(range(500))
        assert higher.stop()["taken"] == 500
        assert lower.stop()["taken"] == 500


def test_sniffing_copies_and_dropping_drops(
    programs: Path, pair: tuple[Namespace, Namespace]
) -> None:
    left, right = pair
    with receiver(right, HOST) as sink, Pump(programs, right, "udp", sniff=1, **ROOM) as pump:
        send_numbers(left, HOST, 500)
        assert received_numbers(sink) == list(range(500))
        counted = pump.stop()
    assert (counted["taken"], counted["restored"]) == (500, 0)
    with receiver(right, HOST) as sink, Pump(programs, right, "udp", discard=1) as pump:
        send_numbers(left, HOST, 500)
        assert received_numbers(sink) == []
        counted = pump.stop()
    assert (counted["taken"], counted["dropped"]["flag"]) == (0, 500)


def test_killed_in_the_middle_nothing_stays_behind(
    programs: Path, pair: tuple[Namespace, Namespace]
) -> None:
    left, right = pair
    with receiver(right, HOST) as sink, Pump(programs, left, "udp", **ROOM) as pump:
        send_numbers(left, HOST, 100)
        pump.kill()
        time.sleep(0.1)
        send_numbers(left, HOST, 100, first=1000)
        assert received_numbers(sink)[-100:] == list(range(1000, 1100))
    stream(left, right, HOST, 20)


def test_an_interface_that_appears_is_attached_to_and_one_that_goes_is_forgotten(
    programs: Path, pair: tuple[Namespace, Namespace]
) -> None:
    left, right = pair
    with Pump(programs, left, "udp", **ROOM) as pump:
        join(left, "late0", right, "late1", 9)
        time.sleep(0.3)
        with receiver(right, "10.9.0.2") as sink:
            send_numbers(left, "10.9.0.2", 200)
            assert received_numbers(sink) == list(range(200))
        left.ip("link", "del", "late0")
        with receiver(right, HOST) as sink:
            send_numbers(left, HOST, 200)
            assert received_numbers(sink) == list(range(200))
        counted = pump.stop()
    assert counted["taken"] == counted["restored"] == 400
    assert counted["interfaces"] == 2


def test_ports_of_a_pair_can_go_while_packets_flow(
    programs: Path, pair: tuple[Namespace, Namespace]
) -> None:
    left, right = pair
    with Pump(programs, left, "udp", **ROOM) as pump:
        with contextlib.suppress(OSError):
            send_numbers(left, HOST, 500)
        ip("-n", right.name, "link", "del", "wire1")
        counted = pump.stop()
    assert counted["interfaces"] <= 1
