"""Programs that the verifier must refuse before they can run."""

from __future__ import annotations

import struct

import numpy as np
import pytest

import fastdivert as fd
from fastdivert import _core

ACCEPT, REJECT = 0x7FFE, 0x7FFF
ZERO, TCP_DSTPORT, PACKET, PROCESS_ID = 0, 39, 71, 60
NETWORK, FLOW = fd.Layer.NETWORK, fd.Layer.FLOW


def test_word(
    field: int = TCP_DSTPORT,
    op: int = 0,
    negative: int = 0,
    success: int = ACCEPT,
    failure: int = REJECT,
    index: int = 0,
    reserved: int = 0,
    constant: tuple[int, int, int, int] = (80, 0, 0, 0),
) -> bytes:
    """One struct fd_filter_test."""
    return struct.pack(
        "=HBBHHiI4I", field, op, negative, success, failure, index, reserved, *constant
    )


test_word.__test__ = False  # type: ignore[attr-defined]


def program(*tests: bytes, length: int | None = None, layer: int = NETWORK) -> bytes:
    return struct.pack("=II", len(tests) if length is None else length, layer) + b"".join(tests)


def test_a_right_program_is_taken():
    verified = _core.Program(program(test_word(success=1), test_word(op=5)))

    assert (verified.length, verified.layer) == (2, NETWORK)


def test_what_the_compiler_makes_is_taken():
    made = fd.compile("tcp.DstPort == 80 or (udp and ip.TTL > 3)", NETWORK).program.to_bytes()

    assert _core.Program(made).layer == NETWORK


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (program(length=0), "length"),
        (program(test_word(), length=2), "length"),
        (program(*[test_word()] * 257), "more than any|length"),
        (program(test_word(), length=0xFFFFFFFF), "length"),
        (program(test_word(), layer=5), "layer"),
        (program(test_word(), layer=0xFFFFFFFF), "layer"),
        (program(test_word(field=86)), "field"),
        (program(test_word(field=0xFFFF)), "field"),
        (program(test_word(field=PROCESS_ID)), "field"),
        (program(test_word(field=TCP_DSTPORT), layer=FLOW), "field"),
        (program(test_word(op=6)), "operator"),
        (program(test_word(op=255)), "operator"),
        (program(test_word(success=0)), "jump"),
        (program(test_word(failure=0)), "jump"),
        (program(test_word(success=1), test_word(success=0)), "jump"),
        (program(test_word(success=1), test_word(failure=1)), "jump"),
        (program(test_word(success=1)), "jump"),
        (program(test_word(success=0x7FFD)), "jump"),
        (program(test_word(success=0x8000)), "jump"),
        (program(test_word(success=0xFFFF)), "jump"),
        (program(test_word(field=PACKET, index=65536)), "index"),
        (program(test_word(field=PACKET, index=-65536)), "index"),
        (program(test_word(field=PACKET, index=0x7FFFFFFF)), "index"),
        (program(test_word(field=PACKET, index=-0x80000000)), "index"),
        (program(test_word(negative=2)), "constant"),
        (program(test_word(negative=1, constant=(0, 0, 0, 0))), "constant"),
        (program(test_word(reserved=1)), "reserved"),
    ],
)
def test_a_wrong_program_is_refused(data, why):
    with pytest.raises(fd.FilterError, match=why):
        _core.Program(data)


@pytest.mark.parametrize("size", [8, 9, 39, 8 + 256 * 32 + 1])
def test_a_program_that_is_cut_or_longer_than_any_is_refused(size):
    with pytest.raises(fd.FilterError):
        _core.Program(program(test_word()).ljust(size, b"\0")[:size])


def test_what_lies_behind_the_last_test_is_not_looked_at():
    assert _core.Program(program(test_word(), b"\xff" * 32, length=1)).length == 1


@pytest.mark.parametrize("data", [b"", b"\1\0\0\0"])
def test_a_program_without_a_head_is_refused(data):
    with pytest.raises(ValueError, match="bytes"):
        _core.Program(data)


@pytest.mark.parametrize("data", ["text", 5, None, [1]])
def test_what_is_no_buffer_is_refused(data):
    with pytest.raises(TypeError):
        _core.Program(data)


def test_a_program_is_a_copy_of_its_bytes():
    data = bytearray(program(test_word()))
    verified = _core.Program(data)
    data[:] = b"\xff" * len(data)
    batch = fd.Batch.from_packets([b"\x45" + bytes(39)])
    out = np.zeros(1, np.bool_)
    batch._packets.match(verified, out)

    assert verified.length == 1


def test_random_bytes_are_refused_or_run():
    random = np.random.default_rng(11)
    batch = fd.Batch.from_packets([random.integers(0, 256, 60, np.uint8)] * 20)
    out = np.zeros(20, np.bool_)
    refused = 0
    for _ in range(3000):
        count = int(random.integers(1, 6))
        data = bytearray(program(*[test_word()] * count))
        for _ in range(int(random.integers(1, 6))):
            data[int(random.integers(len(data)))] = int(random.integers(256))
        try:
            verified = _core.Program(bytes(data))
        except fd.FilterError:
            refused += 1
            continue
        batch._packets.match(verified, out)

    assert 0 < refused < 3000
