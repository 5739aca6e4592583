# SPDX-License-Identifier: MIT
"""What a kernel must do at least, with few packets: also run in slow machines (tests/kernels)."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest

import fastdivert as fd
from fastdivert.enums import Layer
from tests.live.namespaces import Namespace
from tests.live.pump import Pump, conserves
from tests.live.traffic import open_socket, received_numbers, receiver, send_numbers, stream

COUNT = 200
MEGABYTES = 4
HOSTS = IPV4, IPV6 = "10.1.0.2", "fd00:1::2"
SIDES = pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])

Pair = tuple[Namespace, Namespace]


@SIDES
def test_datagrams_arrive_once_and_in_order(programs: Path, pair: Pair, side: int) -> None:
    left, right = pair
    with Pump(programs, pair[side], "udp") as pump:
        for host in HOSTS:
            with receiver(right, host) as sink:
                send_numbers(left, host, COUNT)
                assert received_numbers(sink) == list(range(COUNT))
        counted = pump.stop()
    assert counted["taken"] == counted["restored"] == COUNT * len(HOSTS)
    assert conserves(counted)


@SIDES
def test_a_stream_is_whole(programs: Path, pair: Pair, side: int) -> None:
    left, right = pair
    with Pump(programs, pair[side], "tcp", length=16384, size=32 << 20) as pump:
        for host in HOSTS:
            stream(left, right, host, MEGABYTES)
        counted = pump.stop()
    assert counted["bytes"] > len(HOSTS) * MEGABYTES << 20
    assert counted["gso"] > 0
    assert counted["partial"] > 0
    assert counted["faults"] == 0
    assert conserves(counted)


def test_buffers_longer_than_a_packet_are_seen(programs: Path, alone: Namespace) -> None:
    """All of them make such buffers for IPv6 if they are asked to, newer ones also by themselves
    and for IPv4."""
    alone.ip("link", "set", "lo", "mtu", "65536", "gso_max_size", "262144")
    for host in ("::1", "127.0.0.1"):
        with Pump(programs, alone, "tcp", length=16384, size=32 << 20) as pump:
            stream(alone, alone, host, MEGABYTES * 4)
            counted = pump.stop()
        assert counted["bytes"] > MEGABYTES * 4 << 20
        assert counted["super"] > 0 or host == "127.0.0.1"
        assert counted["oversized"] == counted["malformed"] == counted["faults"] == 0
        assert conserves(counted)


@SIDES
def test_an_edited_datagram_has_a_right_checksum(pair: Pair, side: int) -> None:
    """The receiver's kernel checks it."""
    left, right = pair
    with (
        pair[side].entered(),
        fd.open("udp.DstPort == 5001 and udp.Payload[0] == 97") as handle,
    ):
        for host in HOSTS:
            with (
                receiver(right, host) as sink,
                open_socket(left, socket.SOCK_DGRAM, host) as source,
            ):
                for text in (b"a quiet word", b"b passes"):
                    source.sendto(text, (host, 5001))
                batch = handle.recv(timeout=20)
                assert len(batch) == 1
                batch["udp.Payload[0]"] = ord("A")
                handle.send(batch)
                arrived = {sink.recv(100), sink.recv(100)}
            assert arrived == {b"A quiet word", b"b passes"}


def test_what_is_dropped_is_gone_and_what_is_sniffed_is_not(pair: Pair) -> None:
    left, right = pair
    dropping = fd.Flag.DROP | fd.Flag.RECV_ONLY
    with (
        receiver(right, IPV4) as sink,
        left.entered(),
        fd.open("udp and udp.Payload32[0] < 10", flags=dropping, priority=1) as drops,
        fd.open("udp", flags=fd.Flag.SNIFF | fd.Flag.RECV_ONLY) as sniffs,
    ):
        send_numbers(left, IPV4, COUNT)
        assert received_numbers(sink) == list(range(10, COUNT))
        assert len(sniffs.recv(timeout=20)) == COUNT - 10
        assert drops.stats()["dropped"]["flag"] == 10


def test_what_a_router_forwards_is_at_the_forward_layer(
    programs: Path, routed: tuple[Namespace, Namespace, Namespace]
) -> None:
    left, router, right = routed
    with (
        Pump(programs, router, "udp", Layer.NETWORK_FORWARD) as forward,
        Pump(programs, router, "udp") as local,
    ):
        for host in ("10.2.0.2", "fd00:2::2"):
            with receiver(right, host) as sink:
                send_numbers(left, host, COUNT)
                assert received_numbers(sink) == list(range(COUNT))
        forwarded, seen = forward.stop(), local.stop()
    assert forwarded["taken"] == forwarded["restored"] == 2 * COUNT
    assert seen["taken"] == 0


def test_fragments_and_icmp_pass_through(programs: Path, pair: Pair) -> None:
    left, _ = pair
    with Pump(programs, left, "icmp or icmpv6 or fragment") as pump:
        for host in (IPV4, IPV6):
            out = left.run("ping", "-c", "3", "-i", "0.05", "-s", "4000", host)
            assert " 0% packet loss" in out
        counted = pump.stop()
    assert counted["taken"] >= 2 * 3 * 3 * 2
    assert counted["sent"] == counted["taken"] == counted["restored"]


@SIDES
def test_handles_of_several_processes_see_each_packet_once_in_the_order_of_priorities(
    programs: Path, pair: Pair, side: int
) -> None:
    left, right = pair
    with receiver(right, IPV4) as sink, contextlib.ExitStack() as stack:
        # Opened out of order; each but the first matches only what one above it put back.
        pumps = {
            priority: stack.enter_context(
                Pump(programs, pair[side], text, priority=priority, sniff=int(priority < 0))
            )
            for priority, text in (
                (0, "udp and impostor"),
                (-30000, "udp and impostor"),
                (30000, "udp and not impostor"),
            )
        }
        send_numbers(left, IPV4, COUNT)
        assert received_numbers(sink) == list(range(COUNT))
        counted = {priority: pump.stop() for priority, pump in pumps.items()}
    assert [one["taken"] for one in counted.values()] == [COUNT] * 3


def test_killed_in_the_middle_packets_flow_again_at_once(programs: Path, pair: Pair) -> None:
    left, right = pair
    with receiver(right, IPV4) as sink, Pump(programs, left, "udp", stall=60000) as pump:
        send_numbers(left, IPV4, 10)
        assert received_numbers(sink) == []  # taken, and nobody gives them back
        pump.kill()
        begin = time.monotonic()
        number = 1000
        while not (arrived := received_numbers(sink, quiet=0.02)):
            assert time.monotonic() - begin < 2, "nothing flows after the handle was killed"
            send_numbers(left, IPV4, 1, first=number)
            number += 1
        assert arrived[0] >= 1000
        send_numbers(left, IPV4, COUNT, first=5000)
        assert received_numbers(sink)[-COUNT:] == list(range(5000, 5000 + COUNT))
    stream(left, right, IPV4, 1)


def test_a_filter_is_swapped_on_every_interface(alone: Namespace) -> None:
    with (
        receiver(alone, "127.0.0.1") as sink,
        alone.entered(),
        fd.open("udp.DstPort == 1") as handle,
    ):
        send_numbers(alone, "127.0.0.1", 1, first=1)
        handle.filter = "udp.DstPort == 5001"
        send_numbers(alone, "127.0.0.1", 1, first=2)
        assert len(handle.recv(timeout=20)) == 1
        handle.filter = "false"
        send_numbers(alone, "127.0.0.1", 1, first=3)
        assert received_numbers(sink) == [1, 3]
