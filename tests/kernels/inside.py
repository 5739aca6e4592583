# SPDX-License-Identifier: MIT
"""All that one boot of a kernel is for, as a row of JSON; run with -m tests.kernels.inside.

What the kernel is, what the doctor says of it, and what became of live tests, given as arguments of
pytest. Progress goes to stderr.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kernels.facts import facts

DOCTOR = (sys.executable, "-m", "fastdivert", "doctor", "--json")
OPTIONS = ("-p", "no:cacheprovider", "-vv", "--tb=short", "--durations=20")
#: Loaded, they make devices that stay. Before the tests look at what they leave.
TUNNELS = ("modprobe", "-a", "ipip", "sit")
LOCKDOWN = Path("/sys/kernel/security/lockdown")


class Told:
    """Keeps what each test came to."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        row = self.tests.setdefault(report.nodeid, {"outcome": "passed", "why": "", "seconds": 0.0})
        row["seconds"] += report.duration
        if report.outcome != "passed" and row["outcome"] != "failed":
            row["outcome"] = report.outcome
            where = report.longrepr
            row["why"] = where[2] if isinstance(where, tuple) else report.longreprtext


def doctor() -> dict[str, Any]:
    done = subprocess.run(DOCTOR, capture_output=True, text=True, timeout=200, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = {"error": done.stdout + done.stderr}
    return {"status": done.returncode, **report}


def locked_doctor() -> dict[str, Any]:
    """The doctor's verdict once more, in the strictest lockdown, which lasts until the end."""
    LOCKDOWN.write_text("confidentiality")
    return doctor()


def main(arguments: list[str]) -> int:
    told = Told()
    subprocess.run(TUNNELS, check=True, timeout=60)
    found: dict[str, Any] = {"facts": facts(), "doctor": doctor()}
    with contextlib.redirect_stdout(sys.stderr):
        status = pytest.main([*OPTIONS, *arguments], [told])
    found |= {"status": int(status), "tests": told.tests, "locked": locked_doctor()}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
