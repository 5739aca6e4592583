# SPDX-License-Identifier: MIT
"""The Linux driver: live traffic, through eBPF at every interface of the namespace."""

from fastdivert.linux.errors import DriverError

__all__ = ["DriverError"]
