# SPDX-License-Identifier: MIT
"""Devices other than plain Ethernet, that come and go while a handle is open.

Kernels differ in which they have: what this one lacks is skipped here, and tried in tests/kernels.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import numpy as np
import pytest

import fastdivert as fd
from tests.live.devices import LINKS, Link, MakesLink, NoSuchDeviceError, vlan_in_header
from tests.live.namespaces import Namespace, join
from tests.live.serving import nothing, served
from tests.live.traffic import PORT, receiver, send_numbers, stream

#: More than what makes a handle send by live frames.
COUNT = 150
MEGABYTES = 2
_PKTINFO = {
    socket.AF_INET: (socket.IPPROTO_IP, 8),  # IP_PKTINFO
    socket.AF_INET6: (socket.IPPROTO_IPV6, 49),  # IPV6_RECVPKTINFO
}

Pair = tuple[Namespace, Namespace]


@contextlib.contextmanager
def linked(make: MakesLink, pair: Pair) -> Iterator[Link]:
    with contextlib.ExitStack() as stack:
        try:
            link = stack.enter_context(make(pair))
        except NoSuchDeviceError as error:
            pytest.skip(f"this kernel cannot make the device: {error}")
        yield link


def arrived(sink: socket.socket, count: int) -> tuple[list[int], set[int]]:
    """The numbers, and the devices that the kernel says they have come in by."""
    numbers, devices = [], set()
    for _ in range(count):
        data, control, _, _ = sink.recvmsg(2048, 256)
        numbers.append(struct.unpack_from("!I", data)[0])
        for _, _, info in control:
            at = 0 if sink.family == socket.AF_INET else 16
            devices.add(struct.unpack_from("=I", info, at)[0])
    return numbers, devices


@contextlib.contextmanager
def sink_on(where: Namespace, host: str) -> Iterator[socket.socket]:
    """A receiver that is told the device of each packet."""
    with receiver(where, host) as made:
        made.settimeout(10)
        made.setsockopt(*_PKTINFO[made.family], 1)
        yield made


def put_through(handle: fd.Handle, count: int) -> tuple[set[int], set[bool]]:
    """Receives and sends back so many; their interfaces and directions."""
    devices: set[int] = set()
    outbound: set[bool] = set()
    while count > 0:
        batch = handle.recv(timeout=20)
        count -= len(batch)
        devices |= set(batch.addresses["Network"]["IfIdx"].tolist())
        outbound |= set(batch.match("outbound").tolist())
        batch["udp.Payload[4]"] = ord("!")
        assert handle.send(batch) == len(batch)
    return devices, outbound


@pytest.mark.parametrize("make", LINKS, ids=lambda make: make.__name__)
def test_a_device_made_while_a_handle_is_open_is_seen_with_its_own_index(
    pair: Pair, make: MakesLink
) -> None:
    """Both ways, edited, and back by the same device; every packet once."""
    left, right = pair
    with left.entered(), fd.open(f"udp.DstPort == {PORT}", queue_length=16384) as handle:
        with linked(make, pair) as link:
            here, there = {link.ifindex(0, left)}, {link.ifindex(1, right)}
            for near, far in link.addresses:
                time.sleep(0.1)  # the device is announced to the handle
                with sink_on(right, far) as sink:
                    send_numbers(left, far, COUNT)
                    assert put_through(handle, COUNT) == (here, {True})
                    assert arrived(sink, COUNT) == (list(range(COUNT)), there)
                with sink_on(left, near) as sink:
                    send_numbers(right, near, COUNT)
                    assert put_through(handle, COUNT) == (here, {False})
                    assert arrived(sink, COUNT) == (list(range(COUNT)), here)
        stats = handle.stats()
    expected = 2 * COUNT * len(link.addresses)
    assert stats["matched"] == stats["delivered"] == stats["sent"] == expected
    assert stats["malformed"] == stats["attach_failures"] == 0


@pytest.mark.parametrize("make", LINKS, ids=lambda make: make.__name__)
def test_streams_over_a_device_are_whole(pair: Pair, make: MakesLink) -> None:
    """One each way: what a device is given in large pieces, and what it gives."""
    left, right = pair
    with linked(make, pair) as link:
        if not link.has_streams:
            pytest.skip("a wire of Python's is too slow for it")
        with left.entered():
            handle = fd.open(f"tcp.DstPort == {PORT}", queue_length=16384, queue_size=32 << 20)
        with handle:
            with served(handle, nothing):
                for near, far in link.addresses:
                    stream(left, right, far, MEGABYTES)
                    stream(right, left, near, MEGABYTES)
            stats = handle.stats()
    assert stats["bytes"] > 2 * len(link.addresses) * MEGABYTES << 20
    assert stats["matched"] == stats["delivered"] == stats["sent"]


def test_a_device_whose_packets_would_pass_unseen_is_refused_and_told(pair: Pair) -> None:
    left, _ = pair
    with left.entered(), fd.open("false") as handle, linked(vlan_in_header, pair) as link:
        name = f"interface {link.ifindex(0, left)} is a VLAN device"
        with pytest.raises(fd.FastDivertError, match=f"{name}.*reorder_hdr on"):
            fd.open("false")
        assert handle.stats()["attach_failures"] == 1
        left.ip("link", "set", "dev", "tagged", "type", "vlan", "reorder_hdr", "on")
        fd.open("false").close()


def test_a_device_that_has_gone_is_named_and_the_others_go_on(pair: Pair) -> None:
    left, right = pair
    join(left, "other0", right, "other1", 8)
    left.run("ping", "-c", "1", "-w", "10", "10.8.0.2")
    with left.entered(), fd.open(f"udp.DstPort == {PORT}") as handle:
        interfaces = handle.stats()["interfaces"]
        send_numbers(left, "10.8.0.2", 3)
        batch = handle.recv(timeout=20)
        left.ip("link", "del", "other0")
        faults = np.zeros(len(batch), np.int32)
        handle.send(batch, faults=faults)
        assert faults.tolist() == [19] * 3  # ENODEV
        with sink_on(right, "10.1.0.2") as sink:
            send_numbers(left, "10.1.0.2", 3)
            put_through(handle, 3)
            assert arrived(sink, 3)[0] == [0, 1, 2]
        assert handle.stats()["interfaces"] == interfaces - 1
