# SPDX-License-Identifier: MIT
"""What can go wrong, by kind. Every message says what, where and what to do."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class FastDivertError(Exception):
    """The base of every error that fastdivert raises on its own account."""


#: Characters of a filter that an error shows on either side of its position.
_CONTEXT = 60


class FilterError(FastDivertError, ValueError):
    """A filter that does not compile, or a program that is refused.

    Attributes:
        message: what is wrong.
        position: where, in characters of ``text`` from 0.
        text: the filter.
    """

    def __init__(self, message: str, position: int = 0, text: str = "") -> None:
        self.message = message
        self.position = position
        self.text = text
        super().__init__(message, position, text)

    def __str__(self) -> str:
        if not self.text:
            return self.message
        begin = max(0, self.position - _CONTEXT)
        end = self.position + _CONTEXT
        before, after = "..." * (begin > 0), "..." * (end < len(self.text))
        shown = f"{before}{self.text[begin:end]}{after}"
        return f"{self.message} at position {self.position} of filter {shown!r}"


class CaptureError(FastDivertError, ValueError):
    """A capture file that cannot be read or written.

    Attributes:
        offset: byte offset in the file where the fault is, or -1.
        path: the file, or "" for a stream.
    """

    def __init__(self, message: str, offset: int = -1, path: str = "") -> None:
        self.message = message
        self.offset = offset
        self.path = path
        super().__init__(message, offset, path)

    def __str__(self) -> str:
        where = f" at byte {self.offset}" if self.offset >= 0 else ""
        return f"{self.path}: {self.message}{where}" if self.path else f"{self.message}{where}"


class RingError(FastDivertError):
    """The other side of a ring broke its rules; the ring is dead, no other is harmed."""


class HandleError(FastDivertError):
    """A handle cannot do this in the state or with the flags that it has."""


class HandleClosedError(HandleError):
    """The handle is closed."""


class ShutdownError(HandleError):
    """The handle was shut down for this direction, and nothing is left to receive."""


#: What an errno means for a packet; the system's own text for any other.
_SEND_CAUSES: Final = {
    errno.EHOSTUNREACH: "its TTL has run out: programs send it to each other in a loop",
    errno.EMSGSIZE: "it is longer than its interface's MTU, and must not be cut into fragments",
    errno.ENODEV: "no interface has its ifindex (IfIdx of its address); inbound needs one",
    errno.ENETDOWN: "its interface is down",
    errno.ENETUNREACH: "no route leads to its destination",
    errno.EINVAL: "it is no IP packet that could be sent",
    errno.ENOBUFS: "another program, or a full queue, dropped it on its way out",
}


class SendError(FastDivertError, OSError):
    """Some packets of a ``send`` could not be put back; all others were.

    Attributes:
        faults: a structured array of fields ``row`` (in what was sent) and
            ``errno``, one element for each packet that failed. (On Windows the
            number is an NTSTATUS.)
        sent: how many were put back.
        errno: of the first.
    """

    def __init__(self, faults: npt.NDArray[np.void], sent: int) -> None:
        self.faults = faults
        self.sent = sent
        number = int(faults["errno"][0])
        cause = _SEND_CAUSES.get(number) or os.strerror(number)
        many = f"{len(faults)} packets were" if len(faults) > 1 else "1 packet was"
        text = (
            f"{many} not sent ({sent} were): packet {faults['row'][0]}: {cause} "
            f"[{errno.errorcode.get(number, number)}]"
        )
        super().__init__(number, text)

    def __str__(self) -> str:
        return str(self.args[1])

    def __reduce__(self) -> tuple[type[SendError], tuple[npt.NDArray[np.void], int]]:
        return SendError, (self.faults, self.sent)


class ReleasedError(FastDivertError, ValueError):
    """A batch was used after it was sent or released."""
