# SPDX-License-Identifier: MIT
"""What is measured: traffic, sizes and rates, and who takes part."""

from __future__ import annotations

import itertools
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.live import measuring
from benchmarks.live.contestants import (
    DIVERTERS,
    EDITING,
    OURS,
    SNIFFERS,
    Contestant,
    Job,
)
from benchmarks.live.lab import PORT, Direction, Lab
from benchmarks.live.measuring import Figures
from benchmarks.live.program import SkippedError

_DIRECTIONS: tuple[Direction, ...] = ("inbound", "outbound", "forward")


@dataclass(frozen=True)
class Effort:
    """How long everything is measured. The median of the rounds counts."""

    seconds: float
    rounds: int
    pings: int


WHOLE = Effort(seconds=0.7, rounds=3, pings=1500)
SHORT = Effort(seconds=0.05, rounds=1, pings=20)


@dataclass
class Results:
    """work -> case -> contestant -> figures; and who was skipped, and why."""

    figures: dict[str, dict[str, dict[str, Figures]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def contest(self, work: str, case: str, contestants: Iterable[str], rounds: int, key: str,
                run: Callable[[str], Figures]) -> None:
        """Everybody in turn, round after round; the round whose key is the median counts."""
        found: dict[str, list[Figures]] = {}
        for _, name in itertools.product(range(rounds), contestants):
            if name in self.skipped:
                continue
            try:
                found.setdefault(name, []).append(run(name))
            except SkippedError as reason:
                self.skipped[name] = str(reason)
                found.pop(name, None)
        for name, figures in found.items():
            middle = statistics.median_low(each[key] for each in figures)
            chosen = next(each for each in figures if each[key] == middle)
            self.figures.setdefault(work, {}).setdefault(case, {})[name] = chosen
            print(f"{work}, {case}, {name}: "
                  + ", ".join(f"{k} {v:.4g}" for k, v in chosen.items()), file=sys.stderr)


def divert(lab: Lab, effort: Effort, results: Results) -> None:
    """As fast as it goes: everybody is overloaded, or the sender is at its end."""
    for direction, size in itertools.product(_DIRECTIONS, (64, 1400)):
        job = Job(lab.path(direction))
        results.contest(
            f"divert, {direction}", f"{size} B", DIVERTERS, effort.rounds, "delivered",
            lambda name, job=job, size=size: measuring.datagrams(
                job, DIVERTERS[name], size=size, rate=0, seconds=effort.seconds))


def rate(lab: Lab, effort: Effort, results: Results) -> None:
    """Rates that one could be asked to stand: what is lost?"""
    job = Job(lab.path("inbound"))
    names = [name for name in DIVERTERS if name != EDITING]
    for packets in (20_000, 100_000, 300_000):
        results.contest(
            "divert at a rate", f"{packets:,}/s", names, effort.rounds, "lost",
            lambda name, packets=packets: measuring.datagrams(
                job, DIVERTERS[name], size=64, rate=packets, seconds=effort.seconds))


def sniff(lab: Lab, effort: Effort, results: Results) -> None:
    job = Job(lab.path("inbound"), sniffs=True)
    for packets in (100_000, 500_000, 1_000_000):
        results.contest(
            "sniff", f"{packets:,}/s", SNIFFERS, effort.rounds, "seen",
            lambda name, packets=packets: measuring.datagrams(
                job, SNIFFERS[name], size=64, rate=packets, seconds=effort.seconds))


def bulk(lab: Lab, effort: Effort, results: Results) -> None:
    names = [name for name in DIVERTERS if name not in (EDITING, "NetfilterQueue")]
    for case, path in (("loopback", lab.loopback()),
                       *((f"veth, {each}", lab.path(each)) for each in _DIRECTIONS)):
        job = Job(path, "tcp")
        results.contest(
            "bulk TCP", case, names, effort.rounds, "speed",
            lambda name, job=job: measuring.bulk(job, DIVERTERS[name], seconds=effort.seconds * 2))


def latency(lab: Lab, effort: Effort, results: Results) -> None:
    job = Job(lab.path("outbound"))
    polling = Job(lab.path("outbound"), options={"busy_poll": 10.0})
    names = [name for name in DIVERTERS if name != EDITING]
    who: dict[str, tuple[Job, Contestant]] = {name: (job, DIVERTERS[name]) for name in names}
    who[f"{OURS}, busy_poll"] = polling, DIVERTERS[OURS]
    for case, pause in (("1 ms apart", 1000), ("back to back", 0)):
        results.contest(
            "latency", case, who, effort.rounds, "p50",
            lambda name, pause=pause: measuring.latency(
                *who[name], count=effort.pings, pause=pause))


def scaling(lab: Lab, effort: Effort, results: Results) -> None:
    """fastdivert alone, inbound: what costs grow with."""
    path = lab.path("inbound")

    def run(work: str, cases: Iterator[tuple[str, Job, int]]) -> None:
        for case, job, size in cases:
            results.contest(
                work, case, (OURS,), effort.rounds, "delivered",
                lambda name, job=job, size=size: measuring.datagrams(
                    job, DIVERTERS[name], size=size, rate=0, seconds=effort.seconds))

    run("batch size", ((f"{most}", Job(path, options={"max_batch": most}), 64)
                       for most in (1, 4, 16, 64, 256, 1024, 4096)))
    run("filter length", ((f"{tests} tests", Job(path, options={"filter": long_filter(tests)}), 64)
                          for tests in (1, 20, 256)))
    run("packet size", ((f"{size} B", Job(path), size) for size in (64, 256, 512, 1024, 1400)))


def long_filter(tests: int) -> str:
    """Only the last of so many tests holds."""
    others = [f"udp.DstPort == {20000 + number}" for number in range(tests - 1)]
    return " or ".join([*others, f"udp.DstPort == {PORT}"])


WORKS: dict[str, Callable[[Lab, Effort, Results], Any]] = {
    "divert": divert, "rate": rate, "sniff": sniff, "bulk": bulk, "latency": latency,
    "scaling": scaling,
}

