# SPDX-License-Identifier: MIT
"""Network namespaces of a test's own, with unique names, and gone afterwards."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_CLONE_NEWNET: Final = 0x40000000
_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@dataclass(frozen=True)
class Namespace:
    """A namespace by name; loopback is up."""

    name: str

    def ip(self, *words: str) -> None:
        ip("-n", self.name, *words)

    def command(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str, timeout: float = 30) -> str:
        done = subprocess.run(
            self.command(*words), check=True, capture_output=True, text=True, timeout=timeout
        )
        return done.stdout

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def set(self, setting: str, value: int) -> None:
        """Writes below /proc/sys/net, which shows a process its own namespace's."""
        with self.entered():
            Path("/proc/sys/net", setting).write_text(str(value))

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread works in the namespace."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as away:
            _enter(away.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    made = Namespace(f"fdtest-{os.getpid()}-{next(_numbers)}")
    ip("netns", "add", made.name)
    try:
        made.ip("link", "set", "lo", "up")
        # No neighbour or router talk of the kernel's own among a test's packets.
        made.set("ipv6/conf/all/router_solicitations", 0)
        made.set("ipv6/conf/default/router_solicitations", 0)
        made.set("ipv6/conf/default/accept_dad", 0)
        made.set("ipv6/conf/all/accept_dad", 0)
        yield made
    finally:
        ip("netns", "del", made.name)


def join(
    left: Namespace,
    left_device: str,
    right: Namespace,
    right_device: str,
    number: int,
    *,
    mtu: int = 1500,
) -> None:
    """A veth pair: 10.N.0.1 and fd00:N::1 on the left, .2 and ::2 on the right."""
    ip(
        "link",
        "add",
        left_device,
        "netns",
        left.name,
        "type",
        "veth",
        "peer",
        "name",
        right_device,
        "netns",
        right.name,
    )
    for host, (side, device) in enumerate(((left, left_device), (right, right_device)), 1):
        side.ip("addr", "add", f"10.{number}.0.{host}/24", "dev", device)
        side.ip("addr", "add", f"fd00:{number}::{host}/64", "dev", device, "nodad")
        side.ip("link", "set", device, "mtu", str(mtu), "up")
