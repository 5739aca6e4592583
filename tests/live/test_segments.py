# SPDX-License-Identifier: MIT
"""segment=True: no packet is longer than the wire takes, and streams stay whole."""

from __future__ import annotations

import os
import socket
import struct

import numpy as np
import pytest

import fastdivert as fd
from tests.live.namespaces import Namespace
from tests.live.serving import received, served, udp_sink
from tests.live.traffic import PORT, stream

Pair = tuple[Namespace, Namespace]

HOSTS = ["10.1.0.2", "fd00:1::2"]
SIDES = {"argvalues": [0, 1], "ids": ["outbound", "inbound"]}
_GSO = int(fd.HeaderFlag.GSO_TCP | fd.HeaderFlag.GSO_UDP)
_UDP_SEGMENT = 103


class Look:
    """What passes: the longest packet, and whether one is a super-packet."""

    def __init__(self) -> None:
        self.longest = 0
        self.supers = 0
        self.wrong = 0
        self.packets = 0

    def __call__(self, batch: fd.Batch) -> None:
        headers = batch.headers
        self.packets += len(batch)
        self.longest = max(self.longest, int(headers["length"].max()))
        self.supers += int(((headers["flags"] & _GSO) != 0).sum())
        sums = batch.checksums("verify")
        self.wrong += int((~(sums["l4_right"] | sums["l4_partial"])).sum())
        self.wrong += int((sums["ip_present"] & ~sums["ip_right"]).sum())


@pytest.mark.parametrize("side", **SIDES)
@pytest.mark.parametrize("host", HOSTS)
def test_a_stream_is_whole(pair: Pair, side: int, host: str) -> None:
    look = Look()
    with pair[side].entered():
        handle = fd.open(f"tcp.DstPort == {PORT}", segment=True, queue_size=32 << 20)
    with handle:
        with served(handle, look):
            stream(pair[0], pair[1], host, 64)
        stats = handle.stats()
    assert look.longest <= 1500
    assert look.supers == look.wrong == 0
    assert look.packets == stats["delivered"] == stats["sent"] > 64 << 20 // 1500
    assert stats["matched"] == stats["delivered"] + sum(stats["dropped"].values())
    assert stats["queued"] < stats["delivered"]  # there were super-packets


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_stream_is_whole_on_loopback(alone: Namespace, host: str) -> None:
    """Even where TCP's buffers are longer than any IP packet."""
    look = Look()
    with alone.entered():
        handle = fd.open(f"tcp.DstPort == {PORT}", segment=True, queue_size=32 << 20)
    with handle, served(handle, look):
        stream(alone, alone, host, 64)
    assert look.supers == look.wrong == 0
    assert look.longest <= 65536


@pytest.mark.parametrize("side", **SIDES)
@pytest.mark.parametrize("host", HOSTS)
def test_udp_segments(pair: Pair, side: int, host: str) -> None:
    payload = os.urandom(10 * 1000 + 300)
    look = Look()
    with udp_sink(pair[1], host, 5000) as sink:
        with pair[side].entered():
            handle = fd.open("udp.DstPort == 5000", segment=True)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with pair[0].entered():
            source = socket.socket(family, socket.SOCK_DGRAM)
        with handle, source, served(handle, look):
            source.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, 1000)
            source.sendto(payload, (host, 5000))
            parts = received(sink, 11)
    assert b"".join(parts) == payload
    assert look.packets == 11
    assert look.supers == look.wrong == 0


def test_a_batch_has_no_more_than_was_asked_for(pair: Pair) -> None:
    with udp_sink(pair[1], "10.1.0.2", 5000):
        with pair[0].entered():
            handle = fd.open("udp.DstPort == 5000", segment=True)
            source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with handle, source:
            source.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, 100)
            source.sendto(
                b"".join(struct.pack("!I96x", number) for number in range(25)), ("10.1.0.2", 5000)
            )
            stats = handle.stats()
            assert stats["waiting"] == 1  # it is cut when it is received
            sizes, numbers = [], []
            for _ in range(3):
                batch = handle.recv(10, timeout=3)
                sizes.append(len(batch))
                numbers += [
                    struct.unpack_from("!I", bytes(batch.payload(row)))[0]
                    for row in range(len(batch))
                ]
                assert len(np.unique(batch["ip.Id"])) == len(batch)
                stats = handle.stats()
                assert stats["matched"] == stats["delivered"] + stats["waiting"] == 25
                assert stats["delivered"] == sum(sizes)
            assert sizes == [10, 10, 5]
            assert numbers == list(range(25))


def test_closing_gives_segments_back(pair: Pair) -> None:
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            handle = fd.open("udp.DstPort == 5000", segment=True)
            source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with source:
            source.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, 100)
            source.sendto(bytes(2500), ("10.1.0.2", 5000))
            handle.send(handle.recv(10, timeout=3))
            handle.close()
            assert received(sink, 25) == [bytes(100)] * 25
