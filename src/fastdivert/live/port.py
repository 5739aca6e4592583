# SPDX-License-Identifier: MIT
"""What a system's driver gives to a channel: a port, and a doorbell to wait at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Port(Protocol):
    """A handle as the driver has it. Methods may be called from several threads."""

    @property
    def queues(self) -> Sequence[tuple[Buffer, Buffer]]:
        """(descriptor region, byte region) of each queue; they keep the memory alive."""
        ...

    def now(self) -> int:
        """The clock of the descriptors' timestamps, in ns."""
        ...

    def inject(
        self, headers: Buffer, records: Buffer, faults: Buffer, untouched: bool = False
    ) -> int:
        """Puts packets back; returns how many, and an errno or 0 for each in faults (int32).

        untouched: no user has had them, so that later handles take them for what they were.
        """
        ...

    def set_program(self, program: Buffer, text: str, fragments: int = 0) -> None:
        """Judges every packet from now on by another program; text is the filter's source.

        fragments: the kinds that come unjudged (``live.assembly``), where the
        system does not reassemble by itself.
        """
        ...

    def set_policy(self, length: int, time: int, size: int) -> None:
        """Queue parameters of every queue: records, milliseconds, bytes."""
        ...

    def stats(self) -> dict[str, Any]:
        """What the driver has counted, over all queues; ``dropped`` by cause."""
        ...

    def stop(self) -> None:
        """Captures nothing more; what was put back still arrives."""
        ...

    def close(self) -> None:
        """Leaves the host alone; idempotent. The queues stay readable."""
        ...


class Doorbell(Protocol):
    """Rung by the driver for a queue whose consumer sleeps, and by whoever ends a wait."""

    def wait(self, timeout: float | None) -> None:
        """Until it rings, or for timeout seconds; a signal's handler runs meanwhile."""
        ...

    async def ready(self, timeout: float | None) -> None:
        """``wait`` in the running event loop."""
        ...

    def ring(self) -> None:
        """Ends every wait, now and from now on: the handle is ending."""
        ...

    def silence(self) -> None:
        """Makes it wait for the driver's next ring."""
        ...

    def fileno(self) -> int:
        """Readable when it has rung. Raises HandleError where there is none."""
        ...
