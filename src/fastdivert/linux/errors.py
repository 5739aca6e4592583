# SPDX-License-Identifier: MIT
"""What the Linux driver can say went wrong."""

from __future__ import annotations

from typing import Final

from fastdivert.errors import FastDivertError

#: enum fd_error_kind, by number.
KINDS: Final = (
    "none",
    "permission",
    "kernel",
    "lockdown",
    "memory",
    "argument",
    "filter",
    "busy",
    "system",
)


class DriverError(FastDivertError, OSError):
    """The kernel refused something; the message says the cause and the cure.

    Attributes:
        kind: one of ``KINDS``, to act on.
        errno: the system's number, or 0.
    """

    def __init__(self, kind: str, number: int, message: str) -> None:
        self.kind = kind
        self.message = message
        super().__init__(number, message)

    def __str__(self) -> str:
        return self.message
