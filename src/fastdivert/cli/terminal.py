# SPDX-License-Identifier: MIT
"""What a person sees: tables, and a bar while a long capture is read. By rich, if it is needed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final

from fastdivert.cli.failure import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.table import Table

#: Seconds that something may take before a bar shows.
_PATIENCE: Final = 0.5

#: Columns of a table that goes to no terminal.
_WIDE: Final = 160

#: Seconds between two states of a status line.
_STATUS: Final = 0.25


def require_rich() -> None:
    """Raises UsageError, with the cure, if tables cannot be printed."""
    try:
        import rich  # noqa: F401
    except ImportError:
        raise UsageError(
            "the summary needs the package rich: pip install 'fastdivert[cli]', or use --json"
        ) from None


def print_table(title: str, sections: Iterable[Iterable[tuple[str, str]]]) -> None:
    """Rows of a name and a value, in sections."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", overflow="fold")
    for section in sections:
        for name, value in section:
            table.add_row(Text(name), Text(value))
        table.add_section()
    Console(file=sys.stdout).print(table)


class FileProgress:
    """A bar on standard error for how much of a file is done, if somebody watches."""

    def __init__(self, name: str, size: int, *, wanted: bool = True) -> None:
        self._name = name
        self._size = size
        self._watched = wanted and sys.stderr.isatty()
        self._begin = time.monotonic()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def update(self, position: int) -> None:
        """So many bytes are done."""
        if not self._watched:
            return
        if self._progress is None:
            if time.monotonic() - self._begin < _PATIENCE:
                return
            self._progress = self._start()
        if self._task is not None:
            self._progress.update(self._task, completed=position)

    def _start(self) -> Progress:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = progress.add_task(self._name, total=self._size)
        progress.start()
        return progress

    def __enter__(self) -> FileProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()


class Status:
    """One line on standard error that is written over and over, if somebody watches."""

    def __init__(self, *, wanted: bool = True) -> None:
        self._watched = wanted and sys.stderr.isatty()
        self._next = 0.0

    def update(self, text: str) -> None:
        """Says how it stands, a few times a second at the most."""
        now = time.monotonic()
        if self._watched and now >= self._next:
            self._next = now + _STATUS
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Status:
        return self

    def __exit__(self, *_: object) -> None:
        if self._watched and self._next:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def table(title: str, rows: Iterable[tuple[str, ...]], heads: Sequence[str] = ()) -> Table:
    """A table for ``Display``; without heads, of a name and a value in each row."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(title=Text(title), title_justify="left", box=box.SIMPLE, show_header=bool(heads))
    for number, head in enumerate(heads or ("", "")):
        made.add_column(Text(head), justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows:
        made.add_row(*map(Text, row))
    return made


class Display:
    """A table on standard output: redrawn in place on a terminal, else printed once, at the end."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        # A file or a pipe has no edge: nothing is cut off.
        self._console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._watched = self._console.is_terminal

    def update(self, shown: Table) -> None:
        """How it stands now."""
        if self._watched:
            self._live.update(shown, refresh=True)

    def finish(self, shown: Table) -> None:
        """How it was in the end; this stays."""
        self._live.stop()
        self._console.print(shown)

    def __enter__(self) -> Display:
        if self._watched:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
