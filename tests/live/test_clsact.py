# SPDX-License-Identifier: MIT
"""Filters at clsact, the way in on kernels without tcx: their place, and what is left of them.

Every kernel has clsact; a newer one is told to do without tcx.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.live.namespaces import Namespace
from tests.live.pump import Pump
from tests.live.traffic import received_numbers, receiver, send_numbers

IPV4 = "10.1.0.2"

Pair = tuple[Namespace, Namespace]


@pytest.fixture(autouse=True)
def without_tcx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTDIVERT_WITHOUT", "tcx")


def filters(where: Namespace, device: str) -> list[tuple[str, int, str]]:
    """(direction, preference, name) of each filter of kind bpf."""
    found = []
    for direction in ("ingress", "egress"):
        for row in json.loads(where.run("tc", "-j", "filter", "show", "dev", device, direction)):
            if "options" in row:
                found.append((direction, row["pref"], row["options"].get("bpf_name", "")))
    return found


def has_clsact(where: Namespace, device: str) -> bool:
    rows: list[dict[str, Any]] = json.loads(where.run("tc", "-j", "qdisc", "show", "dev", device))
    return any(row["kind"] == "clsact" for row in rows)


def killed(programs: Path, where: Namespace, **settings: int) -> None:
    with Pump(programs, where, "udp", **settings) as pump:
        pump.kill()
    time.sleep(0.1)  # the kernel empties the table a moment later


def test_the_order_of_filters_is_that_of_priorities(programs: Path, alone: Namespace) -> None:
    with (
        Pump(programs, alone, "false", priority=0),
        Pump(programs, alone, "false", priority=30000),
        Pump(programs, alone, "false", priority=-30000),
    ):
        found = filters(alone, "lo")
    assert [(direction, preference) for direction, preference, _ in found] == [
        (direction, preference)
        for direction in ("ingress", "egress")
        for preference in (1, 30001, 60001)
    ]


def test_handles_of_one_priority_share_a_preference(programs: Path, pair: Pair) -> None:
    left, right = pair
    with (
        receiver(right, IPV4) as sink,
        Pump(programs, left, "udp") as one,
        Pump(programs, left, "udp") as other,
    ):
        assert {preference for _, preference, _ in filters(left, "wire0")} == {30001}
        send_numbers(left, IPV4, 50)
        assert received_numbers(sink) == list(range(50))
        assert one.stop()["taken"] == other.stop()["taken"] == 50


def test_a_closed_handle_leaves_nothing(programs: Path, pair: Pair) -> None:
    left, _ = pair
    with Pump(programs, left, "udp") as first, Pump(programs, left, "udp", priority=9) as second:
        first.stop()
        assert has_clsact(left, "wire0")
        second.stop()
    assert filters(left, "wire0") == []
    assert not has_clsact(left, "wire0")
    assert not has_clsact(left, "lo")


def test_what_a_killed_handle_left_passes_everything_and_goes_with_the_next(
    programs: Path, pair: Pair
) -> None:
    left, right = pair
    killed(programs, left)
    left_over = filters(left, "wire0")
    assert left_over == [
        ("ingress", 30001, "fastdivert:1:made"),
        ("egress", 30001, "fastdivert:1:made"),
    ]
    with receiver(right, IPV4) as sink:
        send_numbers(left, IPV4, 50)
        assert received_numbers(sink) == list(range(50))
    with Pump(programs, left, "false", priority=5) as pump:  # of the same number
        assert filters(left, "wire0") == [
            ("ingress", 29996, "fastdivert:1:made"),
            ("egress", 29996, "fastdivert:1:made"),
        ]
        pump.stop()
    assert not has_clsact(left, "wire0")


def test_the_next_handle_leaves_those_of_the_living_alone(programs: Path, pair: Pair) -> None:
    left, right = pair
    with Pump(programs, left, "udp", priority=1) as living:
        killed(programs, left, priority=2)
        with Pump(programs, left, "false", priority=3) as next_one:
            preferences = [preference for _, preference, _ in filters(left, "wire0")]
            assert preferences == [29998, 30000, 29998, 30000]
            with receiver(right, IPV4) as sink:
                send_numbers(left, IPV4, 50)
                assert received_numbers(sink) == list(range(50))
            next_one.stop()
        assert living.stop()["taken"] == 50
    assert not has_clsact(left, "wire0")


def test_doctor_counts_and_cleans_what_killed_handles_left(programs: Path, pair: Pair) -> None:
    left, _ = pair
    killed(programs, left)
    with left.entered():
        count = 2 * len(socket.if_nameindex())
    found = f"{count} filters of killed handles, which let everything pass"
    assert leftovers(left) == ("note", found)
    assert leftovers(left, "--clean") == ("ok", "none in this network namespace")
    assert not has_clsact(left, "wire0")
    assert not has_clsact(left, "lo")


def leftovers(where: Namespace, *options: str) -> tuple[str, str]:
    """The doctor's finding. Its trial of a handle comes after, and cleans too."""
    command = where.command(sys.executable, "-m", "fastdivert", "doctor", "--json", *options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    for check in json.loads(done.stdout)["checks"]:
        if check["name"] == "leftovers":
            return check["result"], check["found"]
    raise AssertionError(done.stdout)


class TestOthers:
    """What others have at clsact is theirs."""

    RULE = ("filter", "add", "dev", "wire0")
    MATCH = ("protocol", "ip", "u32", "match", "u32", "0", "0")

    @pytest.fixture
    def left(self, pair: Pair) -> Namespace:
        left, _ = pair
        self.tc(left, "qdisc", "add", "dev", "wire0", "clsact")
        return left

    def tc(self, where: Namespace, *words: str) -> None:
        where.run("tc", *words)

    def test_a_discipline_of_theirs_stays(self, programs: Path, left: Namespace) -> None:
        with Pump(programs, left, "udp") as pump:
            assert [name for *_, name in filters(left, "wire0")] == ["fastdivert:1"] * 2
            pump.stop()
        assert has_clsact(left, "wire0")
        killed(programs, left)
        with Pump(programs, left, "udp") as pump:
            pump.stop()
        assert filters(left, "wire0") == []
        assert has_clsact(left, "wire0")

    def test_a_filter_that_they_add_keeps_our_discipline(self, programs: Path, pair: Pair) -> None:
        left, _ = pair
        with Pump(programs, left, "udp") as pump:
            self.tc(left, *self.RULE, "egress", "pref", "7", *self.MATCH)
            pump.stop()
        assert has_clsact(left, "wire0")
        assert "u32" in left.run("tc", "filter", "show", "dev", "wire0", "egress")

    def test_a_preference_that_they_took_is_named(self, programs: Path, left: Namespace) -> None:
        self.tc(left, *self.RULE, "ingress", "pref", "30001", *self.MATCH)
        with pytest.raises(AssertionError, match="has the preference 30001 of interface"):
            Pump(programs, left, "udp")
        with Pump(programs, left, "udp", priority=1) as pump:
            pump.stop()

    def test_the_discipline_ingress_is_named(self, programs: Path, pair: Pair) -> None:
        left, _ = pair
        self.tc(left, "qdisc", "add", "dev", "wire0", "ingress")
        with pytest.raises(AssertionError, match='queueing discipline "ingress"'):
            Pump(programs, left, "udp")
        assert "qdisc ingress" in left.run("tc", "qdisc", "show", "dev", "wire0")
        assert not has_clsact(left, "lo")
