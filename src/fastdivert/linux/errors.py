# SPDX-License-Identifier: MIT
"""What the Linux driver can say went wrong."""

from __future__ import annotations

from typing import Final

from fastdivert.live.errors import DriverError

__all__ = ["KINDS", "DriverError"]

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
