# SPDX-License-Identifier: MIT
"""The hosts of a live benchmark, and where on a packet's way a diverter sits."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tests.live.namespaces import Namespace, ip, join

PORT = 5001

#: Which core does what. Capturing happens on the sender's, giving back on the diverter's.
SENDER, DIVERTER, RECEIVER = 0, 1, 0

Direction = Literal["inbound", "outbound", "forward"]


@dataclass(frozen=True)
class Path:
    """Who sends to whom, and which host diverts in which direction."""

    sender: Namespace
    receiver: Namespace
    source: str  # the sender's address
    address: str  # the receiver's
    diverter: Namespace
    direction: Direction
    device: str  # on which the diverter sees the packets


@dataclass(frozen=True)
class Lab:
    """Two hosts on a wire, two behind a router, and one alone with its loopback."""

    left: Namespace
    right: Namespace
    router: Namespace
    far: Namespace
    alone: Namespace

    def path(self, direction: Direction) -> Path:
        if direction == "inbound":
            return Path(
                self.left, self.right, "10.1.0.1", "10.1.0.2", self.right, direction, "wire1"
            )
        if direction == "outbound":
            return Path(
                self.left, self.right, "10.1.0.1", "10.1.0.2", self.left, direction, "wire0"
            )
        return Path(self.left, self.far, "10.2.0.1", "10.3.0.2", self.router, direction, "near")

    def loopback(self) -> Path:
        return Path(self.alone, self.alone, "127.0.0.1", "127.0.0.1", self.alone, "outbound", "lo")


@contextlib.contextmanager
def lab() -> Iterator[Lab]:
    with contextlib.ExitStack() as stack:
        hosts = [
            stack.enter_context(_host(name)) for name in ("left", "right", "router", "far", "alone")
        ]
        left, right, router, far, _ = hosts
        join(left, "wire0", right, "wire1", 1)
        join(left, "wire2", router, "near", 2)
        join(router, "away", far, "wire3", 3)
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        left.ip("route", "add", "10.3.0.0/24", "via", "10.2.0.2")
        far.ip("route", "add", "default", "via", "10.3.0.1")
        for address in ("10.1.0.2", "10.3.0.2"):  # neighbours know each other
            left.run("ping", "-c", "1", "-w", "10", address)
        yield Lab(*hosts)


@contextlib.contextmanager
def _host(role: str) -> Iterator[Namespace]:
    host = Namespace(f"fdbench-{os.getpid()}-{role}")
    ip("netns", "add", host.name)
    try:
        host.ip("link", "set", "lo", "up")
        host.run(
            "sysctl",
            "-qw",
            "net.ipv6.conf.all.disable_ipv6=0",
            "net.ipv6.conf.default.router_solicitations=0",
            "net.ipv6.conf.default.accept_dad=0",
        )
        yield host
    finally:
        ip("netns", "del", host.name)
