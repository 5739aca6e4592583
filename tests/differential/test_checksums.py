# SPDX-License-Identifier: MIT
"""Checksums, hash and TTL: WinDivert's results, and the RFCs' in plain Python."""

from __future__ import annotations

import struct
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastdivert as fd
from tests import oracle
from tests.differential.addresses import random_address, random_addresses
from tests.differential.packets import packet_strategy, random_packet, sound_packet
from tests.differential.rules import (
    ICMP,
    IP,
    IPV6,
    TRUNCATED,
    UDP,
    internet_checksum,
    ip_checksum,
    is_tcp_header_cut,
    is_whole,
    parse,
    pseudo_header,
    transport_checksum,
    transport_place,
    with_checksums,
)

_FLAGS_AT = 10  # of WINDIVERT_ADDRESS
_ALL_FLAGS = range(32)
_NO_TCP = 8


def _contents(batch: fd.Batch) -> list[bytes]:
    return [bytes(packet) for packet in batch]


def _check_update(packets: list[bytes], addresses: np.ndarray, flags: int) -> None:
    batch = fd.Batch.from_packets(packets, addresses)
    done = batch.checksums("update", flags)
    ours, our_addresses = _contents(batch), batch.addresses
    for row, packet in enumerate(packets):
        where = (packet.hex(), flags)
        theirs = oracle.checksums(packet, addresses[row].tobytes(), flags)
        if is_tcp_header_cut(packet, parse(packet)) and theirs.done and not flags & _NO_TCP:
            # WinDivert sums what lies behind the packet; we leave such a checksum alone.
            at = transport_place(parse(packet))
            assert at is not None and not done[row], where
            assert ours[row][at : at + 2] == packet[at : at + 2], where
            assert ours[row][:at] == theirs.packet[:at], where
            continue
        assert ours[row] == theirs.packet, where
        assert bool(done[row]) == theirs.done, where
        assert our_addresses[row].tobytes()[_FLAGS_AT] == theirs.address[_FLAGS_AT], where


@pytest.mark.parametrize("flags", _ALL_FLAGS)
def test_updates_as_windivert(flags: int, rng: Random, pairs: int, tally: Counter[str]) -> None:
    count = max(200, pairs // 500)
    packets = [random_packet(rng) for _ in range(count)]
    _check_update(packets, random_addresses(rng, packets), flags)
    tally["packets whose checksums were calculated"] += count


@settings(max_examples=300, deadline=None)
@given(
    packet=packet_strategy(),
    flags=st.sampled_from(_ALL_FLAGS),
    rng=st.randoms(use_true_random=False),
)
def test_updates_as_windivert_shrinking(packet: bytes, flags: int, rng: Random) -> None:
    address = np.frombuffer(random_address(rng, packet), fd.ADDRESS_DTYPE)
    _check_update([packet], address, flags)


@pytest.mark.parametrize("size", [*range(130), 1459, 1460, 8191, 65507 - 20])
def test_payloads_of_every_length(size: int, rng: Random) -> None:
    """Sums run over blocks of several widths: each remainder, and all ones for the carries."""
    for payload in (rng.randbytes(size), b"\xff" * size, bytes(size)):
        tcp = struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 0x50, 0, 5, 6, 7) + payload
        udp = struct.pack("!HHHH", 1, 2, min(65535, 8 + size), 7) + payload
        icmp = struct.pack("!BBHI", 8, 0, 7, 9) + payload
        for protocol, body in ((6, tcp), (17, udp), (1, icmp), (58, icmp)):
            v4 = struct.pack("!BBHIBBH", 0x45, 0, 20 + len(body), 7, 64, protocol, 1)
            v6 = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64)
            packets = [v4 + rng.randbytes(8) + body, v6 + rng.randbytes(32) + body]
            _check_update(packets, random_addresses(rng, packets), 0)


def test_a_udp_checksum_of_zero_is_sent_as_ones() -> None:
    head = bytes.fromhex("4500001e0000000040110000010203040506070800010002000a0000")
    zeros = 0
    for word in range(0x10000):
        packet = head + struct.pack("!H", word)
        transport = transport_checksum(packet, parse(packet))
        assert transport is not None
        if internet_checksum(transport.covered) != 0:
            continue
        zeros += 1
        batch = fd.Batch.from_packets([packet])
        batch.checksums()
        assert batch["udp.Checksum"][0] == 0xFFFF
        assert batch.checksums("verify")["l4_right"].all()
    assert zeros == 1


# ---- verify -------------------------------------------------------------------------


def _expected_of_verify(packet: bytes) -> tuple[bool, bool, bool, bool, bool]:
    parsed = parse(packet)
    ip = ip_checksum(packet, parsed)
    # A header that sums to zero with its checksum is right (RFC 1071): 0xffff for 0 too.
    header = packet[: parsed.l4_offset]
    ip_right = ip is not None and internet_checksum(header) == 0
    transport = transport_checksum(packet, parsed)
    if transport is None:
        return ip is not None, ip_right, False, False, False
    (stored,) = struct.unpack_from("!H", packet, transport.at)
    if stored == 0 and parsed.headers & UDP:
        return ip is not None, ip_right, True, bool(parsed.headers & IP), False
    padded = transport.covered + bytes(len(transport.covered) % 2)
    right = internet_checksum(padded + struct.pack("!H", stored)) == 0
    if parsed.headers & ICMP:
        return ip is not None, ip_right, True, right, False
    partial = 0xFFFF ^ internet_checksum(pseudo_header(packet, parsed, transport.protocol))
    return ip is not None, ip_right, True, right, stored == partial


def test_verify_by_plain_python(rng: Random, pairs: int) -> None:
    for _ in range(max(1, pairs // 20_000)):
        packets = [random_packet(rng) for _ in range(500)]
        found = fd.Batch.from_packets(packets).checksums("verify")
        for packet, row in zip(packets, found, strict=True):
            assert tuple(map(bool, row)) == _expected_of_verify(packet), packet.hex()
        assert found["ip_right"].any() and found["l4_right"].any()
        assert not found["ip_right"].all() and not found["l4_right"].all()


def test_what_was_updated_verifies(rng: Random) -> None:
    packets = [random_packet(rng) for _ in range(2000)]
    batch = fd.Batch.from_packets(packets)
    done = batch.checksums()
    found = batch.checksums("verify")
    assert (found["ip_right"] == found["ip_present"]).all()
    assert (found["l4_right"] == found["l4_present"]).all()
    parsed = [parse(packet) for packet in packets]
    whole = [
        bool(one.headers) and (transport_place(one) is None or is_whole(packet, one))
        for packet, one in zip(packets, parsed, strict=True)
    ]
    assert done.tolist() == whole
    again = _contents(batch)
    batch.checksums()
    assert _contents(batch) == again


def test_one_wrong_bit_is_found(rng: Random) -> None:
    for _ in range(300):
        packet = with_checksums(sound_packet(rng, 60))
        parsed = parse(packet)
        transport = transport_checksum(packet, parsed)
        if transport is None:
            continue
        end = parsed.payload_offset + parsed.payload_length
        at = rng.randrange(parsed.l4_offset, end)
        broken = bytearray(packet)
        broken[at] ^= 1 << rng.randrange(8)
        if broken[transport.at : transport.at + 2] == b"\0\0" or parse(broken) != parsed:
            continue  # no checksum any more, or another header length
        found = fd.Batch.from_packets([packet, bytes(broken)]).checksums("verify")
        assert found["l4_right"].tolist() == [True, False], broken.hex()


def test_verify_changes_nothing(rng: Random) -> None:
    packets = [random_packet(rng) for _ in range(300)]
    batch = fd.Batch.from_packets(packets)
    headers = batch.headers.tobytes()
    batch.checksums("verify")
    assert _contents(batch) == packets
    assert batch.headers.tobytes() == headers


# ---- hash -----------------------------------------------------------------------------


def _check_hash(packets: list[bytes], seed: int) -> None:
    ours = fd.Batch.from_packets(packets).hash(seed)
    assert ours.tolist() == [oracle.hash(packet, seed) for packet in packets]


def test_hashes_as_windivert(rng: Random, pairs: int, tally: Counter[str]) -> None:
    seeds = [0, 1, (1 << 64) - 1, 1 << 63, *(rng.getrandbits(64) for _ in range(16))]
    for seed in seeds:
        packets = [random_packet(rng) for _ in range(max(100, pairs // 200))]
        _check_hash(packets, seed)
        tally["packets hashed"] += len(packets)


@settings(max_examples=200, deadline=None)
@given(packet_strategy(), st.integers(0, (1 << 64) - 1))
def test_hashes_as_windivert_shrinking(packet: bytes, seed: int) -> None:
    _check_hash([packet], seed)


# ---- TTL --------------------------------------------------------------------------------


def test_decrement_ttl_is_a_recomputation(rng: Random) -> None:
    packets = [with_checksums(random_packet(rng)) for _ in range(3000)]
    batch = fd.Batch.from_packets(packets)
    where = np.array([rng.random() < 0.8 for _ in packets])
    done = batch.decrement_ttl(where)
    for row, (packet, after) in enumerate(zip(packets, _contents(batch), strict=True)):
        parsed = parse(packet)
        at = 8 if parsed.headers & IP else 7 if parsed.headers & IPV6 else None
        if at is None or packet[at] <= 1 or not where[row]:
            assert not done[row] and after == packet
            continue
        expected = bytearray(packet)
        expected[at] -= 1
        if at == 8:
            expected[10:12] = bytes(2)
            checksum = internet_checksum(bytes(expected[: parsed.l4_offset]))
            struct.pack_into("!H", expected, 10, checksum)
        assert done[row] and after == bytes(expected), packet.hex()


def test_decrement_ttl_with_every_checksum() -> None:
    """A header whose checksum is right, for every value of it."""
    base = bytes.fromhex("45000014000000004001000001020304")
    packets = [
        with_checksums(base + struct.pack("!I", word)) for word in range(0, 0x100000000, 0x10001)
    ]
    batch = fd.Batch.from_packets(packets[:0x10000])
    assert len(np.unique(batch["ip.Checksum"])) > 30_000
    assert batch.decrement_ttl().all()
    assert batch.checksums("verify")["ip_right"].all()
    before = batch["ip.Checksum"].copy()
    batch.checksums()
    assert np.array_equal(batch["ip.Checksum"], before)


def test_a_cut_packet_has_no_hash_and_keeps_its_transport_checksum() -> None:
    udp = bytes.fromhex("4500001e0000000040110000010203040506070800010002000a00006162")
    packet = with_checksums(udp)
    cut = packet[:-1]
    assert parse(cut).state & TRUNCATED
    batch = fd.Batch.from_packets([packet, cut])
    assert (batch.hash(5) != 0).tolist() == [True, False]
    assert batch.checksums().tolist() == [True, False]
