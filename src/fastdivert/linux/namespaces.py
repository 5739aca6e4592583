# SPDX-License-Identifier: MIT
"""Network namespaces of the calling thread: another one by name, or one of its own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
from typing import Any, Final

_CLONE_NEWNET: Final = 0x40000000

#: Where ``ip netns add`` keeps the namespaces that have a name.
_NAMED: Final = "/run/netns"

_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1


def _path(name: str) -> str:
    return name if "/" in name else os.path.join(_NAMED, name)


def inode(name: str = "/proc/thread-self/ns/net") -> int:
    """The number of a namespace, named as for ``enter``; by default that of the caller."""
    return os.stat(_path(name)).st_ino


def names() -> dict[int, str]:
    """What namespaces are called: those that ``ip netns`` knows, and "here" for the caller's."""
    found = {}
    with contextlib.suppress(OSError):
        for entry in os.scandir(_NAMED):
            with contextlib.suppress(OSError):  # some come and go
                found[entry.stat().st_ino] = entry.name
    with contextlib.suppress(OSError):
        found[inode()] = "here"
    return found


def enter(name: str) -> None:
    """The calling thread works in a namespace from now on.

    Args:
        name: as ``ip netns`` lists it, or a path such as ``/proc/1234/ns/net``.

    Raises:
        FileNotFoundError: there is no such namespace. PermissionError: entering
            one needs CAP_SYS_ADMIN. OSError: it is no network namespace.
    """
    path = _path(name)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("setns", descriptor, _CLONE_NEWNET)
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(descriptor)


def enter_new() -> None:
    """The calling thread works in a new namespace, where only loopback is, and up.

    The namespace is gone when the thread and every socket made in it are.
    """
    import fcntl  # not on Windows

    _call("unshare", _CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))


def _call(name: str, *arguments: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    function: Any = getattr(library, name)
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
