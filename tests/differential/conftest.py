# SPDX-License-Identifier: MIT
"""How much to compare: FASTDIVERT_PAIRS pairs of a filter and a packet, from FASTDIVERT_SEED."""

from __future__ import annotations

import os
from collections import Counter
from random import Random
from typing import Final

import pytest

PAIRS_DEFAULT: Final = 100_000

_tally: Counter[str] = Counter()


@pytest.fixture(scope="session")
def pairs() -> int:
    """How many pairs of a filter and a packet to compare with the reference."""
    return int(os.environ.get("FASTDIVERT_PAIRS", PAIRS_DEFAULT))


@pytest.fixture(scope="session")
def tally() -> Counter[str]:
    """What was compared; printed at the end of the run."""
    return _tally


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> Random:
    """A generator of this test's own, the same in every run with the same seed."""
    seed = os.environ.get("FASTDIVERT_SEED", "0")
    return Random(f"{seed} {request.node.name}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _tally:
        return
    terminalreporter.section("compared with WinDivert")
    for what, count in sorted(_tally.items()):
        terminalreporter.write_line(f"{count:>12,} {what}")
