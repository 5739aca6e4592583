"""The tables of README.md, from pytest-benchmark's JSON."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fastdivert
from benchmarks.contest import LIMIT, OURS
from benchmarks.native import COMPILER

BEGIN = "<!-- begin: written by python -m benchmarks --write -->"
END = "<!-- end -->"

#: work -> case -> contestant -> ns per packet
Results = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class Budget:
    """What we allow ourselves: a number of ns per packet, or a multiple of the limit."""

    work: str
    case: str
    nanoseconds: float | None = None
    times_limit: float | None = None


BUDGETS = (
    *(Budget("parse", f"{size} B", times_limit=1.3) for size in (64, 512, 1500)),
    Budget("filter (64 B)", "1 test", nanoseconds=10),
    Budget("filter (64 B)", "5 tests", nanoseconds=12),
    Budget("filter (64 B)", "20 tests", nanoseconds=20),
    *(Budget("checksums", f"{size} B", times_limit=1.2) for size in (64, 512, 1500)),
    Budget("capture file to table", "64 B", nanoseconds=25),
)


def render(data: dict[str, Any], load: float, *, best: bool = False) -> str:
    """Everything between the markers; of medians, or of the fastest rounds."""
    results = _collect(data, "best_ns_per_packet" if best else "ns_per_packet")
    parts = [machine_table(data, load), "### Budgets\n\n" + _budgets(results)]
    parts += [f"### {work[0].upper()}{work[1:]}\n\n{_table(results[work])}" for work in results]
    return "\n\n".join(parts)


def put_into(readme: Path, text: str) -> None:
    """Replaces what stands between the markers."""
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def _collect(data: dict[str, Any], figure: str) -> Results:
    results: Results = {}
    for entry in data["benchmarks"]:
        info = entry["extra_info"]
        cases = results.setdefault(info["work"], {})
        cases.setdefault(info["case"], {})[info["contestant"]] = info[figure]
    return results


def machine_table(data: dict[str, Any], load: float) -> str:
    compiler = subprocess.run([COMPILER, "--version"], capture_output=True, text=True, check=False)
    rows = {
        "date": datetime.date.fromisoformat(data["datetime"][:10]).isoformat(),
        "machine": f"{_cpu()}, {os.cpu_count()} cores, {platform.machine()}",
        "system": f"{platform.system()} {platform.release()}; load before the run {load:.2f}",
        "software": f"fastdivert {fastdivert.__version__}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, {compiler.stdout.partition(chr(10))[0] or 'no compiler'}",
    }
    return "| | |\n|---|---|\n" + "\n".join(f"| {key} | {value} |" for key, value in rows.items())


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown CPU"


def _number(nanoseconds: float) -> str:
    return f"{nanoseconds:,.0f}" if nanoseconds >= 100 else f"{nanoseconds:.1f}"


def _table(cases: dict[str, dict[str, float]]) -> str:
    """ns per packet, and as a multiple of ours."""
    names: list[str] = []
    for contestants in cases.values():
        names += [name for name in contestants if name not in names]
    lines = [
        "| ns per packet (times ours) | " + " | ".join(cases) + " |",
        "|---" + "|---:" * len(cases) + "|",
    ]
    for name in names:
        cells = []
        for contestants in cases.values():
            if name not in contestants:
                cells.append("")
                continue
            found = contestants[name]
            cell = _number(found)
            if name != OURS and OURS in contestants:
                ratio = found / contestants[OURS]
                cell += f" ({ratio:,.0f}x)" if ratio >= 10 else f" ({ratio:.2f}x)"
            cells.append(f"**{cell}**" if name == OURS else cell)
        title = f"**{name}**" if name == OURS else name
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _budgets(results: Results) -> str:
    lines = [
        "| work | case | budget | ours | C limit | ours / limit | |",
        "|---|---|---|---:|---:|---:|---|",
    ]
    for budget in BUDGETS:
        contestants = results.get(budget.work, {}).get(budget.case, {})
        if OURS not in contestants or LIMIT not in contestants:
            lines.append(f"| {budget.work} | {budget.case} | | | | | not measured |")
            continue
        ours, limit = (contestants[name] for name in (OURS, LIMIT))
        if budget.nanoseconds is not None:
            allowed, text = budget.nanoseconds, f"{budget.nanoseconds:g} ns"
        else:
            times = budget.times_limit or 1.0
            allowed, text = times * limit, f"{times:g} x limit"
        verdict = "met" if ours <= allowed else f"missed by {100 * (ours / allowed - 1):.0f} %"
        lines.append(
            f"| {budget.work} | {budget.case} | {text} | {_number(ours)} | {_number(limit)} "
            f"| {ours / limit:.2f} | {verdict} |"
        )
    return "\n".join(lines)
