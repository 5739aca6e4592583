# SPDX-License-Identifier: MIT
"""What every diverter does around its loop: options, CPU time, the report."""

from __future__ import annotations

import json
import resource
import sys
import threading
from collections.abc import Callable
from typing import Any


def options() -> dict[str, Any]:
    """The one argument, JSON."""
    read: dict[str, Any] = json.loads(sys.argv[1])
    return read


def when_over(stop: Callable[[], None]) -> None:
    """Says "ready", and calls stop when our parent closes our standard input."""

    def wait() -> None:
        sys.stdin.read()
        stop()

    threading.Thread(target=wait, daemon=True).start()
    print("ready", flush=True)


def cpu() -> int:
    """ns of user and system time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return round((used.ru_utime + used.ru_stime) * 1e9)


def report(**figures: object) -> None:
    print(json.dumps(figures), flush=True)
