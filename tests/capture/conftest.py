# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fastdivert.pcap import CaptureReader, read_pcap

Opener = Callable[..., CaptureReader]


@pytest.fixture
def capture(tmp_path: Path) -> Opener:
    """Opens bytes as a capture file."""

    def opener(data: bytes, name: str = "made.pcap", **options: int) -> CaptureReader:
        path = tmp_path / name
        path.write_bytes(data)
        return read_pcap(path, **options)

    return opener


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of recorded captures."""
    return Path(__file__).parent.parent / "captures"
