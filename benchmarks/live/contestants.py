# SPDX-License-Identifier: MIT
"""Who diverts: fastdivert, its peers, and nobody."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.live.lab import DIVERTER, PORT, Path
from benchmarks.live.program import Program, SkippedError, built, python

#: What waits in a queue at most, of everybody's: WinDivert's maxima.
LENGTH, SIZE = 16384, 33554432

_CHAINS = {"inbound": "INPUT", "outbound": "OUTPUT", "forward": "FORWARD"}
_queues = itertools.count(1)


@dataclass(frozen=True)
class Job:
    """What is to be diverted, or only seen."""

    path: Path
    protocol: Literal["udp", "tcp"] = "udp"
    sniffs: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def core(self) -> int | None:
        """The diverter's. TCP has three busy processes: the scheduler places them."""
        return None if self.protocol == "tcp" else DIVERTER

    @property
    def filter(self) -> str:
        """WinDivert's language. FORWARD has no directions."""
        port = f"{self.protocol}.DstPort == {PORT}"
        return port if self.path.direction == "forward" else f"{self.path.direction} and {port}"


Contestant = Callable[[Job], contextlib.AbstractContextManager[Program | None]]


@contextlib.contextmanager
def undiverted(job: Job) -> Iterator[None]:
    yield None


@contextlib.contextmanager
def fastdivert(job: Job) -> Iterator[Program]:
    options = {
        "filter": job.filter,
        "sniffs": job.sniffs,
        "queue_length": LENGTH,
        "queue_size": SIZE,
        "forwarded": job.path.direction == "forward",
        **job.options,
    }
    with Program(job.path.diverter, python("ours", options), job.core) as program:
        yield program


@contextlib.contextmanager
def fastdivert_editing(job: Job) -> Iterator[Program]:
    """The TTL is written, not read."""
    with fastdivert(Job(job.path, job.protocol, options={"edits": True})) as program:
        yield program


@contextlib.contextmanager
def pydivert(job: Job) -> Iterator[Program]:
    _need("pydivert")
    options = {
        "filter": job.filter,
        "sniffs": job.sniffs,
        "forwarded": job.path.direction == "forward",
    }
    with Program(job.path.diverter, python("pydivert_peer", options), job.core) as program:
        yield program


@contextlib.contextmanager
def nfqueue(job: Job) -> Iterator[Program]:
    """NFQUEUE in C, with batch verdicts."""
    queue = next(_queues)
    command = [built("nfqueue"), str(queue), str(LENGTH)]
    with Program(job.path.diverter, command, job.core) as program, _rule(job, queue):
        yield program


@contextlib.contextmanager
def netfilterqueue(job: Job) -> Iterator[Program]:
    """PyPI's NetfilterQueue."""
    _need("netfilterqueue")
    queue = next(_queues)
    command = python("netfilterqueue_peer", {"queue": queue, "length": LENGTH})
    with Program(job.path.diverter, command, job.core) as program, _rule(job, queue):
        yield program


@contextlib.contextmanager
def libpcap(job: Job) -> Iterator[Program]:
    command = [built("sniff", "-lpcap"), job.path.device, f"{job.protocol} dst port {PORT}"]
    with Program(job.path.diverter, command, job.core) as program:
        yield program


UNDIVERTED, OURS, EDITING = "undiverted", "fastdivert", "fastdivert, TTL written"

DIVERTERS: dict[str, Contestant] = {
    UNDIVERTED: undiverted,
    OURS: fastdivert,
    EDITING: fastdivert_editing,
    "NFQUEUE in C": nfqueue,
    "NetfilterQueue": netfilterqueue,
    "pydivert 4": pydivert,
}
SNIFFERS: dict[str, Contestant] = {
    OURS: fastdivert,
    "libpcap in C": libpcap,
    "pydivert 4": pydivert,
}


@contextlib.contextmanager
def _rule(job: Job, queue: int) -> Iterator[None]:
    """iptables of the namespace sends the packets to the queue."""
    table = shutil.which("iptables-legacy") or shutil.which("/usr/sbin/iptables-legacy")
    if table is None:
        raise SkippedError("iptables-legacy is not installed")
    host = job.path.diverter
    rule = [
        _CHAINS[job.path.direction],
        "-p",
        job.protocol,
        "--dport",
        str(PORT),
        "-j",
        "NFQUEUE",
        "--queue-num",
        str(queue),
    ]
    host.run(table, "-A", *rule)
    try:
        yield
    finally:
        host.run(table, "-D", *rule)


def _need(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise SkippedError(f"{module} is not installed")
