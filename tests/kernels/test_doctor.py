# SPDX-License-Identifier: MIT
"""The doctor's verdict on other kernels."""

from __future__ import annotations

import json
import sys

import pytest

from tests.kernels.guest import run_in_guest
from tests.kernels.packages import missing_packages

pytestmark = [
    pytest.mark.slow,
    pytest.mark.live,
    pytest.mark.skipif(bool(missing_packages()), reason="see tests/kernels/run.py --install"),
]

DOCTOR = [sys.executable, "-m", "fastdivert", "doctor", "--json"]


@pytest.mark.parametrize(
    ("version", "tier", "features"),
    [("6.1", "clsact", "note"), ("6.12", "full", "ok")],
)
def test_live_capture_works(version: str, tier: str, features: str) -> None:
    result = run_in_guest(version, DOCTOR, timeout=120)
    report = json.loads(result.stdout)
    checks = {check["name"]: check for check in report["checks"]}
    assert (result.status, report["works"], report["tier"]) == (0, True, tier)
    assert checks["a packet diverted"]["result"] == "ok"
    assert checks["features"]["result"] == features
    assert "failed" not in {check["result"] for check in checks.values()}
    if version == "6.1":
        assert "bpf_cast_to_kern_ctx" in checks["features"]["found"]
        assert "bpf_iter_num" in checks["features"]["found"]
