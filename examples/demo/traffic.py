# SPDX-License-Identifier: MIT
"""traffic.py NAMESPACE ROLE ...: one end of the demo's traffic, a process of its own.

Plain sockets of the host's own stack. A role says "ready" in a line when it
is, and its result in another, as JSON.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import select
import signal
import socket
import statistics
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastdivert.linux import namespaces

_PR_SET_PDEATHSIG = 1
_MSG_WAITFORONE = 0x10000
_SO_RCVBUFFORCE = 33
_libc = ctypes.CDLL(None, use_errno=True)

#: struct mmsghdr and struct iovec of a 64-bit system.
_MESSAGE = np.dtype(
    {
        "names": ["name", "iov", "iov_count", "length"],
        "formats": ["u8", "u8", "u8", "u4"],
        "offsets": [0, 16, 24, 56],
        "itemsize": 64,
    }
)
_BUFFER = np.dtype([("base", "u8"), ("length", "u8")])


class Datagrams:
    """Many datagrams in one system call; each begins with its number."""

    def __init__(self, made: socket.socket, size: int, most: int = 256) -> None:
        self._socket = made
        self._data = np.zeros((most, size), np.uint8)
        self._numbers = self._data[:, :4].view(">u4")[:, 0]
        self._buffers = np.zeros(most, _BUFFER)
        self._buffers["base"] = self._data.ctypes.data + np.arange(most) * size
        self._buffers["length"] = size
        self._messages = np.zeros(most, _MESSAGE)
        self._messages["iov"] = self._buffers.ctypes.data + np.arange(most) * _BUFFER.itemsize
        self._messages["iov_count"] = 1

    def send(self, first: int) -> int:
        """Sends numbers from first on; how many went."""
        self._numbers[:] = np.arange(first, first + len(self._numbers))
        return max(0, self._call(_libc.sendmmsg, 0))

    def receive(self) -> np.ndarray:
        """The numbers that have come; none if none came in time."""
        count = self._call(_libc.recvmmsg, _MSG_WAITFORONE, None)
        return self._numbers[: max(0, count)].astype(np.int64)

    def _call(self, function: Any, *rest: Any) -> int:
        pointer = ctypes.c_void_p(self._messages.ctypes.data)
        return int(function(self._socket.fileno(), pointer, len(self._messages), *rest))


# ---- UDP -----------------------------------------------------------------------


def udp_send(host: str, port: str, size: str, seconds: str, rate: str) -> dict[str, Any]:
    """So many a second; "inf" is as fast as one process can."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.connect((host, int(port)))
        datagrams = Datagrams(made, int(size))
        sent, begin = 0, time.monotonic()
        while time.monotonic() < begin + float(seconds):
            sent += datagrams.send(sent)
            ahead = sent / float(rate) - (time.monotonic() - begin)
            if ahead > 0:
                time.sleep(ahead)
        return {"sent": sent, "seconds": time.monotonic() - begin}


def udp_receive(host: str, port: str, size: str) -> Iterator[dict[str, Any] | None]:
    """Until standard input ends and nothing more comes; how many, in order or not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 256 << 20)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 0, 300_000))
        made.bind((host, int(port)))
        datagrams = Datagrams(made, int(size))
        yield None
        received, kept, last, misplaced = 0, 0, -1, 0
        while True:
            numbers = datagrams.receive()
            if len(numbers) == 0:
                if select.select([sys.stdin], [], [], 0)[0]:
                    break
                continue
            received += len(numbers)
            kept += int((numbers % 8 == 0).sum())
            misplaced += int((np.diff(numbers, prepend=last) <= 0).sum())
            last = int(numbers[-1])
        yield {"received": received, "multiples_of_8": kept, "out_of_order": misplaced}


def udp_echo(host: str, port: str) -> Iterator[dict[str, Any] | None]:
    """Sends back what comes, for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((host, int(port)))
        yield None
        while True:
            made.sendto(*made.recvfrom(2048))


def udp_ping(host: str, port: str, count: str) -> dict[str, Any]:
    """The median of that many round trips."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.settimeout(5)
        made.connect((host, int(port)))
        took = []
        for _ in range(int(count)):
            begin = time.perf_counter()
            made.send(b"there and back")
            made.recv(2048)
            took.append(time.perf_counter() - begin)
        return {"microseconds": statistics.median(took) * 1e6}


# ---- TCP -----------------------------------------------------------------------


def tcp_serve(host: str, port: str, megabytes: str) -> Iterator[dict[str, Any] | None]:
    """Takes a stream, answers with another as long."""
    blocks = random_blocks(int(megabytes))
    room = bytearray(int(megabytes) << 20)
    with socket.create_server((host, int(port))) as listener:
        yield None
        peer, _ = listener.accept()
        with peer:
            length = take(peer, room)
            give(peer, blocks)
    yield {"came": digest([room[:length]]), "went": digest(blocks)}


def tcp_send(host: str, port: str, megabytes: str) -> dict[str, Any]:
    """Sends a stream, and takes the answer."""
    blocks = random_blocks(int(megabytes))
    room = bytearray(int(megabytes) << 20)
    with socket.create_connection((host, int(port)), timeout=10) as made:
        begin = time.monotonic()
        give(made, blocks)
        room[:1] = made.recv(1)  # the other end has all of it
        middle = time.monotonic()
        length = 1 + take(made, memoryview(room)[1:])
        end = time.monotonic()
    bits = int(megabytes) * 8.388608e-3
    there, back = bits / (middle - begin), bits / (end - middle)
    went, came = digest(blocks), digest([room[:length]])
    return {"went": went, "came": came, "there": there, "back": back}


def random_blocks(count: int) -> list[bytes]:
    """That many megabytes, each another."""
    block = os.urandom(1 << 20)
    return [number.to_bytes(4) + block[4:] for number in range(count)]


def give(made: socket.socket, blocks: list[bytes]) -> None:
    for block in blocks:
        made.sendall(block)
    made.shutdown(socket.SHUT_WR)


def take(made: socket.socket, room: bytearray | memoryview) -> int:
    """Fills room until the stream ends; how much came."""
    rest, length = memoryview(room), 0
    while rest and (count := made.recv_into(rest, min(len(rest), 1 << 20))):
        rest, length = rest[count:], length + count
    return length


def digest(parts: list[Any]) -> str:
    """After the clock has stopped: it costs more than the transfer."""
    made = hashlib.sha256()
    for part in parts:
        made.update(part)
    return made.hexdigest()


# ---- the process ---------------------------------------------------------------

ROLES = {
    role.__name__.replace("_", "-"): role
    for role in (udp_send, udp_receive, udp_echo, udp_ping, tcp_serve, tcp_send)
}


def main(namespace: str, role: str, *arguments: str) -> int:
    # Ctrl-C is the parent's business; and if that dies, so do we.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        namespaces.enter(namespace)
    except FileNotFoundError:
        return 1  # it is dead already
    result: Any = ROLES[role](*arguments)
    if isinstance(result, dict):
        print(json.dumps(result), flush=True)
        return 0
    for step in result:
        print("ready" if step is None else json.dumps(step), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
