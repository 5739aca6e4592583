# SPDX-License-Identifier: MIT
"""Guests are booted by ./dev kernels, and not by every run of the test suite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kernels.packages import missing_packages

#: What needs no guest.
_QUICK = "test_streams.py"
#: What is tested of the runner by boots of its own: not where there is little time.
_RUNNER = "test_runner.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    wanted = os.environ.get("FASTDIVERT_KERNELS", "")
    missing = missing_packages()
    if wanted and missing:
        raise pytest.UsageError(f"Debian packages are missing: {', '.join(missing)}; ./dev kernels")
    for item in items:
        path = Path(item.path)
        if path.parent != Path(__file__).parent or path.name == _QUICK:
            continue
        item.add_marker(pytest.mark.slow)
        if not wanted or (wanted == "short" and path.name == _RUNNER):
            item.add_marker(pytest.mark.skip(reason="./dev kernels runs it"))
