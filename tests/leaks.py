"""A fixture that fails a test which leaves arenas, leases or packets behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from fastdivert import _core


@pytest.fixture(scope="session")
def frozen_heap() -> None:
    """What the test run itself has made is not looked at again: a collection takes 1 ms, not 30."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_leaks(frozen_heap: None) -> Iterator[None]:
    gc.collect()
    before = _core.live_objects()
    yield
    gc.collect()
    left = _core.live_objects()
    # Fewer than before: what a failed test before this one had kept.
    assert all(left[kind] <= before[kind] for kind in before), (before, left)
