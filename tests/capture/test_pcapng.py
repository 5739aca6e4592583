# SPDX-License-Identifier: MIT
"""Blocks, options, sections and interfaces of pcapng."""

from __future__ import annotations

import struct

import pytest

from fastdivert.enums import HeaderFlag, Link
from fastdivert.pcap import CaptureInterface
from tests.capture.building import (
    IPV4,
    IPV6,
    block,
    clock,
    enhanced,
    ethernet,
    interface,
    obsolete,
    option,
    section,
    simple,
)
from tests.capture.conftest import Opener
from tests.capture.rows import rows_of


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_packet_block(capture: Opener, order: str) -> None:
    frame = ethernet(IPV4, 0x0800)
    blocks = [enhanced(frame, order), simple(frame, order), obsolete(frame, order)]
    rows = rows_of(capture(section(order) + interface(1, order) + b"".join(blocks)))
    assert [row.packet for row in rows] == [IPV4] * 3


@pytest.mark.parametrize(("flags", "outbound"), [(0, False), (1, False), (2, True), (0x106, True)])
def test_direction(capture: Opener, flags: int, outbound: bool) -> None:
    options = option(1, b"a comment") + option(2, struct.pack("<I", flags))
    data = section() + interface(101) + enhanced(IPV4, options=options)
    (row,) = rows_of(capture(data))
    assert (HeaderFlag.OUTBOUND in row.flags) == outbound


def test_interfaces_have_their_own_link_and_clock(capture: Opener) -> None:
    data = section() + interface(1, options=clock(9) + option(2, b"eth0") + option(0, b""))
    data += interface(101, options=clock(0x80 | 10) + option(2, "höhe".encode()), snaplen=99)
    data += enhanced(IPV6, interface=1, ticks=512)
    data += enhanced(ethernet(IPV4, 0x0800), interface=0, ticks=512)
    reader = capture(data)
    assert reader.interfaces == [
        CaptureInterface(1, 0, 10**9, "eth0"),
        CaptureInterface(101, 99, 1024, "höhe"),
    ]
    raw, framed = rows_of(reader)
    assert (raw.ifindex, raw.link, raw.timestamp) == (1, Link.RAW, 500_000_000)
    assert (framed.ifindex, framed.link, framed.timestamp) == (0, Link.ETHERNET, 512)


def test_a_section_forgets_interfaces_and_ends_a_batch(capture: Opener) -> None:
    data = section("<") + interface(101, "<") + enhanced(IPV4, "<") * 2
    data += section(">") + interface(1, ">") + enhanced(ethernet(IPV6, 0x86DD), ">")
    reader = capture(data)
    first = next(reader)
    assert (len(first), [i.link_type for i in reader.interfaces]) == (2, [101])
    second = next(reader)
    assert (len(second), [i.link_type for i in reader.interfaces]) == (1, [1])
    assert second.headers["sequence"].tolist() == [2]


def test_unknown_blocks_are_passed_over(capture: Opener) -> None:
    unknown = block(0x80000001, b"custom") + block(5, bytes(12)) + block(4, b"")
    data = section() + unknown + interface(101) + unknown + enhanced(IPV4) + unknown
    assert len(rows_of(capture(data))) == 1


def test_a_simple_packet_is_cut_at_the_snap_length(capture: Opener) -> None:
    data = section() + interface(101, snaplen=24) + simple(IPV4[:24], length=40)
    (row,) = rows_of(capture(data))
    assert (row.packet, row.length) == (IPV4[:24], 40)
    assert HeaderFlag.TRUNCATED in row.flags


def test_only_blocks_that_hold_no_packet(capture: Opener) -> None:
    reader = capture(section() + interface(1))
    assert list(reader) == []
    assert len(reader.interfaces) == 1
