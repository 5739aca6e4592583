# SPDX-License-Identifier: MIT
"""What is wrong with a file is said with its place, after every good packet."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from fastdivert.errors import CaptureError
from fastdivert.pcap import read_pcap
from tests.capture.building import (
    IPV4,
    IPV6,
    block,
    enhanced,
    ethernet,
    interface,
    option,
    pcap,
    pcap_header,
    pcap_record,
    section,
    simple,
)
from tests.capture.conftest import Opener

FRAMES = [ethernet(IPV4, 0x0800), ethernet(IPV6, 0x86DD), ethernet(IPV4, 0x0800, 0x8100)]


def read_until_fault(path: Path, max_packets: int = 2) -> tuple[int, CaptureError | None]:
    """How many packets came, and what then."""
    count = 0
    try:
        for batch in read_pcap(path, max_packets=max_packets):
            count += len(batch)
    except CaptureError as error:
        return count, error
    return count, None


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcap_cut_at_every_byte(tmp_path: Path, order: str) -> None:
    data, ends = pcap_header(1, order), [24]
    for frame in FRAMES:
        data += pcap_record(frame, order)
        ends.append(len(data))
    for size in range(len(data) + 1):
        path = tmp_path / f"cut-{size}.pcap"
        path.write_bytes(data[:size])
        count, error = read_until_fault(path)
        whole = [end for end in ends if end <= size]
        assert count == max(0, len(whole) - 1)
        if size in ends:
            assert error is None
        else:
            assert error is not None
            assert error.offset == (whole[-1] if whole else 0)
            assert error.path == str(path)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_cut_at_every_byte(tmp_path: Path, order: str) -> None:
    blocks = [section(order), interface(1, order), *(enhanced(f, order) for f in FRAMES)]
    blocks += [block(99, b"unknown", order), simple(FRAMES[0], order)]
    packets_after = [0, 0, 1, 2, 3, 3, 4]
    data, ends = b"", {}
    for each, packets in zip(blocks, packets_after, strict=True):
        data += each
        ends[len(data)] = packets
    for size in range(len(data) + 1):
        path = tmp_path / f"cut-{size}.pcapng"
        path.write_bytes(data[:size])
        count, error = read_until_fault(path)
        whole = [end for end in ends if end <= size]
        assert count == (ends[whole[-1]] if whole else 0)
        if size in ends:
            assert error is None
        else:
            assert error is not None
            assert error.offset == (whole[-1] if whole else 0)


HEAD = pcap_header()
GOOD = pcap_record(FRAMES[0])
NG = section() + interface(1)
NG_GOOD = enhanced(FRAMES[0])


def lying_enhanced(captured: int) -> bytes:
    body = struct.pack("<IIIII", 0, 0, 0, captured, captured) + bytes(60)
    return block(6, body)


@pytest.mark.parametrize(
    ("data", "packets", "offset", "words"),
    [
        (b"", 0, 0, "empty"),
        (b"\n", 0, 0, "ends within a header"),
        (b"this is not a capture file at all", 0, 0, "neither a pcap nor a pcapng"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 3, 0, 0, 0, 0, 1), 0, 0, "version"),
        (HEAD + GOOD + struct.pack("<IIII", 0, 0, 0xFFFFFFFF, 60), 1, 94, "524288"),
        (HEAD + GOOD + struct.pack("<IIII", 0, 0, 600_000, 60) + bytes(600_000), 1, 94, "524288"),
        (HEAD + GOOD + struct.pack("<IIII", 0, 0, 61, 60) + bytes(60), 1, 94, "ends within a pack"),
        (section()[:8] + b"\0\0\0\0" + section()[12:], 0, 0, "neither"),
        (block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)), 0, 0, "version"),
        (NG + NG_GOOD + struct.pack("<III", 6, 11, 11), 1, 48 + len(NG_GOOD), "block's length"),
        (NG + NG_GOOD + struct.pack("<III", 6, 0, 0), 1, 48 + len(NG_GOOD), "block's length"),
        (NG + struct.pack("<IIII", 9, 14, 0, 14), 0, 48, "block's length"),
        (NG + struct.pack("<III", 9, 12, 16), 0, 48, "block's length"),
        (NG + block(6, bytes(16)), 0, 48, "block's length"),
        (NG + block(3, b""), 0, 48, "block's length"),
        (section() + block(1, bytes(4)), 0, 28, "block's length"),
        (NG + lying_enhanced(61), 0, 48, "longer than its block"),
        (NG + lying_enhanced(0xFFFFFFFF), 0, 48, "524288"),
        (NG + simple(FRAMES[0], length=100), 0, 48, "longer than its block"),
        (NG + NG_GOOD + enhanced(IPV4, interface=1), 1, 48 + len(NG_GOOD), "does not describe"),
        (section() + enhanced(IPV4), 0, 28, "does not describe"),
        (section() + simple(IPV4), 0, 28, "does not describe"),
        (NG + enhanced(IPV4, options=struct.pack("<HH", 2, 9)), 0, 48, "option"),
        (NG + enhanced(IPV4, options=option(2, b"12345678")), 0, 48, "option"),
        (section() + interface(1, options=option(9, b"")), 0, 28, "option"),
        (section() + interface(1, options=option(14, b"1234")), 0, 28, "option"),
        (section() + interface(1) * 1025, 0, 28 + 1024 * 20, "1024 interfaces"),
    ],
)
def test_fault(tmp_path: Path, data: bytes, packets: int, offset: int, words: str) -> None:
    path = tmp_path / "faulty"
    path.write_bytes(data)
    count, error = read_until_fault(path)
    assert error is not None
    assert (count, error.offset) == (packets, offset)
    assert words in error.message


def test_the_fault_is_said_each_time(capture: Opener) -> None:
    reader = capture(HEAD + GOOD + GOOD[:-1])
    assert len(next(reader)) == 1
    for _ in range(2):
        with pytest.raises(CaptureError, match="at byte 94"):
            next(reader)


def test_a_batch_before_the_fault_can_be_used_after_it(capture: Opener) -> None:
    reader = capture(HEAD + GOOD + GOOD[:-1])
    batch = next(reader)
    with pytest.raises(CaptureError):
        next(reader)
    assert batch.match("tcp.Syn").tolist() == [True]


def test_the_longest_packet(capture: Opener) -> None:
    longest = bytes(524_288)
    (batch,) = capture(pcap([longest], 101))
    assert batch.headers["captured"].tolist() == [524_288]
    with pytest.raises(CaptureError, match="524288"):
        next(capture(pcap([longest + b"\0"], 101), "longer.pcap"))
