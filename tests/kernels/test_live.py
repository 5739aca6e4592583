# SPDX-License-Identifier: MIT
"""The Linux driver on other kernels: what it can do there, and what it says where it cannot."""

from __future__ import annotations

import sys

import pytest

from tests.kernels.guest import run_in_guest
from tests.kernels.packages import KERNELS, missing_packages

pytestmark = [
    pytest.mark.slow,
    pytest.mark.live,
    pytest.mark.skipif(bool(missing_packages()), reason="see tests/kernels/run.py --install"),
]

ROUNDTRIP = [sys.executable, "-m", "tests.kernels.live_roundtrip"]


@pytest.mark.parametrize("version", KERNELS)
def test_packets_are_diverted_and_delivered_and_a_killed_handle_harms_nobody(version: str) -> None:
    result = run_in_guest(version, ROUNDTRIP, timeout=150)
    assert (result.status, result.stdout) == (0, "diverted, edited, delivered\n"), result.stderr
    assert "WARNING:" not in result.console
    assert "BUG:" not in result.console
