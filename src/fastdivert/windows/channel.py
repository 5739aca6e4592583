# SPDX-License-Identifier: MIT
"""A handle's channel on the Windows driver, which is installed and started if need be."""

from __future__ import annotations

from typing import Final

from fastdivert.enums import Flag
from fastdivert.filter import Filter
from fastdivert.live.channel import LiveChannel
from fastdivert.params import QueueParams
from fastdivert.windows import _windows
from fastdivert.windows._windows import Divert
from fastdivert.windows.doorbell import EventDoorbell
from fastdivert.windows.driver_file import DRIVER_VARIABLE, driver_file
from fastdivert.windows.errors import DriverError

_FILE_NOT_FOUND: Final = 2  # the device is not there: the driver does not run


def open_channel(
    filter: Filter,
    priority: int,
    flags: Flag,
    params: QueueParams,
    *,
    overflow: str = "drop",
    busy_poll: float = 0.0,
) -> LiveChannel:
    """Captures from now on. Raises DriverError; ValueError for a bad option."""
    if overflow not in ("drop", "pass"):
        raise ValueError(f"overflow is {overflow!r}; 'drop' or 'pass' is needed")
    if not busy_poll >= 0:
        raise ValueError(f"busy_poll is {busy_poll}; seconds from 0 are needed")

    def divert() -> Divert:
        return Divert(
            filter.program.to_bytes(),
            priority,
            flags=int(flags & ~Flag.NO_INSTALL),
            queue_length=params.length,
            queue_time=params.time,
            queue_size=params.size,
            passes_overflow=overflow == "pass",
        )

    try:
        port = divert()
    except DriverError as error:
        if error.errno != _FILE_NOT_FOUND or flags & Flag.NO_INSTALL:
            raise
        start_driver()
        port = divert()
    return LiveChannel(
        port,
        EventDoorbell(port),
        params,
        sniffs=bool(flags & Flag.SNIFF),
        busy_poll=busy_poll,
    )


def start_driver() -> None:
    """Installs the driver's service if it is not there, and starts it."""
    file = driver_file()
    if not file.is_file():
        raise DriverError(
            "driver",
            _FILE_NOT_FOUND,
            f"{file}: no such file; this build of fastdivert comes without the driver: install "
            f"a wheel, or name a fastdivert.sys in {DRIVER_VARIABLE}",
        )
    _windows.start_service(str(file))
