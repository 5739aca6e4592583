# SPDX-License-Identifier: MIT
"""What is measured: traffic, sizes and rates, and who takes part."""

from __future__ import annotations

import itertools
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from benchmarks.live import measuring, queues
from benchmarks.live.contestants import DIVERTERS, EDITING, OURS, SNIFFERS, Job
from benchmarks.live.lab import PORT, Direction, Lab
from benchmarks.live.measuring import Figures
from benchmarks.live.program import SkippedError

_Case = TypeVar("_Case")
_DIRECTIONS: tuple[Direction, ...] = ("inbound", "outbound", "forward")
#: A case of latency: the way there alone, and nobody sleeps but, perhaps, the diverter.
AWAKE = "one way, to a receiver that spins"
_NOT_EDITING = {name: who for name, who in DIVERTERS.items() if name != EDITING}


@dataclass(frozen=True)
class Effort:
    """How long everything is measured. The median of the rounds counts."""

    seconds: float
    quiet: float  # seconds of silence after which nothing is expected any more
    rounds: int
    pings: int
    short: bool = False

    def cases(self, cases: Sequence[_Case]) -> Sequence[_Case]:
        """All of them, or the first."""
        return cases[:1] if self.short else cases


WHOLE = Effort(seconds=0.7, quiet=0.4, rounds=3, pings=1500)
SHORT = Effort(seconds=0.03, quiet=0.05, rounds=1, pings=20, short=True)


@dataclass
class Results:
    """work -> case -> contestant -> figures; and who was skipped, and why."""

    figures: dict[str, dict[str, dict[str, Figures]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def contest(
        self,
        work: str,
        case: str,
        rounds: int,
        key: str,
        entrants: Mapping[str, Callable[[], Figures]],
    ) -> None:
        """Everybody in turn, round after round; the round whose key is the median counts."""
        found: dict[str, list[Figures]] = {}
        for _, (name, run) in itertools.product(range(rounds), entrants.items()):
            if name in self.skipped:
                continue
            try:
                found.setdefault(name, []).append(run())
            except SkippedError as reason:
                self.skipped[name] = str(reason)
        for name, figures in found.items():
            if name in self.skipped:
                continue
            middle = statistics.median_low(each[key] for each in figures)
            chosen = next(each for each in figures if each[key] == middle)
            self.figures.setdefault(work, {}).setdefault(case, {})[name] = chosen
            print(
                f"{work}, {case}, {name}: " + ", ".join(f"{k} {v:.4g}" for k, v in chosen.items()),
                file=sys.stderr,
            )


def divert(lab: Lab, effort: Effort, results: Results) -> None:
    """As fast as it goes: everybody is overloaded, or the sender is at its end."""
    for direction, size in itertools.product(_DIRECTIONS, effort.cases((64, 1400))):
        run = partial(
            measuring.datagrams,
            Job(lab.path(direction)),
            size=size,
            rate=0,
            seconds=effort.seconds,
            quiet=effort.quiet,
        )
        results.contest(
            f"divert, {direction}",
            f"{size} B",
            effort.rounds,
            "delivered",
            {name: partial(run, who) for name, who in DIVERTERS.items()},
        )


def rate(lab: Lab, effort: Effort, results: Results) -> None:
    """Rates that one could be asked to stand: what is lost?"""
    for packets in effort.cases((20_000, 100_000, 300_000)):
        run = partial(
            measuring.datagrams,
            Job(lab.path("inbound")),
            size=64,
            rate=packets,
            seconds=effort.seconds,
            quiet=effort.quiet,
        )
        results.contest(
            "divert at a rate",
            f"{packets:,}/s",
            effort.rounds,
            "lost",
            {name: partial(run, who) for name, who in _NOT_EDITING.items()},
        )


def sniff(lab: Lab, effort: Effort, results: Results) -> None:
    for packets in effort.cases((100_000, 500_000, 1_000_000)):
        run = partial(
            measuring.datagrams,
            Job(lab.path("inbound"), sniffs=True),
            size=64,
            rate=packets,
            seconds=effort.seconds,
            quiet=effort.quiet,
        )
        results.contest(
            "sniff",
            f"{packets:,}/s",
            effort.rounds,
            "seen",
            {name: partial(run, who) for name, who in SNIFFERS.items()},
        )


def bulk(lab: Lab, effort: Effort, results: Results) -> None:
    """NetfilterQueue does not ask for GSO packets: it is left out."""
    names = [name for name in _NOT_EDITING if name != "NetfilterQueue"]
    paths = [
        ("loopback", lab.loopback()),
        *((f"veth, {direction}", lab.path(direction)) for direction in _DIRECTIONS),
    ]
    for case, path in effort.cases(paths):
        run = partial(measuring.bulk, Job(path, "tcp"), seconds=effort.seconds * 2)
        results.contest(
            "bulk TCP",
            case,
            effort.rounds,
            "speed",
            {name: partial(run, DIVERTERS[name]) for name in names},
        )


def latency(lab: Lab, effort: Effort, results: Results) -> None:
    path = lab.path("outbound")
    polling = Job(path, options={"busy_poll": 10.0})
    cases = (
        ("1 ms apart", 1000, False),
        ("back to back", 0, False),
        (AWAKE, 0, True),
    )
    for case, pause, awake in effort.cases(cases):
        run = partial(measuring.latency, count=effort.pings, pause=pause, awake=awake)
        results.contest(
            "latency",
            case,
            effort.rounds,
            "p50",
            {
                **{name: partial(run, Job(path), who) for name, who in _NOT_EDITING.items()},
                f"{OURS}, busy_poll": partial(run, polling, DIVERTERS[OURS]),
            },
        )


def scaling(lab: Lab, effort: Effort, results: Results) -> None:
    """fastdivert alone, inbound: what costs grow with."""
    path = lab.path("inbound")
    run = partial(measuring.datagrams, rate=0, seconds=effort.seconds, quiet=effort.quiet)
    for most in effort.cases((1, 4, 16, 64, 256, 1024, 4096)):
        job = Job(path, options={"max_batch": most})
        results.contest(
            "batch size",
            f"{most}",
            effort.rounds,
            "delivered",
            {OURS: partial(run, job, DIVERTERS[OURS], size=64)},
        )
    for tests in effort.cases((1, 20, 256)):
        job = Job(path, options={"filter": long_filter(tests)})
        results.contest(
            "filter length",
            f"{tests} tests",
            effort.rounds,
            "delivered",
            {OURS: partial(run, job, DIVERTERS[OURS], size=64)},
        )
    for size in effort.cases((64, 256, 512, 1024, 1400)):
        results.contest(
            "packet size",
            f"{size} B",
            effort.rounds,
            "delivered",
            {OURS: partial(run, Job(path), DIVERTERS[OURS], size=size)},
        )
    for number in effort.cases((1, 2, 4, 16, 64)):
        results.contest(
            "queues",
            f"{number}",
            effort.rounds,
            "take",
            {OURS: partial(queues.take, number, 1 if effort.short else 20)},
        )


def long_filter(tests: int) -> str:
    """Only the last of so many tests holds."""
    others = [f"udp.DstPort == {20000 + number}" for number in range(tests - 1)]
    return " or ".join([*others, f"udp.DstPort == {PORT}"])


WORKS: dict[str, Callable[[Lab, Effort, Results], None]] = {
    "divert": divert,
    "rate": rate,
    "sniff": sniff,
    "bulk": bulk,
    "latency": latency,
    "scaling": scaling,
}
