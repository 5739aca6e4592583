# SPDX-License-Identifier: MIT
"""Fragments: without Flag.FRAGMENTS a handle sees whole packets, and nothing of them passes by."""

from __future__ import annotations

import errno
import os
import threading
import time

import pytest

import fastdivert as fd
from tests.live.namespaces import Namespace
from tests.live.serving import nothing, received, send_udp, served, udp_sink

Pair = tuple[Namespace, Namespace]

HOSTS = ["10.1.0.2", "fd00:1::2"]
SIDES = {"argvalues": [0, 1], "ids": ["outbound", "inbound"]}


def random_payloads(*sizes: int) -> list[bytes]:
    return [os.urandom(size) for size in sizes]


@pytest.mark.parametrize("side", **SIDES)
@pytest.mark.parametrize("host", HOSTS)
def test_a_datagram_in_fragments_is_one_packet_and_arrives(
    pair: Pair, side: int, host: str
) -> None:
    payloads = random_payloads(100, 4000, 1473, 65507 if "." in host else 65487, 20000)
    rows: list[tuple[int, int, bool]] = []

    def note(batch: fd.Batch) -> None:
        for packet in batch:
            rows.append((len(packet.payload), packet.dst_port, packet["fragment"]))

    with udp_sink(pair[1], host, 5000) as sink:
        with pair[side].entered():
            handle = fd.open("udp.DstPort == 5000")
        with handle:
            with served(handle, note):
                send_udp(pair[0], host, 5000, payloads)
                assert received(sink, len(payloads)) == payloads
            stats = handle.stats()
        assert rows == [(len(payload), 5000, 0) for payload in payloads]
        assert stats["reassembled"] == 4
        assert stats["delivered"] == stats["sent"] == 5
        assert stats["matched"] == 5
        assert stats["send_errors"] == 0


@pytest.mark.parametrize("side", **SIDES)
@pytest.mark.parametrize("host", HOSTS)
def test_fragments_that_no_filter_wants_go_on(pair: Pair, side: int, host: str) -> None:
    payloads = random_payloads(4000, 9000)
    with udp_sink(pair[1], host, 5001) as sink:
        with pair[side].entered():
            handle = fd.open("udp.DstPort == 5000")
        with handle, served(handle, nothing) as seen:
            send_udp(pair[0], host, 5001, payloads)
            assert received(sink, 2) == payloads
            stats = handle.stats()
        assert seen[0] == 0
        assert stats["reassembled"] == stats["reassembled_unmatched"] == 2
        assert stats["matched"] == stats["delivered"] == stats["sent"] == 0


@pytest.mark.parametrize("side", **SIDES)
def test_what_is_dropped_is_dropped_whole(pair: Pair, side: int) -> None:
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[side].entered():
            handle = fd.open("udp.DstPort == 5000 and udp.Payload[3000] == 7")
        with handle, served(handle, lambda batch: batch.drop()) as seen:
            wanted = bytes(4000)
            send_udp(pair[0], "10.1.0.2", 5000, [bytes(3000) + b"\x07" * 1000, wanted])
            assert received(sink, 1) == [wanted]
        assert seen[0] == 1


@pytest.mark.parametrize("side", **SIDES)
@pytest.mark.parametrize("host", HOSTS)
def test_an_edited_datagram_is_cut_again(pair: Pair, side: int, host: str) -> None:
    def touch(batch: fd.Batch) -> None:
        batch["ip.DF"] = 0  # IPv4 that is sent may else not be cut
        for packet in batch:
            packet.payload = bytes(packet.payload) * 3

    with udp_sink(pair[1], host, 5000) as sink:
        with pair[side].entered():
            handle = fd.open("udp.DstPort == 5000")
        with handle, served(handle, touch):
            send_udp(pair[0], host, 5000, [b"ab" * 1000, b"c" * 1400])
            assert received(sink, 2) == [b"ab" * 3000, b"c" * 4200]


@pytest.mark.parametrize("side", **SIDES)
@pytest.mark.parametrize("host", HOSTS)
def test_with_the_flag_fragments_come_one_by_one(pair: Pair, side: int, host: str) -> None:
    payload = os.urandom(4000)
    seen: list[int] = []
    with udp_sink(pair[1], host, 5000) as sink:
        with pair[side].entered():
            handle = fd.open("fragment", flags=fd.Flag.FRAGMENTS)
        with handle, served(handle, lambda batch: seen.extend(batch["fragment"].tolist())):
            send_udp(pair[0], host, 5000, [payload])
            assert received(sink, 1) == [payload]
    assert seen == [1, 1, 1]


def test_a_packet_that_must_not_be_cut_is_an_error_by_index(pair: Pair) -> None:
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            handle = fd.open("udp.DstPort == 5000")
        with handle:
            send_udp(pair[0], "10.1.0.2", 5000, [b"a", b"b" * 1000, b"c"])
            batch = handle.recv(3, timeout=3)
            while len(batch) < 3:  # one batch of all three
                time.sleep(0.1)
                batch = fd.Batch.from_packets(
                    [bytes(packet.raw) for packet in (*batch, *handle.recv(timeout=3))],
                    batch.addresses[0],
                )
            batch.replace_payload(1, b"b" * 2000)
            with pytest.raises(fd.SendError, match=r"packet 1: .*MTU") as error:
                handle.send(batch)
            assert error.value.faults.tolist() == [(1, errno.EMSGSIZE)]
            assert error.value.sent == 2
            assert error.value.errno == errno.EMSGSIZE
            assert received(sink, 2) == [b"a", b"c"]
            assert handle.stats()["send_errors"] == 1


def test_without_the_flag_no_packet_is_a_fragment(pair: Pair) -> None:
    payload = os.urandom(4000)
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[1].entered():
            handle = fd.open("fragment")
        with handle, served(handle, nothing) as seen:
            send_udp(pair[0], "10.1.0.2", 5000, [payload])
            assert received(sink, 1) == [payload]
            assert handle.stats()["fragments"] == 0  # it did not even ask for them
        assert seen[0] == 0


@pytest.mark.parametrize("host", HOSTS)
def test_sniffing_copies_whole_packets(pair: Pair, host: str) -> None:
    payload = os.urandom(4000)
    with udp_sink(pair[1], host, 5000) as sink:
        with pair[1].entered():
            handle = fd.open("udp.DstPort == 5000", flags=fd.Flag.SNIFF)
        with handle:
            send_udp(pair[0], host, 5000, [payload])
            send_udp(pair[0], host, 5001, [payload])
            assert received(sink, 1) == [payload]
            batch = handle.recv(timeout=3)
            assert bytes(batch.payload(0)) == payload
            with pytest.raises(TimeoutError):
                handle.recv(timeout=0.2)


def test_a_handle_that_drops_drops_later_fragments_too(pair: Pair) -> None:
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink, udp_sink(pair[1], "10.1.0.2", 5001) as other:
        with pair[1].entered():
            handle = fd.open("udp.DstPort == 5000", flags=fd.Flag.DROP)
        with handle:
            send_udp(pair[0], "10.1.0.2", 5000, random_payloads(4000, 10))
            payload = os.urandom(4000)
            send_udp(pair[0], "10.1.0.2", 5001, [payload])
            assert received(other, 1) == [payload]
            sink.settimeout(0.2)
            with pytest.raises(TimeoutError):
                sink.recv(100)
            stats = handle.stats()
        assert stats["dropped"]["flag"] == stats["matched"] == 2
        assert not any("fastdivert drop" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_loopback(alone: Namespace, host: str) -> None:
    alone.ip("link", "set", "lo", "mtu", "1500")
    payloads = random_payloads(4000, 60000)
    with udp_sink(alone, host, 5000) as sink:
        with alone.entered():
            handle = fd.open("udp.DstPort == 5000")
        with handle, served(handle, nothing) as seen:
            send_udp(alone, host, 5000, payloads)
            assert received(sink, 2) == payloads
        assert seen[0] == 2


@pytest.mark.parametrize("side", **SIDES)
def test_lower_handles_see_whole_packets_once(pair: Pair, side: int) -> None:
    payloads = random_payloads(4000, 3000)
    impostors: list[int] = []
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[side].entered():
            high = fd.open("udp.DstPort == 5000", priority=1)
            other = fd.open("udp.DstPort == 1", priority=0)  # gives all of it back
            low = fd.open("udp.DstPort == 5000", priority=-1)
        with (
            high,
            other,
            low,
            served(high, nothing) as above,
            served(other, nothing) as between,
            served(low, lambda batch: impostors.extend(batch["impostor"].tolist())) as below,
        ):
            send_udp(pair[0], "10.1.0.2", 5000, payloads)
            assert received(sink, 2) == payloads
    assert (above[0], between[0], below[0]) == (2, 0, 2)
    assert impostors == [1, 1]


def test_what_was_only_looked_at_is_no_impostor(pair: Pair) -> None:
    payload = os.urandom(4000)
    impostors: list[int] = []
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[1].entered():
            high = fd.open("udp.DstPort == 1", priority=1)
            low = fd.open("udp.DstPort == 5000", priority=-1)
        with (
            high,
            low,
            served(high, nothing),
            served(low, lambda batch: impostors.extend(batch["impostor"].tolist())),
        ):
            send_udp(pair[0], "10.1.0.2", 5000, [payload])
            assert received(sink, 1) == [payload]
            assert high.stats()["reassembled_unmatched"] == 1
    assert impostors == [0]


def test_closing_gives_waiting_fragments_back(pair: Pair) -> None:
    """Half a datagram is with the handle when it closes; the host puts it together."""
    payload = os.urandom(4000)
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            first = fd.open("outbound and fragment", flags=fd.Flag.FRAGMENTS)
        with first:
            send_udp(pair[0], "10.1.0.2", 5000, [payload])
            pieces = first.recv(timeout=3)
            assert len(pieces) == 3
            with pair[1].entered():
                handle = fd.open("udp.DstPort == 5000")
            late = pieces[[2]].copy()
            pieces.drop([2])
            first.send(pieces)
            time.sleep(0.2)
            with pytest.raises(TimeoutError):
                handle.recv(timeout=0.1)
            stats = handle.stats()
            assert stats["waiting"] == stats["matched"] == 2
            handle.close()
            first.send(late)
            assert received(sink, 1) == [payload]


def test_overlapping_fragments_are_dropped_and_counted(pair: Pair) -> None:
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            first = fd.open("outbound and fragment", flags=fd.Flag.FRAGMENTS)
        with pair[1].entered():
            handle = fd.open("udp.DstPort == 5000")
        with first, handle, served(handle, nothing) as seen:
            send_udp(pair[0], "10.1.0.2", 5000, [os.urandom(4000)])
            pieces = first.recv(timeout=3)
            evil = pieces[[1]].copy()
            evil["ip.FragOff"] = evil["ip.FragOff"] - 1
            first.send(pieces[[0]].copy())
            first.send(evil)
            first.send(pieces)
            sink.settimeout(0.3)
            with pytest.raises(TimeoutError):
                sink.recv(100)
            stats = handle.stats()
        assert seen[0] == 0
        assert stats["dropped"]["fragment_invalid"] == 5
        assert stats["matched"] == 5


def test_a_forwarded_fragment_stays_one(
    routed: tuple[Namespace, Namespace, Namespace],
) -> None:
    left, router, right = routed
    payload = os.urandom(4000)
    with udp_sink(right, "10.2.0.2", 5000) as sink:
        with router.entered():
            handle = fd.open("fragment", fd.Layer.NETWORK_FORWARD)
        with handle, served(handle, nothing) as seen:
            send_udp(left, "10.2.0.2", 5000, [payload])
            assert received(sink, 1) == [payload]
        assert seen[0] == 3
