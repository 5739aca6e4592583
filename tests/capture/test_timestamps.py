# SPDX-License-Identifier: MIT
"""Timestamps of every resolution are exact nanoseconds, rounded down."""

from __future__ import annotations

import math
import tempfile
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastdivert.pcap import read_pcap
from tests.capture.building import (
    IPV4,
    clock,
    enhanced,
    interface,
    obsolete,
    pcap_header,
    pcap_record,
    section,
    simple,
)
from tests.capture.conftest import Opener
from tests.capture.rows import rows_of

LEAST, MOST = -(1 << 63), (1 << 63) - 1


def expected(ticks: int, resolution: int, offset: int) -> int:
    per_second = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    exact = math.floor((Fraction(ticks, per_second) + offset) * 10**9)
    return max(LEAST, min(MOST, exact))


@settings(max_examples=400, deadline=None)
@given(
    ticks=st.integers(0, (1 << 64) - 1) | st.integers(0, 1 << 34),
    resolution=st.integers(0, 255),
    offset=st.just(0) | st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-(10**10), 10**10),
)
@example(ticks=(1 << 64) - 1, resolution=6, offset=0)
@example(ticks=(1 << 64) - 1, resolution=9, offset=0)
@example(ticks=MOST, resolution=9, offset=0)
@example(ticks=MOST + 1, resolution=9, offset=0)
@example(ticks=0, resolution=9, offset=-5)
@example(ticks=(1 << 64) - 1, resolution=0x80 | 63, offset=0)
@example(ticks=(1 << 64) - 1, resolution=0x80 | 64, offset=0)
@example(ticks=(1 << 64) - 1, resolution=0x80 | 93, offset=0)
@example(ticks=(1 << 64) - 1, resolution=0x80, offset=-(1 << 63))
@example(ticks=854_775_807, resolution=9, offset=9_223_372_036)
@example(ticks=854_775_808, resolution=9, offset=9_223_372_036)
@example(ticks=(1 << 64) - 1, resolution=19, offset=1)
@example(ticks=(1 << 64) - 1, resolution=28, offset=1)
@example(ticks=(1 << 64) - 1, resolution=29, offset=1)
def test_pcapng_clock(ticks: int, resolution: int, offset: int) -> None:
    head = section() + interface(101, options=clock(resolution, offset))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clock.pcapng"
        path.write_bytes(head + enhanced(IPV4, ticks=ticks))
        (row,) = rows_of(read_pcap(path))
    assert row.timestamp == expected(ticks, resolution, offset)


@pytest.mark.parametrize("order", ["<", ">"])
def test_default_resolution_is_microseconds(capture: Opener, order: str) -> None:
    data = (
        section(order) + interface(101, order) + enhanced(IPV4, order, ticks=1_700_000_000_000_001)
    )
    (row,) = rows_of(capture(data))
    assert row.timestamp == 1_700_000_000_000_001_000


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("nanosecond", "unit"), [(False, 1000), (True, 1)])
def test_pcap_resolution(capture: Opener, order: str, nanosecond: bool, unit: int) -> None:
    data = pcap_header(101, order, nanosecond) + pcap_record(IPV4, order, fraction=123_456)
    (row,) = rows_of(capture(data))
    assert row.timestamp == 1_700_000_000 * 10**9 + 123_456 * unit


def test_pcap_latest_time(capture: Opener) -> None:
    record = pcap_record(IPV4, seconds=0xFFFFFFFF, fraction=0xFFFFFFFF)
    (row,) = rows_of(capture(pcap_header(101) + record))
    assert row.timestamp == 0xFFFFFFFF * 10**9 + 0xFFFFFFFF * 1000


def test_obsolete_packets_have_their_time_and_simple_ones_none(capture: Opener) -> None:
    data = section() + interface(101, options=clock(3))
    data += obsolete(IPV4, ticks=5_000) + simple(IPV4)
    first, second = rows_of(capture(data))
    assert (first.timestamp, second.timestamp) == (5_000_000_000, 0)
