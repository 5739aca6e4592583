# SPDX-License-Identifier: MIT
"""The tables of benchmarks/live/README.md."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.live.contestants import OURS, UNDIVERTED
from benchmarks.live.measuring import Figures
from benchmarks.live.works import AWAKE, Results

_BEGIN = "<!-- begin: written by python -m benchmarks.live --write -->"
_END = "<!-- end -->"


def _thousands(value: float) -> str:
    return f"{value / 1e3:,.0f}" if value < 1e7 else f"{value / 1e3:,.3g}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    """0 and 100 are said of exactly nothing and everything."""
    text = f"{100 * value:.1f}"
    if (text == "0.0" and value > 0) or (text == "100.0" and value < 1):
        return "< 0.1" if value < 0.5 else "> 99.9"
    return {"0.0": "0", "100.0": "100"}.get(text, text)


def _gigabits(value: float) -> str:
    return f"{value / 1e9:.2f}"


def _microseconds(value: float) -> str:
    return f"{value / 1e3:,.1f}"


@dataclass(frozen=True)
class Column:
    title: str
    key: str
    text: Callable[[float], str]


_LOST = Column("lost, %", "lost", _percent)
_SEEN = Column("seen, %", "seen", _percent)
_UNSEEN = Column("passed unseen, %", "unseen", _percent)
_CPU = Column("CPU, ns/packet", "cpu", _whole)
_SENDER = Column("sender's CPU, ns/packet", "sender_cpu", _whole)
_OFFERED = Column("offered, k/s", "offered", _thousands)
_DELIVERED = Column("delivered, k/s", "delivered", _thousands)
_BATCH = Column("packets in a batch", "batch", _whole)
_DIVERTED = (_DELIVERED, _CPU, _SENDER, _OFFERED, _SEEN, _UNSEEN)
_SCALED = (_DELIVERED, _CPU, _SENDER, _BATCH)

_COLUMNS: dict[str, tuple[Column, ...]] = {
    "divert, inbound": _DIVERTED,
    "divert, outbound": _DIVERTED,
    "divert, forward": _DIVERTED,
    "divert at a rate": (_OFFERED, _LOST, _CPU, _SEEN, _UNSEEN),
    "sniff": (_OFFERED, _SEEN, _CPU, _SENDER),
    "bulk TCP": (
        Column("Gbit/s", "speed", _gigabits),
        Column("of undiverted, %", "share", _percent),
        Column("bytes seen / sent, %", "bytes_seen", _percent),
        Column("bytes in a packet", "packet", _whole),
    ),
    "latency": (
        Column("p50, us", "p50", _microseconds),
        Column("p99, us", "p99", _microseconds),
        Column("added p50, us", "added", _microseconds),
        _LOST,
        _SEEN,
    ),
    "batch size": _SCALED,
    "filter length": _SCALED,
    "packet size": _SCALED,
    "queues": (
        Column("ns/packet, 1,024 of all queues in a batch", "take", _whole),
        Column("ns, a batch of one", "take_one", _whole),
    ),
}

Cases = dict[str, dict[str, Figures]]


def render(results: Results, load: float) -> str:
    """Everything between the markers."""
    _compare(results)
    now = {"datetime": datetime.datetime.now().isoformat()}
    parts = [report.machine_table(now, load)]
    if {"divert, inbound", "bulk TCP", "sniff", "latency"} <= results.figures.keys():
        parts.append("### Budgets\n\n" + _budgets(results))
    for work, cases in results.figures.items():
        parts.append(f"### {work[0].upper()}{work[1:]}\n\n{_table(cases, _COLUMNS[work])}")
    parts += [f"Skipped: {name}: {reason}." for name, reason in results.skipped.items()]
    return "\n\n".join(parts)


def put_into(readme: Path, text: str) -> None:
    """Replaces what stands between the markers."""
    before, _, rest = readme.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    readme.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}")


def _compare(results: Results) -> None:
    """What is said of undiverted traffic."""
    for contestants in results.figures.get("bulk TCP", {}).values():
        limit = contestants[UNDIVERTED]["speed"]
        for figures in contestants.values():
            figures["share"] = figures["speed"] / limit
    for contestants in results.figures.get("latency", {}).values():
        limit = contestants[UNDIVERTED]["p50"]
        for figures in contestants.values():
            figures["added"] = figures["p50"] - limit


def _table(cases: Cases, columns: tuple[Column, ...]) -> str:
    alone = all(list(contestants) == [OURS] for contestants in cases.values())
    heads = ["", *([] if alone else ["who"]), *(column.title for column in columns)]
    lines = [
        "| " + " | ".join(heads) + " |",
        "|---" * (1 if alone else 2) + "|---:" * len(columns) + "|",
    ]
    for case, contestants in cases.items():
        for name, figures in contestants.items():
            who = [] if alone else [f"**{name}**" if name == OURS else name]
            cells = [
                column.text(figures[column.key]) if column.key in figures else ""
                for column in columns
            ]
            lines.append("| " + " | ".join([case, *who, *cells]) + " |")
            case = "" if not alone else case
    return "\n".join(lines)


def _budgets(results: Results) -> str:
    """DESIGN's rows for live traffic."""
    inbound = results.figures["divert, inbound"]["64 B"]
    ours = inbound[OURS]
    lines = ["| budget | allowed | measured | |", "|---|---:|---:|---|"]

    def line(what: str, allowed: str, found: str, met: bool) -> None:
        lines.append(f"| {what} | {allowed} | {found} | {'met' if met else 'missed'} |")

    for peer, least in (("pydivert 4", 20.0), ("NFQUEUE in C", 4.0)):
        if peer in inbound:
            times = ours["delivered"] / max(1.0, inbound[peer]["delivered"])
            line(
                f"64 B inbound, packets/s beside {peer}",
                f"{least:g}x",
                f"{times:.1f}x",
                times >= least,
            )
    line("64 B inbound, CPU", "1,200 ns", f"{ours['cpu']:,.0f} ns", ours["cpu"] <= 1200)
    for case, contestants in results.figures["bulk TCP"].items():
        figures = contestants[OURS]
        line(
            f"bulk TCP, {case}",
            "70 %, every byte",
            f"{100 * figures['share']:.0f} %, {100 * figures['bytes_seen']:.1f} % of the bytes",
            figures["share"] >= 0.7 and figures["bytes_seen"] >= 1,
        )
    fastest = list(results.figures["sniff"].values())[-1][OURS]
    line(
        "sniff at 1,000,000/s",
        "400 ns, all seen",
        f"{fastest['cpu']:,.0f} ns, {_percent(fastest['seen'])} % of {fastest['offered']:,.0f}/s",
        fastest["cpu"] <= 400 and fastest["seen"] >= 1,
    )
    for case in ("1 ms apart", AWAKE):
        for name, most in ((OURS, 60), (f"{OURS}, busy_poll", 5)):
            added = results.figures["latency"][case][name]["added"] / 1e3
            line(f"added latency, {case}, {name}", f"{most} us", f"{added:.1f} us", added <= most)
    return "\n".join(lines)
