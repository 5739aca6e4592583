# SPDX-License-Identifier: MIT
"""A payload of another length: lengths and checksums against a packet built anew."""

from __future__ import annotations

import struct
from random import Random

import pytest

import fastdivert as fd
from tests.differential.packets import random_packet, sound_packet
from tests.differential.rules import (
    IPV6,
    MORE_FRAGMENTS,
    UDP,
    Parsed,
    parse,
    with_checksums,
)


def _rebuilt(packet: bytes, parsed: Parsed, payload: bytes) -> bytes:
    out = bytearray(packet[: parsed.payload_offset] + payload)
    if parsed.headers & IPV6:
        struct.pack_into("!H", out, 4, len(out) - 40)
    else:
        struct.pack_into("!H", out, 2, len(out))
    # In a first fragment it is the length of the whole datagram.
    if parsed.headers & UDP and not parsed.state & MORE_FRAGMENTS:
        struct.pack_into("!H", out, parsed.l4_offset + 4, len(out) - parsed.l4_offset)
    return with_checksums(bytes(out))


@pytest.mark.parametrize("make", [sound_packet, random_packet])
def test_payloads_of_other_lengths(make, rng: Random) -> None:
    packets = [packet for packet in (make(rng, 60) for _ in range(800)) if parse(packet).headers]
    batch = fd.Batch.from_packets(packets)
    payloads = [rng.randbytes(rng.choice((0, 1, 2, 7, 64, 1000))) for _ in packets]
    for row, payload in enumerate(payloads):
        batch.replace_payload(row, payload)
    for row, (packet, payload) in enumerate(zip(packets, payloads, strict=True)):
        parsed = parse(packet)
        expected = _rebuilt(packet, parsed, payload)
        assert bytes(batch[row]) == expected, (packet.hex(), payload.hex())
        header = batch.headers[row]
        assert header["captured"] == header["length"] == len(expected)
    again = batch.parse(())
    assert again["headers"].tolist() == [parse(bytes(packet)).headers for packet in batch]


def test_all_other_packets_stay(rng: Random) -> None:
    packets = [sound_packet(rng, 60) for _ in range(50)]
    batch = fd.Batch.from_packets(packets)
    batch[20].payload = b"other"
    contents = [bytes(packet) for packet in batch]
    assert contents[:20] == packets[:20] and contents[21:] == packets[21:]
    assert contents[20] == _rebuilt(packets[20], parse(packets[20]), b"other")


@pytest.mark.parametrize(("first", "most"), [("45", 65535 - 28), ("60", 65535 + 40 - 48)])
def test_the_longest_payload(first: str, most: int) -> None:
    head = bytes.fromhex(first) + bytes(1)
    if first == "45":
        packet = head + struct.pack("!HIBBH", 28, 0, 64, 17, 0) + bytes(8) + bytes(8)
    else:
        packet = head + struct.pack("!HHBB", 0, 8, 17, 64) + bytes(32) + bytes(8)
    batch = fd.Batch.from_packets([packet])
    with pytest.raises(ValueError, match=r"packet 0 cannot have a payload"):
        batch.replace_payload(0, bytes(most + 1))
    assert bytes(batch[0]) == packet
    batch.replace_payload(0, bytes(most))
    assert batch["udp.PayloadLength"].tolist() == [most]
    assert batch.checksums("verify")["l4_right"].all()


def test_what_is_no_packet_has_no_payload() -> None:
    batch = fd.Batch.from_packets([b"\x45" * 10])
    with pytest.raises(ValueError, match=r"no IP packet"):
        batch.replace_payload(0, b"x")
