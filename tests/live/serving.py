# SPDX-License-Identifier: MIT
"""A handle that serves in a thread, and datagrams sent and received around it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import fastdivert as fd
from tests.live.namespaces import Namespace


@contextlib.contextmanager
def served(handle: fd.Handle, touch: Callable[[fd.Batch], None]) -> Iterator[list[int]]:
    """A thread that receives, touches and sends back until the block ends."""
    seen = [0]

    def serve() -> None:
        for batch in handle:
            seen[0] += len(batch)
            touch(batch)
            handle.send(batch)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield seen
    finally:
        handle.shutdown(fd.Shutdown.RECV)
        thread.join(10)
        assert not thread.is_alive()


@contextlib.contextmanager
def udp_sink(host: Namespace, address: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.entered():
        sink = socket.socket(family, socket.SOCK_DGRAM)
    with sink:
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sink.bind((address, port))
        sink.settimeout(3)
        yield sink


def send_udp(host: Namespace, address: str, port: int, payloads: list[bytes]) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.entered():
        source = socket.socket(family, socket.SOCK_DGRAM)
    with source:
        for payload in payloads:
            source.sendto(payload, (address, port))


def received(sink: socket.socket, count: int) -> list[bytes]:
    return [sink.recv(65536) for _ in range(count)]


def nothing(batch: fd.Batch) -> None:
    pass
