# SPDX-License-Identifier: MIT
"""Kinds of network devices, each as a link between two hosts."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from tests.live.namespaces import Namespace

Pair = tuple[Namespace, Namespace]

_TUNSETIFF: Final = 0x400454CA
_IFF_TUN_NO_PI: Final = 0x1001


class NoSuchDeviceError(Exception):
    """This kernel cannot make the device."""


@dataclass(frozen=True)
class Link:
    """A device on either side, and what the hosts are called there: left, right."""

    devices: tuple[str, str]
    addresses: tuple[tuple[str, str], ...]
    has_streams: bool = True
    """Whether it can take TCP in large pieces."""

    def ifindex(self, side: int, where: Namespace) -> int:
        with where.entered():
            return socket.if_nametoindex(self.devices[side])


MakesLink = Callable[[Pair], AbstractContextManager[Link]]


def _add(where: Namespace, *words: str) -> None:
    try:
        where.ip("link", "add", *words)
    except subprocess.CalledProcessError as error:
        raise NoSuchDeviceError(f"ip link add {' '.join(words)}: {error.stderr.strip()}") from error


def _number(pair: Pair, devices: tuple[str, str], net: int) -> tuple[tuple[str, str], ...]:
    for host, (side, device) in enumerate(zip(pair, devices, strict=True), 1):
        side.ip("addr", "add", f"10.{net}.0.{host}/24", "dev", device)
        side.ip("addr", "add", f"fd00:{net}::{host}/64", "dev", device, "nodad")
        side.ip("link", "set", device, "up")
    return ((f"10.{net}.0.1", f"10.{net}.0.2"), (f"fd00:{net}::1", f"fd00:{net}::2"))


@contextlib.contextmanager
def _both(pair: Pair, name: str, add: Callable[[int], list[str]], net: int) -> Iterator[Link]:
    """A device of the same kind on either side."""
    for number, side in enumerate(pair):
        _add(side, *add(number))
    try:
        yield Link((name, name), _number(pair, (name, name), net))
    finally:
        for side in pair:
            with contextlib.suppress(subprocess.CalledProcessError):  # a test may have done so
                side.ip("link", "del", name)


def _vlan(pair: Pair, *options: str) -> AbstractContextManager[Link]:
    def add(number: int) -> list[str]:
        return ["link", f"wire{number}", "name", "tagged", "type", "vlan", "id", "7", *options]

    return _both(pair, "tagged", add, 7)


def vlan(pair: Pair) -> AbstractContextManager[Link]:
    """The tag travels beside the packet, as in hardware."""
    return _vlan(pair)


@contextlib.contextmanager
def vlan_in_band(pair: Pair) -> Iterator[Link]:
    """The wire has the tag in the frame, as where no hardware helps."""
    for number, side in enumerate(pair):
        side.run("ethtool", "-K", f"wire{number}", "txvlan", "off", "rxvlan", "off")
    with _vlan(pair) as link:
        yield link


def vlan_in_header(pair: Pair) -> AbstractContextManager[Link]:
    """The VLAN device itself shows the tag, in frames that are no IP frames."""
    return _vlan(pair, "reorder_hdr", "off")


@contextlib.contextmanager
def bridge(pair: Pair) -> Iterator[Link]:
    """A bridge with a port on either side; the packets are the bridge's."""

    def add(number: int) -> list[str]:
        # With a MAC address of its own: without, it takes another one with its port.
        return ["name", "bridge0", "address", f"02:00:00:00:08:{number:02}", "type", "bridge"]

    with _both(pair, "bridge0", add, 8) as link:
        for number, side in enumerate(pair):
            side.ip("link", "set", f"wire{number}", "master", "bridge0")
        yield link


def _tunnel(kind: str, net: int, *family: int) -> MakesLink:
    @contextlib.contextmanager
    def make(pair: Pair) -> Iterator[Link]:
        def add(number: int) -> list[str]:
            ends = ["local", f"10.1.0.{number + 1}", "remote", f"10.1.0.{2 - number}"]
            return ["name", "tunnel0", "type", kind, *ends]

        with _both(pair, "tunnel0", add, net) as link:
            addresses = tuple(link.addresses[which] for which in family)
            yield Link(link.devices, addresses)

    make.__name__ = kind
    return make


#: IPv4 and IPv6 in IPv4: no header of their own before the packet.
ipip = _tunnel("ipip", 9, 0)
sit = _tunnel("sit", 10, 1)


def _tun(where: Namespace, name: str) -> int:
    with where.entered():
        try:
            descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            request = struct.pack("16sH22x", name.encode(), _IFF_TUN_NO_PI)
            fcntl.ioctl(descriptor, _TUNSETIFF, request)
        except OSError as error:
            raise NoSuchDeviceError(f"/dev/net/tun: {error.strerror}") from error
    return descriptor


@contextlib.contextmanager
def tun(pair: Pair) -> Iterator[Link]:
    """Devices of IP packets whose wire is a thread of ours."""
    ends = [_tun(side, "tun0") for side in pair]
    done, stop = os.pipe()

    def carry() -> None:
        while True:
            ready = select.select([*ends, done], [], [])[0]
            if done in ready:
                return
            for end in ready:
                other = ends[1 - ends.index(end)]
                # Nothing to read, a device that is down, and one that has gone.
                with contextlib.suppress(OSError):
                    os.write(other, os.read(end, 65536))

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield Link(("tun0", "tun0"), _number(pair, ("tun0", "tun0"), 11), has_streams=False)
    finally:
        os.close(stop)
        thread.join(10)
        for descriptor in (*ends, done):
            os.close(descriptor)
        assert not thread.is_alive()


#: Those whose packets a handle takes.
LINKS: Final[tuple[MakesLink, ...]] = (
    vlan,
    vlan_in_band,
    bridge,
    ipip,
    sit,
    tun,
)
