# SPDX-License-Identifier: MIT
"""The doorbell of a handle on Windows: an event that the driver sets, and one for its end."""

from __future__ import annotations

from fastdivert.driver import resolve
from fastdivert.errors import HandleError
from fastdivert.windows._windows import Divert, Event, Watch, wait


class EventDoorbell:
    """Rung by the driver, or by ``ring`` (see ``live.port.Doorbell``)."""

    def __init__(self, divert: Divert) -> None:
        self._rung = divert.doorbell
        self._end = Event()

    def wait(self, timeout: float | None) -> None:
        wait((self._rung, self._end), timeout)

    async def ready(self, timeout: float | None) -> None:
        import asyncio  # 30 ms that most programs never need

        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()

        def rung() -> None:
            """In a thread of the system's; fails once the loop is closed, which is all right."""
            loop.call_soon_threadsafe(resolve, ready)

        watches = [Watch(event, rung) for event in (self._rung, self._end)]
        try:
            await asyncio.wait((ready,), timeout=timeout)
        finally:
            for watch in watches:
                watch.close()

    def ring(self) -> None:
        self._end.set()

    def silence(self) -> None:
        self._rung.reset()

    def fileno(self) -> int:
        raise HandleError(
            "a handle on Windows has no descriptor that select could wait for: "
            "use recv with a timeout, or async for"
        )
