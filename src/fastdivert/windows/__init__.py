# SPDX-License-Identifier: MIT
"""The Windows driver: live traffic, through the callout driver ``fastdivert.sys``."""

from fastdivert.windows.errors import DriverError

__all__ = ["DriverError"]
