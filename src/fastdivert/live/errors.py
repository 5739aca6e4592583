# SPDX-License-Identifier: MIT
"""What a live driver can say went wrong."""

from __future__ import annotations

from fastdivert.errors import FastDivertError


class DriverError(FastDivertError, OSError):
    """The system or its driver refused something; the message says the cause and the cure.

    Attributes:
        kind: a word to act on: one of the ``KINDS`` of this system's driver.
        errno: the system's number (Windows: its error code), or 0.
    """

    def __init__(self, kind: str, number: int, message: str) -> None:
        self.kind = kind
        self.message = message
        super().__init__(number, message)

    def __str__(self) -> str:
        return self.message
