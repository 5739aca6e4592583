# SPDX-License-Identifier: MIT
"""The doorbell of a handle on Linux: an epoll set that any event loop can watch."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

from fastdivert.driver import resolve

if TYPE_CHECKING:
    import asyncio

    from fastdivert.linux._linux import Divert

#: Seconds of one wait, as epoll counts milliseconds in an int; recv then waits again.
_LONGEST_WAIT = 1e6


class EpollDoorbell:
    """Rung by the eBPF programs, or by ``ring`` (see ``live.port.Doorbell``)."""

    def __init__(self, divert: Divert) -> None:
        self._divert = divert
        self._end = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.epoll()
        self._poll.register(self._end, select.EPOLLIN)
        self._poll.register(divert.fileno(), select.EPOLLIN)

    def wait(self, timeout: float | None) -> None:
        self._poll.poll(None if timeout is None else min(timeout, _LONGEST_WAIT))

    async def ready(self, timeout: float | None) -> None:
        import asyncio  # 30 ms that most programs never need

        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        # A descriptor of our own: a loop has one reader for each, and several tasks may wait.
        waited_for = os.dup(self._poll.fileno())
        loop.add_reader(waited_for, resolve, ready)
        try:
            await asyncio.wait((ready,), timeout=timeout)
        finally:
            loop.remove_reader(waited_for)
            os.close(waited_for)

    def ring(self) -> None:
        os.eventfd_write(self._end, 1)

    def silence(self) -> None:
        self._divert.silence()

    def fileno(self) -> int:
        return self._poll.fileno()

    def __del__(self) -> None:
        # Only now: somebody could be waiting on it until the last reference goes.
        end = getattr(self, "_end", None)
        if end is not None:
            os.close(end)
