# SPDX-License-Identifier: MIT
"""The driver that is installed when none runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

#: The one that comes with the wheel.
DRIVER: Final = Path(__file__).with_name("fastdivert.sys")

#: Names another file than the wheel's, for who builds and signs his own.
DRIVER_VARIABLE: Final = "FASTDIVERT_DRIVER_FILE"


def driver_file() -> Path:
    """Where the driver is, or should be."""
    return Path(os.environ.get(DRIVER_VARIABLE) or DRIVER).resolve()
