# SPDX-License-Identifier: MIT
"""The Linux driver on other kernels: what it can do there, and what it says where it cannot."""

from __future__ import annotations

import sys

import pytest

from tests.kernels.guest import run_in_guest
from tests.kernels.packages import missing_packages

pytestmark = [
    pytest.mark.slow,
    pytest.mark.live,
    pytest.mark.skipif(bool(missing_packages()), reason="see tests/kernels/run.py --install"),
]

ROUNDTRIP = [sys.executable, "-m", "tests.kernels.live_roundtrip"]


def test_packets_are_diverted_and_delivered_on_linux_6_12() -> None:
    result = run_in_guest("6.12", ROUNDTRIP, timeout=150)
    assert (result.status, result.stdout) == (0, "diverted, edited, delivered\n"), result.stderr
    assert "WARNING:" not in result.console
    assert "BUG:" not in result.console


def test_linux_6_1_is_refused_with_the_cause_and_the_cure() -> None:
    result = run_in_guest("6.1", ROUNDTRIP, timeout=150)
    assert result.status != 0
    assert "Linux 6.6 or later is needed" in result.stderr
