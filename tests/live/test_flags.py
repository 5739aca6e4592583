# SPDX-License-Identifier: MIT
"""Flags and priorities on live traffic, by WinDivert's rules."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

import fastdivert as fd
from tests.live.namespaces import Namespace
from tests.live.pump import Pump
from tests.live.serving import nothing, received, send_udp, served, udp_sink
from tests.live.traffic import received_numbers, receiver, send_numbers

Pair = tuple[Namespace, Namespace]


@pytest.mark.parametrize(
    "flags",
    [
        fd.Flag.SNIFF | fd.Flag.DROP,
        fd.Flag.RECV_ONLY | fd.Flag.SEND_ONLY,
        fd.Flag.DROP | fd.Flag.SEND_ONLY | fd.Flag.RECV_ONLY,
    ],
)
def test_flags_that_exclude_each_other_open_nothing(alone: Namespace, flags: fd.Flag) -> None:
    with alone.entered(), pytest.raises(ValueError, match="exclude each other"):
        fd.open("true", flags=flags)


def test_a_handle_that_only_receives_takes_packets_and_sends_none(pair: Pair) -> None:
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            handle = fd.open("udp.DstPort == 5000", flags=fd.Flag.RECV_ONLY)
        with handle:
            send_udp(pair[0], "10.1.0.2", 5000, [b"taken"])
            batch = handle.recv(timeout=3)
            with pytest.raises(fd.HandleError, match="RECV_ONLY"):
                handle.send(batch)
            batch.release()
            sink.settimeout(0.2)
            with pytest.raises(TimeoutError):
                sink.recv(100)


def test_a_handle_that_only_receives_still_gives_other_fragments_back(pair: Pair) -> None:
    payload = bytes(range(250)) * 16
    with udp_sink(pair[1], "10.1.0.2", 5001) as sink:
        with pair[1].entered():
            handle = fd.open("udp.DstPort == 5000", flags=fd.Flag.RECV_ONLY)
        with handle:
            send_udp(pair[0], "10.1.0.2", 5001, [payload])
            with pytest.raises(TimeoutError):
                handle.recv(timeout=0.3)
            assert received(sink, 1) == [payload]


def test_a_handle_that_only_sends_takes_nothing(pair: Pair) -> None:
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[1].entered():
            handle = fd.open("true", flags=fd.Flag.SEND_ONLY)
        with handle:
            send_udp(pair[0], "10.1.0.2", 5000, [b"free", b"f" * 4000])
            assert received(sink, 2) == [b"free", b"f" * 4000]
            with pytest.raises(fd.HandleError, match="SEND_ONLY"):
                handle.recv(timeout=0)
            assert handle.stats()["seen"] == 0


def test_no_install_changes_nothing(pair: Pair) -> None:
    """There is nothing to install on Linux."""
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            handle = fd.open("udp.DstPort == 5000", flags=fd.Flag.NO_INSTALL)
        with handle, served(handle, nothing) as seen:
            send_udp(pair[0], "10.1.0.2", 5000, [b"seen"])
            assert received(sink, 1) == [b"seen"]
        assert seen[0] == 1


@pytest.mark.parametrize("priority", [-30001, 30001])
def test_priorities_have_limits(alone: Namespace, priority: int) -> None:
    with alone.entered(), pytest.raises(ValueError, match="priority"):
        fd.open("true", priority=priority)


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
def test_the_lowest_and_the_highest_priority(pair: Pair, side: int) -> None:
    order: list[str] = []
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[side].entered():
            handles = {
                str(at): fd.open("udp", priority=at)
                for at in (0, fd.PRIORITY_LOWEST, fd.PRIORITY_HIGHEST)
            }
        with contextlib.ExitStack() as stack:
            for name, handle in handles.items():
                stack.enter_context(handle)
                stack.enter_context(
                    served(handle, lambda batch, name=name: order.extend([name] * len(batch)))
                )
            send_udp(pair[0], "10.1.0.2", 5000, [b"x"])
            received(sink, 1)
    assert order == ["30000", "0", "-30000"]


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
def test_handles_of_equal_priority_in_two_processes_each_see_every_packet_once(
    programs: Path, pair: Pair, side: int
) -> None:
    with receiver(pair[1], "10.1.0.2") as sink:
        with pair[side].entered():
            first = fd.open("udp", queue_length=16384)
        with (
            first,
            served(first, nothing) as here,
            Pump(programs, pair[side], "udp", length=16384, size=32 << 20) as there,
        ):
            with pair[side].entered():
                second = fd.open("udp", queue_length=16384)
            with second, served(second, nothing) as here_too:
                send_numbers(pair[0], "10.1.0.2", 1000)
                assert received_numbers(sink) == list(range(1000))
                counted = there.stop()
        assert here[0] == here_too[0] == counted["taken"] == 1000


def test_what_a_sniffer_sees_depends_on_its_priority(pair: Pair) -> None:
    """Above a handle that edits it sees what came, below it what goes on."""
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            above = fd.open("udp.DstPort == 5000", priority=1, flags=fd.Flag.SNIFF)
            handle = fd.open("udp.DstPort == 5000")
            below = fd.open("udp.DstPort == 5000", priority=-1, flags=fd.Flag.SNIFF)

        def touch(batch: fd.Batch) -> None:
            batch["udp.Payload[0]"] = ord("Y")

        with above, handle, below, served(handle, touch):
            send_udp(pair[0], "10.1.0.2", 5000, [b"X"])
            assert received(sink, 1) == [b"Y"]
            time.sleep(0.1)
            came, went = above.recv(timeout=1), below.recv(timeout=1)
            assert (bytes(came.payload(0)), bytes(went.payload(0))) == (b"X", b"Y")
            assert (came["impostor"][0], went["impostor"][0]) == (0, 1)
            with pytest.raises(TimeoutError):
                above.recv(timeout=0.1)
