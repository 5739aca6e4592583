# SPDX-License-Identifier: MIT
"""The doctor's verdict on other kernels."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.kernels.guest import run_in_guest
from tests.kernels.packages import missing_packages

pytestmark = [
    pytest.mark.slow,
    pytest.mark.live,
    pytest.mark.skipif(bool(missing_packages()), reason="see tests/kernels/run.py --install"),
]

DOCTOR = [sys.executable, "-m", "fastdivert", "doctor", "--json"]


def examined(version: str) -> tuple[int, dict[str, Any], dict[str, dict[str, str]]]:
    result = run_in_guest(version, DOCTOR, timeout=120)
    report = json.loads(result.stdout)
    return result.status, report, {check["name"]: check for check in report["checks"]}


def test_live_capture_works_on_linux_6_12() -> None:
    status, report, checks = examined("6.12")
    assert (status, report["works"], report["tier"]) == (0, True, "full")
    assert checks["a packet diverted"]["result"] == "ok"
    assert "failed" not in {check["result"] for check in checks.values()}


def test_linux_6_1_is_of_a_lower_tier_and_the_cure_is_named() -> None:
    status, report, checks = examined("6.1")
    assert (status, report["works"], report["tier"]) == (1, False, "clsact")
    failed = {name for name, check in checks.items() if check["result"] == "failed"}
    assert failed == {"kernel", "bpf_cast_to_kern_ctx", "a handle here"}
    assert checks["a handle here"]["cure"] == "Linux 6.6 or later is needed"
