# SPDX-License-Identifier: MIT
"""What a doctor finds: checks, and whether live capture works."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Result(enum.StrEnum):
    """How a check went."""

    OK = "ok"
    FAILED = "failed"
    NOTE = "note"  # worth knowing, and no obstacle
    SKIPPED = "skipped"  # could not be looked at


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what was found, and the cure if it is an obstacle."""

    name: str
    result: Result
    found: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Every check, and whether live capture works.

    Attributes:
        works: a handle could be opened, and nothing that was tried failed.
        tier: what the system allows, by name: Linux, that of the kernel, "full" being what
            this build needs; Windows, "signed" or "testing", the drivers that it loads.
    """

    works: bool
    tier: str
    checks: list[Check]
