# SPDX-License-Identifier: MIT
"""The handles that are open on this host, whoever opened them: the kernel keeps their records.

A record belongs to its process and goes with it, however that ends; nothing
stays behind that could be mistaken for an open handle. It is read across
network, PID and mount namespaces.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from fastdivert.enums import Flag, Layer


@dataclass(frozen=True, slots=True)
class Queues:
    """What a handle's queues hold and have counted, over all CPUs.

    Attributes:
        length: how many packets may wait in each queue (QUEUE_LENGTH).
        waiting: packets that have not been received, and of these in the fullest queue.
        held: packets that were received, and whose place is still in use.
        dropped: packets that were lost, by cause.
    """

    length: int
    waiting: int
    fullest: int
    held: int
    seen: int
    matched: int
    queued: int
    bytes: int
    delivered: int
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True)
class OpenHandle:
    """One open handle, as its process has published it.

    Attributes:
        pid: its process, as the initial PID namespace counts; own_pid as the process itself does.
        command: what the process is called; user its user id.
        layer, priority, flags, filter: as given to ``fastdivert.open``; the filter is the
            present one, and program what it compiles to (struct fd_program).
        opened: ns since the epoch.
        net_namespace, pid_namespace: of the process, by inode.
        identity: a random number, the same for as long as the handle is open.
        revision: counts up when the handle's filter is swapped.
        mark: the mark of packets that it puts back, without the number of the packet.
        queues: None if they could not be read.
    """

    pid: int
    own_pid: int
    command: str
    user: int
    layer: Layer
    priority: int
    flags: Flag
    filter: str
    program: bytes = field(repr=False)
    opened: int
    net_namespace: int
    pid_namespace: int
    identity: int
    revision: int
    mark: int
    queues: Queues | None

    @property
    def pid_here(self) -> int:
        """Its process as the caller counts, if both are in one PID namespace; else ``pid``."""
        try:
            same = os.stat("/proc/self/ns/pid").st_ino == self.pid_namespace
        except OSError:
            same = False
        return self.own_pid if same else self.pid

    @property
    def age(self) -> float:
        """Seconds since it was opened."""
        return max(0.0, (time.time_ns() - self.opened) / 1e9)


def handles() -> list[OpenHandle]:
    """The open handles of this host, of every namespace, in the order of their opening.

    Raises:
        DriverError: listing them needs CAP_SYS_ADMIN. ModuleNotFoundError: this
            build comes without the Linux driver.
    """
    from fastdivert.linux import _linux

    newest: dict[int, dict[str, Any]] = {}
    for record in _linux.read_handles():
        known = newest.get(record["identity"])
        # While a filter is swapped there are two records of one handle.
        if known is None or known["revision"] < record["revision"]:
            newest[record["identity"]] = record
    opened = [_handle(record) for record in newest.values() if not record["closed"]]
    return sorted(opened, key=lambda handle: (handle.opened, handle.identity))


def _handle(record: dict[str, Any]) -> OpenHandle:
    rest = {name: value for name, value in record.items() if name != "closed"}
    rest["layer"] = Layer(record["layer"])
    rest["flags"] = Flag(record["flags"])
    rest["queues"] = None if record["queues"] is None else Queues(**record["queues"])
    return OpenHandle(**rest)
