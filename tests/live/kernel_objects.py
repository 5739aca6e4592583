# SPDX-License-Identifier: MIT
"""What the kernel has now that a driver could leave behind: eBPF objects, namespaces,
devices, queueing disciplines, filters, pins."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_SYS_BPF: Final = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
_NEXT: Final = {"program": 11, "map": 12, "link": 31}
_OPEN: Final = {"program": 13, "map": 14, "link": 30}
_INFO: Final = 15
_NAME: Final = {"program": slice(64, 80), "map": slice(24, 40)}
_syscall = ctypes.CDLL(None, use_errno=True).syscall


def bpf(command: int, attributes: Any) -> int:
    """bpf(2); attributes is bytes, or a buffer that the kernel writes into."""
    if isinstance(attributes, bytes):
        attributes = ctypes.create_string_buffer(attributes, len(attributes))
    result: int = _syscall(_SYS_BPF, command, attributes, len(attributes))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def objects(kind: str) -> Iterator[tuple[int, str]]:
    """(id, name) of every program, map or link on this host; a link has no name."""
    last = 0
    while True:
        attributes = ctypes.create_string_buffer(struct.pack("=III", last, 0, 0), 12)
        try:
            bpf(_NEXT[kind], attributes)
        except FileNotFoundError:
            return
        last = struct.unpack_from("=I", attributes, 4)[0]
        yield last, _name(kind, last) if kind in _NAME else ""


def _name(kind: str, identifier: int) -> str:
    try:
        descriptor = bpf(_OPEN[kind], struct.pack("=III", identifier, 0, 0))
    except FileNotFoundError:
        return ""  # gone meanwhile
    try:
        info = ctypes.create_string_buffer(_NAME[kind].stop)
        bpf(_INFO, struct.pack("=IIQ", descriptor, len(info), ctypes.addressof(info)))
        return info.raw[_NAME[kind]].rstrip(b"\0").decode()
    finally:
        os.close(descriptor)


def ours() -> dict[str, list[tuple[int, str]]]:
    """Programs and maps of fastdivert's, by the names that the driver gives them."""
    return {
        kind: [(number, name) for number, name in objects(kind) if name.startswith("fd")]
        for kind in _NAME
    }


def everything() -> dict[str, set[Any]]:
    """All that a test could leave behind, in this network namespace and on the host.

    Others on a shared machine come and go: what the whole host has counts only
    where the tests are required, which is where they have the host for themselves.
    """
    host: dict[str, set[Any]] = {
        "programs": set(objects("program")),
        "maps": set(objects("map")),
        "links": {number for number, _ in objects("link")},
        "namespaces": _listed("/run/netns"),
    }
    return {
        **(host if os.environ.get("FASTDIVERT_LIVE") == "required" else {}),
        "pins": _listed("/sys/fs/bpf"),
        "devices": _lines("ip", "-o", "link", "show"),
        "disciplines": _lines("tc", "qdisc", "show"),
        "filters": {
            f"{device} {way}: {line}"
            for device in _listed("/sys/class/net")
            for way in ("ingress", "egress")
            for line in _lines("tc", "filter", "show", "dev", device, way)
        },
    }


def new_since(before: dict[str, set[Any]], seconds: float = 5.0) -> dict[str, set[Any]]:
    """What is there and was not, by kind; waits for it to go, as the kernel frees a bit later."""
    end = time.monotonic() + seconds
    while (new := _new_since(before)) and time.monotonic() < end:
        time.sleep(0.1)
    return new


def _new_since(before: dict[str, set[Any]]) -> dict[str, set[Any]]:
    now = everything()
    return {kind: new for kind in now if (new := now[kind] - before[kind])}


def _listed(folder: str) -> set[str]:
    return {path.name for path in Path(folder).iterdir()} if Path(folder).is_dir() else set()


def _lines(*command: str) -> set[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return set(done.stdout.splitlines())
