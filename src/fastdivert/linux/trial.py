# SPDX-License-Identifier: MIT
"""Live capture, tried for real: a handle opened and closed, a datagram diverted and delivered."""

from __future__ import annotations

import socket
import threading
from typing import Any, Final

import fastdivert as fd
from fastdivert.linux import namespaces

#: Seconds that a datagram may take through loopback and a handle.
_PATIENCE: Final = 5.0

_PAYLOAD: Final = b"fastdivert doctor"


def open_here() -> dict[str, Any]:
    """Opens a handle that matches nothing in this namespace, and closes it; its counters.

    No packet is touched. Raises what ``fastdivert.open`` raises.
    """
    with fd.open("false", flags=fd.Flag.SNIFF) as handle:
        return handle.stats()


def divert_one() -> None:
    """Diverts, edits and delivers one datagram in a namespace that goes away again.

    Raises:
        PermissionError: a namespace needs CAP_SYS_ADMIN. OSError, FastDivertError:
            what failed.
    """
    failure: list[BaseException] = []

    def run() -> None:
        try:
            namespaces.enter_new()
            _divert()
        except BaseException as error:
            failure.append(error)

    # A thread of its own: the caller stays in its namespace.
    thread = threading.Thread(target=run, name="fastdivert doctor")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def _divert() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source,
    ):
        sink.bind(("127.0.0.1", 0))
        sink.settimeout(_PATIENCE)
        port = sink.getsockname()[1]
        with fd.open(f"udp.DstPort == {port}") as handle:
            source.sendto(_PAYLOAD.lower(), sink.getsockname())
            batch = handle.recv(timeout=_PATIENCE)
            batch["udp.Payload[0]"] = ord("F")
            handle.send(batch)
            arrived = sink.recv(64)
        if arrived != b"F" + _PAYLOAD[1:]:
            raise fd.FastDivertError(f"sent as {_PAYLOAD!r} with its first letter F: {arrived!r}")
