# SPDX-License-Identifier: MIT
"""Queue parameters: WinDivert's names and defaults, and our (wider) limits."""

from __future__ import annotations

import operator
from dataclasses import dataclass

from fastdivert.enums import Param

#: (default, least, most) of what can be set; driver/abi/ring.h, FD_QUEUE_*.
LIMITS = {
    Param.QUEUE_LENGTH: (4096, 32, 1 << 22),  # packets; WinDivert's most is 16384
    Param.QUEUE_TIME: (2000, 100, 16000),  # milliseconds
    Param.QUEUE_SIZE: (4194304, 65535, 1 << 31),  # bytes; WinDivert's most is 33554432
}

#: VERSION_MAJOR and VERSION_MINOR: the model that is spoken.
VERSION = (2, 2)


@dataclass
class QueueParams:
    """What a queue holds before packets are lost: packets, milliseconds, bytes."""

    length: int = LIMITS[Param.QUEUE_LENGTH][0]
    time: int = LIMITS[Param.QUEUE_TIME][0]
    size: int = LIMITS[Param.QUEUE_SIZE][0]

    def get(self, param: Param) -> int:
        return {
            Param.QUEUE_LENGTH: self.length,
            Param.QUEUE_TIME: self.time,
            Param.QUEUE_SIZE: self.size,
            Param.VERSION_MAJOR: VERSION[0],
            Param.VERSION_MINOR: VERSION[1],
        }[param]

    def set(self, param: Param, value: int) -> None:
        """Raises ValueError if value is out of range or param is read-only."""
        if param not in LIMITS:
            raise ValueError(f"{param.name} cannot be set")
        value = operator.index(value)
        _, least, most = LIMITS[param]
        if not least <= value <= most:
            raise ValueError(f"{param.name} is {value}; {least} to {most} is needed")
        setattr(self, param.name.removeprefix("QUEUE_").lower(), value)


def power_of_two(least: int) -> int:
    """The smallest power of two that is not less."""
    return 1 << max(0, least - 1).bit_length()
