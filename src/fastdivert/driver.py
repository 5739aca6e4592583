# SPDX-License-Identifier: MIT
"""What a driver gives a handle: one channel for each open handle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from fastdivert._core import Packets
from fastdivert.enums import Param, Shutdown
from fastdivert.filter import Filter

if TYPE_CHECKING:
    import asyncio

    import numpy as np
    import numpy.typing as npt


class Channel(Protocol):
    """One handle's end of a driver. Methods may be called from several threads."""

    def recv(self, most: int, timeout: float | None) -> Packets:
        """The next records, up to most.

        Raises:
            TimeoutError: none came in time. ShutdownError: none will come.
            HandleClosedError: closed, also while waiting. RingError.
        """
        ...

    def send(self, packets: Packets, faults: npt.NDArray[np.int32]) -> int:
        """Puts back every row whose verdict is PASS, and releases packets; returns how many.

        faults, zeros of the batch's length, gets the errno of each that could
        not be sent; the others are. Of two threads that send the same packets
        one gets ReleasedError.
        """
        ...

    def set_filter(self, filter: Filter) -> None:
        """Judges every packet from now on by another filter of the same layer."""
        ...

    def shutdown(self, how: Shutdown) -> None:
        """Ends a direction; recv still drains what waits."""
        ...

    def close(self) -> None:
        """Gives everything back; idempotent; wakes every waiter."""
        ...

    def get_param(self, param: Param) -> int: ...

    def set_param(self, param: Param, value: int) -> None: ...

    def stats(self) -> dict[str, Any]:
        """Every counter, drops by cause."""
        ...

    def fileno(self) -> int:
        """Readable when records wait. Raises HandleError where there is none."""
        ...

    async def ready(self, timeout: float | None) -> None:
        """Waits in the running event loop until recv is worth another try, or for timeout."""
        ...


def resolve(future: asyncio.Future[None]) -> None:
    """Ends a wait in an event loop, once."""
    if not future.done():
        future.set_result(None)
