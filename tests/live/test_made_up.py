# SPDX-License-Identifier: MIT
"""Packets of a user's own making: which way they go, and what cannot be sent says so."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct

import numpy as np
import numpy.typing as npt
import pytest

import fastdivert as fd
from tests.live.namespaces import Namespace
from tests.live.serving import received, served, udp_sink

Pair = tuple[Namespace, Namespace]


def udp(source: str, destination: str, payload: bytes, port: int = 5000) -> bytes:
    """An IP packet without checksums."""
    ends = [ipaddress.ip_address(end) for end in (source, destination)]
    datagram = struct.pack("!HHHH", 4000, port, 8 + len(payload), 0) + payload
    packed = ends[0].packed + ends[1].packed
    if ends[0].version == 4:
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 7, 0, 64, 17, 0)
        return header + packed + datagram
    return struct.pack("!IHBB", 0x60000000, len(datagram), 17, 64) + packed + datagram


def address(
    *,
    outbound: bool,
    ifindex: int = 0,
    layer: fd.Layer = fd.Layer.NETWORK,
    flags: int = 0,
) -> npt.NDArray[np.void]:
    made = np.zeros((), fd.ADDRESS_DTYPE)
    made["Layer"] = layer
    made["Flags"] = (int(fd.AddressFlag.OUTBOUND) if outbound else 0) | flags
    made["Network"]["IfIdx"] = ifindex
    return made


def index_of(where: Namespace, device: str) -> int:
    with where.entered():
        return socket.if_nametoindex(device)


def sender(where: Namespace, layer: fd.Layer = fd.Layer.NETWORK) -> fd.Handle:
    with where.entered():
        return fd.open("false", layer, flags=fd.Flag.SEND_ONLY)


ENDS = [("10.1.0.1", "10.1.0.2"), ("fd00:1::1", "fd00:1::2")]


@pytest.mark.parametrize("ends", ENDS, ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("named", [True, False], ids=["interface", "by route"])
def test_outbound(pair: Pair, ends: tuple[str, str], named: bool) -> None:
    with udp_sink(pair[1], ends[1], 5000) as sink, sender(pair[0]) as handle:
        where = address(outbound=True, ifindex=index_of(pair[0], "wire0") if named else 0)
        assert handle.send([udp(*ends, b"one"), udp(*ends, b"two")], where) == 2
        assert received(sink, 2) == [b"one", b"two"]


@pytest.mark.parametrize("ends", ENDS, ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("size", [10, 5000])
def test_inbound(pair: Pair, ends: tuple[str, str], size: int) -> None:
    with udp_sink(pair[1], ends[1], 5000) as sink, sender(pair[1]) as handle:
        where = address(outbound=False, ifindex=index_of(pair[1], "wire1"))
        assert handle.send(udp(*ends, b"x" * size), where) == 1
        assert received(sink, 1) == [b"x" * size]


def test_inbound_without_an_interface_is_an_error(pair: Pair) -> None:
    with sender(pair[1]) as handle:
        with pytest.raises(fd.SendError, match="inbound needs one") as error:
            handle.send(udp(*ENDS[0], b"x"), address(outbound=False))
        assert error.value.errno == errno.ENODEV


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("outbound", [True, False])
def test_loopback(alone: Namespace, host: str, outbound: bool) -> None:
    with udp_sink(alone, host, 5000) as sink, sender(alone) as handle:
        where = address(outbound=outbound, ifindex=1)
        assert handle.send(udp(host, host, b"round"), where) == 1
        assert received(sink, 1) == [b"round"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_loopback_by_route(alone: Namespace, host: str) -> None:
    with udp_sink(alone, host, 5000) as sink, sender(alone) as handle:
        assert handle.send(udp(host, host, b"round"), address(outbound=True)) == 1
        assert received(sink, 1) == [b"round"]


@pytest.mark.parametrize("ends", [("10.1.0.1", "10.2.0.2"), ("fd00:1::1", "fd00:2::2")])
@pytest.mark.parametrize("named", [True, False], ids=["interface", "by route"])
def test_forwarded(
    routed: tuple[Namespace, Namespace, Namespace], ends: tuple[str, str], named: bool
) -> None:
    _, router, right = routed
    with udp_sink(right, ends[1], 5000) as sink, router.entered():
        low = fd.open("udp", fd.Layer.NETWORK_FORWARD, priority=-1)
        seen: list[int] = []
        with (
            sender(router, fd.Layer.NETWORK_FORWARD) as handle,
            low,
            served(low, lambda batch: seen.extend(batch["impostor"].tolist())),
        ):
            ifindex = index_of(router, "far") if named else 0
            where = address(outbound=True, ifindex=ifindex, layer=fd.Layer.NETWORK_FORWARD)
            assert handle.send(udp(*ends, b"through"), where) == 1
            assert received(sink, 1) == [b"through"]
        assert seen == [1]


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
def test_to_lower_handles_they_are_impostors(pair: Pair, side: int) -> None:
    seen: list[int] = []
    with pair[side].entered():
        low = fd.open("udp.DstPort == 5000", priority=-1)
        high = fd.open("udp.DstPort == 5000", priority=1)
    with (
        udp_sink(pair[1], "10.1.0.2", 5000) as sink,
        sender(pair[side]) as handle,
        low,
        high,
        served(low, lambda batch: seen.extend(batch["impostor"].tolist())),
    ):
        ifindex = index_of(pair[side], f"wire{side}")
        handle.send(udp(*ENDS[0], b"made"), address(outbound=side == 0, ifindex=ifindex))
        assert received(sink, 1) == [b"made"]
        assert high.stats()["matched"] == 0
    assert seen == [1]


def test_what_cannot_be_sent_is_told_by_index(pair: Pair) -> None:
    good, bad = udp(*ENDS[0], b"good"), udp("10.1.0.1", "192.0.2.1", b"nowhere")
    packets = [good, b"", good[:10], good[:30], b"\0" * 40, bad, good]
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink, sender(pair[0]) as handle:
        faults = np.full(len(packets), 99, np.int32)
        assert handle.send(packets, address(outbound=True), faults=faults) == 2
        wrong = errno.EINVAL
        assert faults.tolist() == [0, wrong, wrong, wrong, wrong, errno.ENETUNREACH, 0]
        assert received(sink, 2) == [b"good", b"good"]
        with pytest.raises(fd.SendError) as error:
            handle.send(packets, address(outbound=True))
        assert error.value.faults["row"].tolist() == [1, 2, 3, 4, 5]
        assert error.value.faults["errno"].tolist() == [wrong] * 4 + [errno.ENETUNREACH]
        assert error.value.sent == 2
        assert handle.stats()["send_errors"] == 10


def test_an_interface_that_does_not_exist(pair: Pair) -> None:
    with sender(pair[0]) as handle:
        with pytest.raises(fd.SendError, match="no interface") as error:
            handle.send(udp(*ENDS[0], b"x"), address(outbound=True, ifindex=999))
        assert error.value.errno == errno.ENODEV


def test_a_checksum_that_is_said_to_be_right_is_left_alone(pair: Pair) -> None:
    """A wrong one: the receiver's host throws the datagram away."""
    packet = bytearray(udp(*ENDS[0], b"x"))
    packet[26:28] = b"\x12\x34"
    right = int(fd.AddressFlag.UDP_CHECKSUM)
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink, sender(pair[0]) as handle:
        handle.send(packet, address(outbound=True, flags=right))
        sink.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sink.recv(100)
        handle.send(packet, address(outbound=True))
        assert received(sink, 1) == [b"x"]


@pytest.mark.parametrize("ends", ENDS, ids=["ipv4", "ipv6"])
def test_longer_than_the_mtu(pair: Pair, ends: tuple[str, str]) -> None:
    with udp_sink(pair[1], ends[1], 5000) as sink, sender(pair[0]) as handle:
        where = address(outbound=True)
        assert handle.send(udp(*ends, b"y" * 30000), where) == 1
        assert received(sink, 1) == [b"y" * 30000]
        stubborn = bytearray(udp(*ENDS[0], b"z" * 3000))
        stubborn[6] = 0x40  # don't fragment
        with pytest.raises(fd.SendError, match="MTU"):
            handle.send(stubborn, where)
