# SPDX-License-Identifier: MIT
"""What a person sees: tables, and a bar while a long capture is read. By rich, if it is needed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Final

from fastdivert.cli.failure import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: Seconds that something may take before a bar shows.
_PATIENCE: Final = 0.5


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
