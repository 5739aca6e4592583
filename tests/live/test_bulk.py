# SPDX-License-Identifier: MIT
"""Bulk TCP through a handle: every byte of it is seen, and arrives, whatever the segments are."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

import fastdivert as fd
from tests.live.namespaces import Namespace
from tests.live.traffic import PORT, stream

Pair = tuple[Namespace, Namespace]


class Witness:
    """Takes, edits and puts back TCP, and remembers which bytes of a stream it has seen."""

    def __init__(self, handle: fd.Handle) -> None:
        self._handle = handle
        self._begins: list[np.ndarray] = []
        self._lengths: list[np.ndarray] = []
        self.super_packets = 0
        self.first: int | None = None  # the sequence number of the first byte

    def serve(self) -> None:
        for batch in self._handle:
            self._note(batch)
            batch.set("ip.TTL", 60, where=batch["ip"])
            self._handle.send(batch)

    def _note(self, batch: fd.Batch) -> None:
        data = batch["tcp.DstPort"] == PORT  # from the client, whose bytes count
        numbers, lengths = batch["tcp.SeqNum"][data], batch["tcp.PayloadLength"][data]
        opening = np.flatnonzero(batch["tcp.Syn"][data])
        if len(opening):
            self.first = (int(numbers[opening[0]]) + 1) & 0xFFFFFFFF
        carries = lengths > 0
        self._begins.append(numbers[carries].astype(np.int64))
        self._lengths.append(lengths[carries].astype(np.int64))
        self.super_packets += int((batch.headers["gso_size"][data] != 0).sum())

    def seen(self) -> int:
        """How many bytes of the stream, without a gap from its first one on."""
        assert self.first is not None
        begins = (np.concatenate(self._begins) - self.first) & 0xFFFFFFFF
        order = np.argsort(begins, kind="stable")
        begins, ends = begins[order], (begins + np.concatenate(self._lengths))[order]
        covered = np.maximum.accumulate(ends)
        gaps = np.flatnonzero(begins[1:] > covered[:-1])
        assert begins[0] == 0
        assert len(gaps) == 0, f"bytes {covered[gaps[0]]} to {begins[gaps[0] + 1]} passed unseen"
        return int(covered[-1])


@contextlib.contextmanager
def witnessed(where: Namespace, **options: object) -> Iterator[tuple[Witness, fd.Handle]]:
    with where.entered():
        handle = fd.open(f"tcp.DstPort == {PORT} or tcp.SrcPort == {PORT}", **options)
    witness = Witness(handle)
    with handle:
        thread = threading.Thread(target=witness.serve)
        thread.start()
        try:
            yield witness, handle
        finally:
            handle.shutdown(fd.Shutdown.RECV)
            thread.join(30)
            assert not thread.is_alive()


ROOM = {"queue_length": 16384, "queue_size": 64 << 20}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inward", "outward", "megabytes"),
    [("10.1.0.2", "10.1.0.1", 1000), ("fd00:1::2", "fd00:1::1", 200)],
    ids=["IPv4", "IPv6"],
)
def test_a_gigabyte_both_ways_arrives_and_every_byte_is_seen(
    pair: Pair, inward: str, outward: str, megabytes: int
) -> None:
    left, right = pair
    for client, server, host in ((left, right, inward), (right, left, outward)):
        with witnessed(right, **ROOM) as (witness, handle):
            stream(client, server, host, megabytes)
            time.sleep(0.1)
        stats = handle.stats()
        assert witness.seen() == megabytes << 20
        assert witness.super_packets > 0
        assert stats["delivered"] == stats["sent"] == stats["matched"]
        assert sum(stats["dropped"].values()) == stats["send_errors"] == stats["waiting"] == 0


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
@pytest.mark.parametrize("mtu", [576, 1500, 9000, 65535])
@pytest.mark.parametrize("offload", [True, False], ids=["offload", "no offload"])
def test_streams_of_every_kind_of_segment(pair: Pair, side: int, mtu: int, offload: bool) -> None:
    """Without offload the stack makes wire-size segments with whole checksums."""
    left, right = pair
    for where, device in ((left, "wire0"), (right, "wire1")):
        where.ip("link", "set", device, "mtu", str(mtu))
        if not offload:
            offloads = ("tso", "gso", "gro", "tx", "rx", "sg")
            where.run("ethtool", "-K", device, *(w for name in offloads for w in (name, "off")))
    megabytes = 32 if offload else 8
    with witnessed(pair[side], **ROOM) as (witness, handle):
        stream(left, right, "10.1.0.2", megabytes)
        stats = handle.stats()
    assert witness.seen() == megabytes << 20
    if offload and mtu < 65535:
        assert witness.super_packets > 0
    elif not offload and side == 1:  # at egress it is TCP's own business how it cuts
        assert witness.super_packets == 0
    assert sum(stats["dropped"].values()) == stats["send_errors"] == 0


def test_a_small_gso_limit_makes_small_super_packets(pair: Pair) -> None:
    left, right = pair
    left.ip("link", "set", "wire0", "gso_max_size", "9000")
    largest = 0
    with left.entered():
        handle = fd.open(f"tcp.DstPort == {PORT}", **ROOM)

    def serve() -> None:
        nonlocal largest
        for batch in handle:
            largest = max(largest, int(batch["tcp.PayloadLength"].max()))
            handle.send(batch)

    with handle:
        thread = threading.Thread(target=serve)
        thread.start()
        stream(left, right, "10.1.0.2", 16)
        handle.shutdown(fd.Shutdown.RECV)
        thread.join(10)
    assert 1448 < largest < 9000


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("mtu", [1500, 65536])
def test_a_stream_on_loopback_is_seen_whole(alone: Namespace, host: str, mtu: int) -> None:
    """At MTU 65536 there are buffers longer than an IP packet: they come as several."""
    alone.ip("link", "set", "lo", "mtu", str(mtu))
    with witnessed(alone, **ROOM) as (witness, handle):
        stream(alone, alone, host, 64)
        stats = handle.stats()
    assert witness.seen() == 64 << 20
    assert sum(stats["dropped"].values()) == stats["send_errors"] == 0


DIVERTER = """
import sys
import fastdivert as fd
with fd.open("tcp", priority=int(sys.argv[1]), queue_length=16384, queue_size=32 << 20) as handle:
    print("ready", flush=True)
    for batch in handle:
        batch.set("ip.TTL", 60, where=batch["ip"])
        handle.send(batch)
"""


def test_a_stream_goes_on_when_one_of_three_processes_is_killed(pair: Pair) -> None:
    """What it had taken is lost with it, and TCP sends that again."""
    left, right = pair
    processes = [
        left.start(sys.executable, "-c", DIVERTER, str(priority)) for priority in (5, 0, -5)
    ]
    try:
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for victim in (processes[1], processes[0], processes[2]):
            timer = threading.Timer(0.3, victim.kill)
            timer.start()
            stream(left, right, "10.1.0.2", 48)
            timer.cancel()
            victim.kill()
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    stream(left, right, "10.1.0.2", 8)
