# SPDX-License-Identifier: MIT
"""Sockets in namespaces, and streams whose two ends compare digests."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator

from tests.live.namespaces import Namespace

PORT = 5001


def open_socket(where: Namespace, kind: int, host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with where.entered():
        made = socket.socket(family, kind)
    made.settimeout(10)
    return made


@contextlib.contextmanager
def receiver(where: Namespace, host: str, port: int = PORT) -> Iterator[socket.socket]:
    """A UDP socket with room for a burst."""
    with open_socket(where, socket.SOCK_DGRAM, host) as made:
        made.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        made.bind((host, port))
        yield made


def send_numbers(
    where: Namespace,
    host: str,
    count: int,
    *,
    size: int = 32,
    pause: float = 0,
    first: int = 0,
    port: int = PORT,
) -> None:
    with open_socket(where, socket.SOCK_DGRAM, host) as made:
        made.setsockopt(socket.SOL_SOCKET, 32, 64 << 20)  # SO_SNDBUFFORCE
        made.connect((host, port))
        for number in range(first, first + count):
            made.send(struct.pack("!I", number).ljust(size, b"."))
            if pause:
                time.sleep(pause)


def received_numbers(made: socket.socket, *, quiet: float = 0.5) -> list[int]:
    """What has come and comes until nothing does for a while."""
    made.settimeout(quiet)
    numbers = []
    with contextlib.suppress(TimeoutError):
        while True:
            numbers.append(struct.unpack_from("!I", made.recv(65536))[0])
    return numbers


def stream(
    client: Namespace, server: Namespace, host: str, megabytes: int, port: int = PORT
) -> float:
    """Sends as many MB one way; both ends see the same bytes. Returns Gbit/s."""
    listener = open_socket(server, socket.SOCK_STREAM, host)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen()
    seen = hashlib.blake2b()
    received = 0

    def serve() -> None:
        nonlocal received
        with listener.accept()[0] as peer:
            peer.settimeout(30)
            while data := peer.recv(1 << 20):
                seen.update(data)
                received += len(data)

    thread = threading.Thread(target=serve)
    thread.start()
    block = os.urandom(1 << 20)
    sent = hashlib.blake2b()
    begin = time.monotonic()
    with open_socket(client, socket.SOCK_STREAM, host) as made:
        made.settimeout(30)
        made.connect((host, port))
        for number in range(megabytes):
            data = struct.pack("!I", number) + block[4:]
            made.sendall(data)
            sent.update(data)
    thread.join(60)
    listener.close()
    assert received == megabytes << 20
    assert seen.digest() == sent.digest()
    return megabytes * 8.389e-3 / (time.monotonic() - begin)
