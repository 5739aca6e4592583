# SPDX-License-Identifier: MIT
"""What the Windows driver can say went wrong."""

from __future__ import annotations

from typing import Final

from fastdivert.live.errors import DriverError

__all__ = ["KINDS", "DriverError"]

#: enum fd_failure_kind, by number.
KINDS: Final = (
    "none",
    "permission",
    "signature",
    "driver",
    "memory",
    "argument",
    "filter",
    "busy",
    "system",
)
