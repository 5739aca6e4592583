"""Batch.headers: the descriptors themselves, of which only the verdict decides anything."""

from __future__ import annotations

import numpy as np
import pytest

import fastdivert as fd
from tests.traffic import numbered, tcp, udp


def test_headers_are_writable_views_of_one_memory():
    batch = numbered(3)
    batch.headers["verdict"][1] = fd.Verdict.DROP

    assert batch.headers.dtype == fd.HEADER_DTYPE
    assert batch.verdicts.tolist() == [0, 1, 0]
    assert np.shares_memory(batch.headers, batch.verdicts)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (slice(None), [1, 1, 1, 1]),
        (slice(1, 3), [0, 1, 1, 0]),
        (np.array([True, False, False, True]), [1, 0, 0, 1]),
        ([0, 2], [1, 0, 1, 0]),
        (-1, [0, 0, 0, 1]),
        ([], [0, 0, 0, 0]),
    ],
)
def test_drop_marks_a_mask_indexes_or_a_slice(where, expected):
    batch = numbered(4)
    batch.drop(where)

    assert batch.verdicts.tolist() == expected


@pytest.mark.parametrize("where", [[9], -9, np.array([True, False])])
def test_drop_refuses_what_lies_outside(where):
    batch = numbered(4)

    with pytest.raises(IndexError):
        batch.drop(where)
    assert batch.verdicts.tolist() == [0, 0, 0, 0]


_LIES = {
    "offset": 0xFFFFFFC0,
    "captured": 0xFFFFFFFF,
    "length": 0xFFFFFFFF,
    "l4_offset": 0xFFFE,
    "payload_offset": 0xFFFE,
    "l2_length": 255,
    "layer": 4,
    "event": 255,
    "link": 6,
    "protocol": 1,
    "csum_start": 0xFFFF,
    "csum_offset": 255,
    "gso_size": 0xFFFF,
}


def _read_everything(batch: fd.Batch) -> list[object]:
    return [
        [bytes(packet) for packet in batch],
        [packet.payload.tobytes() for packet in batch],
        batch["tcp.DstPort"].tolist(),
        batch["udp.DstPort"].tolist(),
        batch["length"].tolist(),
        batch["packet[39]"].tolist(),
        batch["tcp.Payload[-1]"].tolist(),
        batch.match("tcp or udp.PayloadLength > 3").tolist(),
        batch.parse(()).tobytes(),
        batch.checksums("verify").tobytes(),
        batch.hash().tolist(),
        [bytes(packet) for packet in batch.copy()],
        [bytes(packet) for packet in batch[:1]],
    ]


@pytest.mark.parametrize("field", sorted(_LIES))
def test_no_lie_in_a_header_moves_a_read(field):
    batch = fd.Batch.from_packets([tcp(1, 2, b"abc"), udp(3, 4, b"defg")])
    batch.checksums()
    before = _read_everything(batch)
    batch.headers[field] = _LIES[field]

    assert _read_everything(batch) == before


def test_random_headers_move_no_write():
    packets = [tcp(1, 2, b"abc"), udp(3, 4, b"defg"), tcp(5, 6, bytes(500))]
    batch = fd.Batch.from_packets(packets)
    random = np.random.default_rng(1)
    for _ in range(50):
        batch.headers.view(np.uint8)[:] = random.integers(0, 256, 64 * 3, np.uint8)
        batch["ip.TTL"] = 9
        batch["udp.DstPort"] = 99
        batch["tcp.Payload[2]"] = 0x21
        batch.checksums()
        batch.decrement_ttl()

    assert batch["ip.TTL"].tolist() == [8, 8, 8]
    assert batch["udp.DstPort"].tolist() == [0, 99, 0]
    assert batch[2].payload.tobytes() == b"\0\0\x21" + bytes(497)


def test_the_layer_of_a_batch_is_not_that_of_its_headers():
    batch = fd.Batch.from_packets([tcp(7, 8)])
    batch.headers["layer"] = fd.Layer.REFLECT

    assert batch.layer is fd.Layer.NETWORK
    assert batch["tcp.SrcPort"].tolist() == [7]


def test_the_length_of_a_packet_is_not_that_of_its_header():
    packet = fd.Batch.from_packets([tcp()])[0]
    packet.header["captured"] = 7

    assert len(packet) == len(bytes(packet)) == 40


def test_flags_are_not_bounds():
    batch = fd.Batch.from_packets([tcp(1, 2, b"abc")])
    batch.headers["flags"] = 0xFFFFFFFF
    batch["ip.SrcAddr"] = "1.2.3.4"
    batch.checksums()

    assert batch[0].payload.tobytes() == b"abc"
