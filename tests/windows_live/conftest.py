# SPDX-License-Identifier: MIT
"""Tests of the Windows driver through the wheel: in Wine, with the stand-in filter engine."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def _missing() -> str | None:
    if sys.platform != "win32":
        return "the Windows driver runs under ./dev wine"
    if not hasattr(ctypes.WinDLL("ntdll"), "wine_get_version"):
        return "a Windows that is no Wine has no stand-in filter engine"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = _missing()
    for item in items:
        if Path(__file__).parent not in Path(item.path).parents:
            continue
        if "driver" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.wine)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def driver() -> Iterator[None]:
    """The driver of the wheel, which the first handle installs and starts."""
    import fastdivert as fd
    from fastdivert.windows import _windows

    fd.open("false", flags=fd.Flag.SNIFF).close()
    yield
    _windows.remove_service()


@pytest.fixture
def host(driver: None) -> Iterator[object]:
    """The host whose packets the stand-in plays. A test leaves nothing there."""
    from tests.windows_live.standin import Standin

    with Standin() as standin:
        while standin.take(0) is not None:
            pass
        yield standin
        # Wine closes a handle in the driver after CloseHandle has returned.
        end = time.monotonic() + 10
        while (state := standin.state()).filters and time.monotonic() < end:
            time.sleep(0.02)
        assert (state.filters, state.regions, state.lists, state.complaint) == (0, 0, 0, "")
