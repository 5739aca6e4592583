"""The fixture that every benchmark has."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.contest import Contest


@pytest.fixture
def contest(benchmark: BenchmarkFixture) -> Contest:
    """Times a contestant after its answer was found right."""
    return Contest(benchmark)
