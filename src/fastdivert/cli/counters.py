# SPDX-License-Identifier: MIT
"""The counters of a live session: shown while they go up, and once more at the end."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

from fastdivert.cli.live import Session
from fastdivert.cli.terminal import Display, require_rich, table

#: Makes, of the counters and of how fast each went up, the rows of a table.
Rows = Callable[[dict[str, Any], dict[str, float]], list[tuple[str, str]]]


class Counters:
    """Shows a session's counters every so often. A context manager.

    With --json each look is a line; the last has ``"final": true``.
    """

    def __init__(self, session: Session, arguments: argparse.Namespace, rows: Rows) -> None:
        self._session = session
        self._rows = rows
        self._title = f"{arguments.command}: {arguments.filter}"
        self._interval: float = arguments.interval
        self._display = None if arguments.json else Display()
        self._last: dict[str, Any] = {}
        self._last_time = session.begin
        self.due = session.begin + self._interval

    def __enter__(self) -> Counters:
        if self._display is not None:
            self._display.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._display is not None:
            self._display.__exit__()

    def look(self) -> None:
        """Shows them if it is time."""
        now = time.monotonic()
        if now < self.due:
            return
        stats = self._session.handle.stats()
        rates = self._rates(stats, now - self._last_time)
        self._last, self._last_time = stats, now
        self.due = now + self._interval
        if self._display is None:
            self._print(stats, final=False)
        else:
            self._display.update(table(self._title, self._rows(stats, rates)))

    def finish(self) -> None:
        """The last look: rates are those of the whole session."""
        stats, elapsed = self._session.handle.stats(), self._session.elapsed
        self._last = {}
        if self._display is None:
            self._print(stats, final=True)
            return
        rows = self._rows(stats, self._rates(stats, elapsed))
        self._display.finish(table(self._title, [*rows, ("time", f"{elapsed:.1f} s")]))

    def _rates(self, stats: dict[str, Any], seconds: float) -> dict[str, float]:
        return {
            name: (value - self._last.get(name, 0)) / max(seconds, 1e-9)
            for name, value in stats.items()
            if isinstance(value, int)
        }

    def _print(self, stats: dict[str, Any], *, final: bool) -> None:
        found = {"seconds": round(self._session.elapsed, 6), "final": final, **stats}
        print(json.dumps(found), flush=True)


def require_display(arguments: argparse.Namespace) -> None:
    """Raises UsageError if tables are asked for and cannot be printed."""
    if not arguments.json:
        require_rich()


def losses(stats: dict[str, Any]) -> list[tuple[str, str]]:
    """A row for each cause that lost packets."""
    return [
        (f"lost: {cause}", f"{number:,}")
        for cause, number in stats["dropped"].items()
        if number and cause != "flag"
    ]


def rate(number: float, unit: str) -> str:
    """A rate for a person."""
    return f"{number:,.0f} {unit}/s"
