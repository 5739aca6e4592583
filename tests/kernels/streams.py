"""The streams of a command in a guest: its stdout and stderr, between marks, and its console."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Called with "stdout" or "stderr" and what arrived there.
Listener = Callable[[str, bytes], None]


class Stream:
    """One stream of the command. Ahead of it stands the mark, and behind it mark and status."""

    def __init__(self, name: str, mark: bytes, listener: Listener | None) -> None:
        self.name = name
        self.status: int | None = None
        self.began: float | None = None
        self._mark = mark
        self._listener = listener
        self._said: list[bytes] = []
        self._pending = b""

    def text(self) -> str:
        return b"".join(self._said).decode(errors="replace")

    def feed(self, data: bytes) -> None:
        if self.status is not None:
            return  # of a process that outlives the command
        self._pending += data
        if self.began is None:
            _, opening, after = self._pending.partition(self._mark + b"\n")
            if not opening:
                return
            self.began, self._pending = time.monotonic(), after
        said, ending, status = self._pending.partition(self._mark)
        if not ending:
            held = self._held()
            said, self._pending = said[: len(said) - held], said[len(said) - held :]
        elif b"\n" in status:
            self.status = int(status.partition(b"\n")[0])
        else:
            return  # the status is still to come
        if said:
            self._said.append(said)
            if self._listener is not None:
                self._listener(self.name, said)

    def _held(self) -> int:
        """How many of the last bytes may be the head of the mark."""
        longest = min(len(self._pending), len(self._mark) - 1)
        lengths = range(longest, 0, -1)
        return next((n for n in lengths if self._mark.startswith(self._pending[-n:])), 0)


class Console:
    """The last that a machine and its kernel said: warnings, traces of a panic."""

    SIZE = 1 << 16
    LINES = 100

    def __init__(self) -> None:
        self._said = bytearray()

    def feed(self, data: bytes) -> None:
        self._said += data
        del self._said[: -self.SIZE]

    def text(self) -> str:
        return self._said.decode(errors="replace").replace("\r\n", "\n")

    def tail(self) -> str:
        """The last lines, as they follow an error message."""
        return "".join(f"\n  console: {line}" for line in self.text().splitlines()[-self.LINES :])
