# SPDX-License-Identifier: MIT
"""The command line as a person starts it: another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CAPTURES = Path(__file__).parents[1] / "captures"
HTTP = CAPTURES / "http.pcap"  # 41 frames, 36 of them TCP

COMMAND = [sys.executable, "-m", "fastdivert"]


def fastdivert(
    *arguments: object, stdin: str | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        input=stdin,
        timeout=60,
        env={**os.environ, **(environment or {})},
        check=False,
    )


def answer(*arguments: object, code: int = 0) -> Any:
    """What --json printed."""
    done = fastdivert(*arguments, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def refused(*arguments: object, code: int = 2) -> str:
    """What a command that fails said; it prints no result and no traceback."""
    done = fastdivert(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr
