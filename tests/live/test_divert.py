# SPDX-License-Identifier: MIT
"""Packets taken from a host and put back: every kind, both ways, none lost, none twice."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from fastdivert.enums import Layer
from tests.live.namespaces import Namespace
from tests.live.pump import Pump, conserves
from tests.live.traffic import received_numbers, receiver, send_numbers, stream

ROOM = {"length": 16384, "size": 32 << 20}


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
@pytest.mark.parametrize("host", ["10.1.0.2", "fd00:1::2"])
def test_datagrams_arrive_once_and_in_order(
    programs: Path, pair: tuple[Namespace, Namespace], side: int, host: str
) -> None:
    left, right = pair
    with receiver(right, host) as sink, Pump(programs, pair[side], "udp", **ROOM) as pump:
        send_numbers(left, host, 5000)
        assert received_numbers(sink) == list(range(5000))
        counted = pump.stop()
    assert counted["taken"] == counted["restored"] == 5000
    assert conserves(counted)


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
def test_order_is_kept_where_two_ways_back_mix(
    programs: Path, pair: tuple[Namespace, Namespace], side: int
) -> None:
    """Small packets go back by program, large ones by socket."""
    left, right = pair
    for device, where in (("wire0", left), ("wire1", right)):
        where.ip("link", "set", device, "mtu", "9000")
    with receiver(right, "10.1.0.2") as sink, Pump(programs, pair[side], "udp", **ROOM) as pump:
        for first in range(0, 2000, 20):
            send_numbers(left, "10.1.0.2", 10, first=first)
            send_numbers(left, "10.1.0.2", 10, first=first + 10, size=4000)
        assert received_numbers(sink) == list(range(2000))
        assert pump.stop()["faults"] == 0


@pytest.mark.parametrize("host", ["10.1.0.2", "fd00:1::2"])
def test_many_small_packets_come_in_as_live_frames(
    programs: Path, pair: tuple[Namespace, Namespace], host: str
) -> None:
    left, right = pair
    settings = {**ROOM, "hold": 2000}
    with receiver(right, host) as sink, Pump(programs, right, "inbound", **settings) as pump:
        for first in range(0, 20000, 1000):
            send_numbers(left, host, 1000, first=first, size=32 + first // 20)
            time.sleep(0.01)  # the first runs go without: attaching takes a moment
        assert received_numbers(sink) == list(range(20000))
        counted = pump.stop()
    assert counted["taken"] == counted["sent"] == counted["restored"] >= 20000
    assert counted["framed"] > 10000
    assert counted["stray"] == 0


def test_order_is_kept_where_all_ways_in_mix(
    programs: Path, pair: tuple[Namespace, Namespace]
) -> None:
    """By live frames, by program, by socket, as the runs of small packets happen to be long."""
    left, right = pair
    for device, where in (("wire0", left), ("wire1", right)):
        where.ip("link", "set", device, "mtu", "9000")
    settings = {**ROOM, "hold": 300, "batch": 200}
    lengths = itertools.cycle((1, 40, 3, 190, 64, 2, 128, 5, 127, 150))
    with receiver(right, "10.1.0.2") as sink, Pump(programs, right, "udp", **settings) as pump:
        first = 0
        while first < 30000:
            length = next(lengths)
            size = 4000 if length < 4 else 32
            send_numbers(left, "10.1.0.2", length, first=first, size=size)
            first += length
        assert received_numbers(sink) == list(range(first))
        counted = pump.stop()
    assert counted["faults"] == 0
    assert 1000 < counted["framed"] < counted["restored"]
    assert counted["turned"] > 100


def test_frames_pass_higher_handles_and_are_seen_by_lower_ones(
    programs: Path, pair: tuple[Namespace, Namespace]
) -> None:
    left, right = pair
    settings = {**ROOM, "hold": 2000}
    with (
        receiver(right, "10.1.0.2") as sink,
        Pump(programs, right, "inbound and udp", priority=100, **settings) as higher,
        Pump(programs, right, "inbound and udp", priority=0, **settings) as middle,
        Pump(programs, right, "inbound and udp", priority=-100, **settings) as lower,
    ):
        for first in range(0, 10000, 1000):
            send_numbers(left, "10.1.0.2", 1000, first=first)
            time.sleep(0.02)
        assert received_numbers(sink) == list(range(10000))
        counted = [each.stop() for each in (higher, middle, lower)]
    for each in counted:
        assert each["taken"] == each["restored"] == 10000
        assert each["framed"] > 3000
        assert each["stray"] == 0
    # Each sees what those below it put back; by socket it would see it twice.
    assert 20000 <= counted[0]["foreign"] < 22000
    assert 10000 <= counted[1]["foreign"] < 11000
    assert counted[2]["foreign"] == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_loopback_datagrams_are_seen_once(programs: Path, alone: Namespace, host: str) -> None:
    with (
        receiver(alone, host) as sink,
        Pump(programs, alone, "loopback and outbound and udp", **ROOM) as pump,
    ):
        send_numbers(alone, host, 2000, pause=1e-5)
        assert received_numbers(sink) == list(range(2000))
        counted = pump.stop()
    assert counted["taken"] == counted["routed"] == counted["restored"] == 2000


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
@pytest.mark.parametrize("host", ["10.1.0.2", "fd00:1::2"])
def test_a_stream_is_whole_on_a_wire(
    programs: Path, pair: tuple[Namespace, Namespace], side: int, host: str
) -> None:
    left, right = pair
    with Pump(programs, pair[side], "tcp", **ROOM) as pump:
        stream(left, right, host, 200)
        counted = pump.stop()
    assert counted["bytes"] > 200 << 20
    assert counted["gso"] > 0
    assert counted["faults"] == 0
    assert conserves(counted)


@pytest.mark.parametrize("mtu", [1500, 65536])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_stream_is_whole_on_loopback(
    programs: Path, alone: Namespace, host: str, mtu: int
) -> None:
    """At MTU 65536 TCP sends buffers longer than any IP packet: all of it is seen."""
    alone.ip("link", "set", "lo", "mtu", str(mtu))
    with Pump(programs, alone, "tcp", **ROOM) as pump:
        stream(alone, alone, host, 200)
        counted = pump.stop()
    assert counted["bytes"] > 200 << 20
    assert counted["oversized"] == counted["malformed"] == counted["faults"] == 0
    if mtu > 1500:
        assert counted["super"] > 0
    assert conserves(counted)


@pytest.mark.parametrize("host", ["10.1.0.2", "fd00:1::2"])
def test_icmp_and_fragments(programs: Path, pair: tuple[Namespace, Namespace], host: str) -> None:
    left, _ = pair
    with Pump(programs, left, "icmp or icmpv6 or fragment", **ROOM) as pump:
        out = left.run("ping", "-c", "20", "-i", "0.01", "-s", "4000", host)
        counted = pump.stop()
    assert " 0% packet loss" in out
    assert counted["taken"] >= 20 * 3 * 2
    assert counted["sent"] == counted["taken"] == counted["restored"]


def test_multicast_and_broadcast_come_back(
    programs: Path, pair: tuple[Namespace, Namespace]
) -> None:
    left, right = pair
    right.run("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_broadcasts=0")
    with Pump(programs, right, "inbound and icmp", **ROOM) as pump:
        broadcast = left.run("ping", "-b", "-c", "3", "-i", "0.05", "10.1.0.255")
        group = left.run("ping", "-c", "3", "-i", "0.05", "-I", "wire0", "224.0.0.1")
        counted = pump.stop()
    assert "3 received" in broadcast
    assert "3 received" in group
    assert counted["turned"] == counted["taken"] == 6  # a group's frames go by socket


class TestForwarding:
    @pytest.mark.parametrize("host", ["10.2.0.2", "fd00:2::2"])
    def test_forwarded_packets_are_at_the_forward_layer_alone(
        self, programs: Path, routed: tuple[Namespace, Namespace, Namespace], host: str
    ) -> None:
        left, router, right = routed
        with (
            Pump(programs, router, "udp", Layer.NETWORK_FORWARD, **ROOM) as forward,
            Pump(programs, router, "udp", **ROOM) as local,
            receiver(right, host) as sink,
        ):
            send_numbers(left, host, 2000)
            assert received_numbers(sink) == list(range(2000))
            forwarded, seen = forward.stop(), local.stop()
        assert forwarded["taken"] == forwarded["restored"] == 2000
        assert seen["taken"] == 0

    def test_the_routers_own_traffic_is_not_forwarded(
        self, programs: Path, routed: tuple[Namespace, Namespace, Namespace]
    ) -> None:
        left, router, _ = routed
        with Pump(programs, router, "true", Layer.NETWORK_FORWARD, **ROOM) as forward:
            left.run("ping", "-c", "3", "-i", "0.05", "10.1.0.2")
            assert forward.stop()["taken"] == 0

    def test_a_stream_through_the_router(
        self, programs: Path, routed: tuple[Namespace, Namespace, Namespace]
    ) -> None:
        left, router, right = routed
        with Pump(programs, router, "tcp", Layer.NETWORK_FORWARD, **ROOM) as pump:
            stream(left, right, "10.2.0.2", 200)
            counted = pump.stop()
        assert counted["bytes"] > 200 << 20
        assert conserves(counted)
