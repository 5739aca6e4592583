# SPDX-License-Identifier: MIT
"""``batch[name] = values`` against an edit in plain Python with full recomputation."""

from __future__ import annotations

import struct
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastdivert as fd
from fastdivert.filter.fields import FIELD_BY_NAME, FIELDS, Source
from tests.differential.addresses import random_addresses
from tests.differential.packets import packet_strategy, random_packet, sound_packet
from tests.differential.rules import (
    ICMP,
    IP,
    IPV6,
    LAYOUT,
    TCP,
    UDP,
    Parsed,
    header_field,
    internet_checksum,
    ip_checksum,
    parse,
    transport_checksum,
    transport_place,
    with_checksums,
    with_header_field,
)

_CHECKSUMS = [name for name in LAYOUT if name.endswith("Checksum")]
_ADDRESSES = ["ip.SrcAddr", "ip.DstAddr", "ipv6.SrcAddr", "ipv6.DstAddr"]
_LAYOUT_CHANGES = [
    "ip.HdrLength",
    "ip.Length",
    "ip.MF",
    "ip.FragOff",
    "ip.Protocol",
    "ipv6.Length",
    "ipv6.NextHdr",
    "tcp.HdrLength",
]
_PARTIAL = {TCP: fd.HeaderFlag.TCP_CHECKSUM_PARTIAL, UDP: fd.HeaderFlag.UDP_CHECKSUM_PARTIAL}


def _contents(batch: fd.Batch) -> list[bytes]:
    return [bytes(packet) for packet in batch]


def _sum(data: bytes) -> int:
    """The one's complement sum, as a number below 0xffff (where zero has two forms)."""
    return (0xFFFF ^ internet_checksum(data)) % 0xFFFF


def _ip_residue(packet: bytes, parsed: Parsed) -> int | None:
    """0 if the IPv4 checksum is right, else by how much it is wrong."""
    return _sum(packet[: parsed.l4_offset]) if parsed.headers & IP else None


def _transport_residue(packet: bytes, parsed: Parsed) -> int | None:
    """The same of the transport checksum, over what is here of the packet."""
    if transport_place(parsed) is None:
        return None
    addresses = b"" if parsed.headers & ICMP else _address_bytes(packet, parsed)
    end = parsed.payload_offset + parsed.payload_length
    return _sum(addresses + packet[parsed.l4_offset : end])


def _address_bytes(packet: bytes, parsed: Parsed) -> bytes:
    return packet[8:40] if parsed.headers & IPV6 else packet[12:20]


def _stored_transport(packet: bytes, parsed: Parsed) -> bytes:
    at = transport_place(parsed)
    return b"" if at is None else packet[at : at + 2]


def _has_no_checksum(packet: bytes, parsed: Parsed) -> bool:
    """UDP whose sender computed none (RFC 768)."""
    return bool(parsed.headers & UDP) and _stored_transport(packet, parsed) == b"\0\0"


def _without_checksums(packet: bytes, parsed: Parsed) -> bytes:
    out = bytearray(packet)
    if parsed.headers & IP:
        out[10:12] = bytes(2)
    at = transport_place(parsed)
    if at is not None:
        out[at : at + 2] = bytes(2)
    return bytes(out)


def _covers_transport(name: str, parsed: Parsed) -> bool:
    if name in _ADDRESSES:
        return not parsed.headers & ICMP
    return not name.startswith(("ip.", "ipv6."))


def _random_values(rng: Random, name: str, count: int) -> tuple[np.ndarray, list[int]]:
    """As the column takes them, and as numbers."""
    bits = LAYOUT[name][2]
    edges = (0, 1, (1 << bits) - 1, (1 << bits) - 2 if bits > 1 else 0)
    numbers = [
        rng.choice(edges) if rng.random() < 0.4 else rng.getrandbits(bits) for _ in range(count)
    ]
    if bits == 128:
        raw = b"".join(number.to_bytes(16, "big") for number in numbers)
        return np.frombuffer(raw, np.uint8).reshape(-1, 16), numbers
    return np.array(numbers, np.uint64), numbers


def _check_write(packets: list[bytes], name: str, rng: Random) -> int:
    """Writes a field of them all, and compares bytes and checksums; how many had it."""
    batch = fd.Batch.from_packets(packets)
    values, numbers = _random_values(rng, name, len(packets))
    where = np.array([rng.random() < 0.85 for _ in packets])
    batch.set(name, values, where)
    written = 0
    for row, (before, after) in enumerate(zip(packets, _contents(batch), strict=True)):
        parsed = parse(before)
        if not where[row] or not parsed.headers & LAYOUT[name][0]:
            assert after == before, (name, before.hex())
            continue
        _check_written(before, after, parsed, name, numbers[row])
        written += 1
    # What it parses to now is what the new bytes say.
    for packet, row in zip(_contents(batch), batch.parse(()), strict=True):
        assert int(row["headers"]) == parse(packet).headers
        assert int(row["payload_offset"]) == parse(packet).payload_offset
        assert int(row["destination_port"]) == parse(packet).destination_port
        assert int(row["tcp_flags"]) == parse(packet).tcp_flags
    return written


def _check_written(before: bytes, after: bytes, parsed: Parsed, name: str, value: int) -> None:
    where = (name, value, before.hex(), after.hex())
    edited = with_header_field(before, parsed, name, value)
    assert header_field(after, parsed, name) == value, where
    if name in _CHECKSUMS:
        assert after == edited, where
        return
    assert _without_checksums(after, parsed) == _without_checksums(edited, parsed), where
    assert _ip_residue(after, parsed) == _ip_residue(before, parsed), where
    if _has_no_checksum(before, parsed) or not _covers_transport(name, parsed):
        assert _stored_transport(after, parsed) == _stored_transport(before, parsed), where
        return
    assert _transport_residue(after, parsed) == _transport_residue(before, parsed), where
    assert not _has_no_checksum(after, parsed), where
    is_whole = transport_checksum(before, parsed) is not None
    if is_whole and name not in _LAYOUT_CHANGES and before == with_checksums(before):
        # It was right: now it is what a full computation gives.
        assert after == with_checksums(edited), where


@pytest.mark.parametrize("name", LAYOUT)
def test_every_header_field(name: str, rng: Random, pairs: int, tally: Counter[str]) -> None:
    written = 0
    for _ in range(max(1, pairs // 100_000)):
        packets = [random_packet(rng, 100) for _ in range(600)]
        packets += [with_checksums(sound_packet(rng, 100)) for _ in range(300)]
        written += _check_write(packets, name, rng)
    tally["fields written"] += written
    assert written > 20


@settings(max_examples=300, deadline=None)
@given(packet_strategy(), st.sampled_from(sorted(LAYOUT)), st.randoms(use_true_random=False))
def test_every_header_field_shrinking(packet: bytes, name: str, rng: Random) -> None:
    _check_write([packet, with_checksums(packet)], name, rng)


def test_the_layout_is_of_every_header_field() -> None:
    assert set(LAYOUT) == {field.name for field in FIELDS if field.source is Source.HEADER}


# ---- bytes ----------------------------------------------------------------------------


@pytest.mark.parametrize("element", ["Payload", "Payload16", "Payload32"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_elements_of_payloads(protocol: str, element: str, rng: Random) -> None:
    width = FIELD_BY_NAME[f"{protocol}.{element}"].width
    header = TCP if protocol == "tcp" else UDP
    packets = [with_checksums(random_packet(rng, 60)) for _ in range(800)]
    written = 0
    for index in (0, 1, 2, 3, 5, -width, -width - 1, -7):
        if index < 0 and -index < width:
            continue
        batch = fd.Batch.from_packets(packets)
        numbers = [rng.choice((0, 0xFF, rng.getrandbits(8 * width))) for _ in packets]
        batch[f"{protocol}.{element}[{index}b]"] = numbers
        for before, after, number in zip(packets, _contents(batch), numbers, strict=True):
            parsed = parse(before)
            end = parsed.payload_offset + parsed.payload_length
            at = index + (parsed.payload_offset if index >= 0 else end)
            if not parsed.headers & header or at < parsed.payload_offset or at + width > end:
                assert after == before
                continue
            written += 1
            edited = before[:at] + number.to_bytes(width, "big") + before[at + width :]
            where = (index, number, before.hex(), after.hex())
            assert _without_checksums(after, parsed) == _without_checksums(edited, parsed), where
            if _has_no_checksum(before, parsed):
                assert after == edited, where
                continue
            residue = _transport_residue(before, parsed)
            assert _transport_residue(after, parsed) == residue, where
            if transport_checksum(before, parsed) is not None:
                assert after == with_checksums(edited), where
    assert written > 300


@pytest.mark.parametrize(("element", "width"), [("packet", 1), ("packet16", 2), ("packet32", 4)])
def test_elements_of_packets_are_raw(element: str, width: int, rng: Random) -> None:
    packets = [random_packet(rng, 60) for _ in range(500)]
    for index in (0, 1, 6, 9, 16, 22, 33, -width, -width - 1):
        batch = fd.Batch.from_packets(packets, random_addresses(rng, packets))
        numbers = [rng.getrandbits(8 * width) for _ in packets]
        batch[f"{element}[{index}b]"] = numbers
        flags = batch.headers["flags"]
        for row, (before, after) in enumerate(zip(packets, _contents(batch), strict=True)):
            at = index if index >= 0 else len(before) + index
            if not parse(before).headers or at < 0 or at + width > len(before):
                assert after == before
                continue
            raw = numbers[row].to_bytes(width, "big")
            assert after == before[:at] + raw + before[at + width :]
            assert not flags[row] & int(
                fd.HeaderFlag.IP_CHECKSUM_VALID
                | fd.HeaderFlag.TCP_CHECKSUM_VALID
                | fd.HeaderFlag.UDP_CHECKSUM_VALID
            )
        parsed = batch.parse(())
        assert parsed["headers"].tolist() == [parse(p).headers for p in _contents(batch)]


def test_many_edits_add_up(rng: Random) -> None:
    """Write after write, without a recomputation between them."""
    packets = [with_checksums(sound_packet(rng, 80)) for _ in range(300)]
    batch = fd.Batch.from_packets(packets)
    names = [name for name in LAYOUT if name not in (*_CHECKSUMS, *_LAYOUT_CHANGES)]
    for _ in range(120):
        name = rng.choice(names)
        batch[name] = _random_values(rng, name, len(packets))[0]
    incremental = _contents(batch)
    for before, after in zip(packets, incremental, strict=True):
        parsed = parse(before)
        assert ip_checksum(after, parsed) is None or _ip_residue(after, parsed) == 0
        residue = _transport_residue(before, parsed)
        if not _has_no_checksum(before, parsed):
            assert _transport_residue(after, parsed) == residue
    right = batch.checksums("verify")
    assert (right["ip_right"] == right["ip_present"]).all()
    assert right["l4_right"][right["l4_present"]].all()


def test_the_checksum_of_an_icmp_message_of_zeros() -> None:
    """RFC 1624 alone would leave 0, which no receiver takes: zeros sum to 0, not to -0."""
    request = bytes.fromhex("4500001c000000004001000001020304050607080000000000000001")
    echo = with_checksums(request)
    batch = fd.Batch.from_packets([echo])
    batch["icmp.Body"] = 0
    assert batch["icmp.Checksum"].tolist() == [0xFFFF]
    assert batch.checksums("verify")["l4_right"].all()
    batch["icmp.Body"] = 1
    assert bytes(batch[0]) == echo


# ---- partial checksums -------------------------------------------------------------------


def _with_partial_checksum(packet: bytes) -> bytes:
    parsed = parse(packet)
    at = transport_place(parsed)
    assert at is not None
    protocol = 6 if parsed.headers & TCP else 17
    size = parsed.payload_offset - parsed.l4_offset + parsed.payload_length
    pseudo = _address_bytes(packet, parsed) + struct.pack("!II", size, protocol)
    folded = struct.pack("!H", 0xFFFF ^ internet_checksum(pseudo))
    return packet[:at] + folded + packet[at + 2 :]


def _partial_batch(rng: Random) -> tuple[fd.Batch, list[bytes]]:
    packets: list[bytes] = []
    while len(packets) < 300:
        packet = with_checksums(sound_packet(rng, 60))
        if parse(packet).headers & (TCP | UDP) and transport_checksum(packet, parse(packet)):
            packets.append(_with_partial_checksum(packet))
    batch = fd.Batch.from_packets(packets)
    flags = batch.headers["flags"]
    for header, flag in _PARTIAL.items():
        for row, packet in enumerate(packets):
            if parse(packet).headers & header:
                flags[row] |= int(flag)
    assert batch.checksums("verify")["l4_partial"].all()
    return batch, packets


@pytest.mark.parametrize("name", _ADDRESSES)
def test_a_partial_checksum_follows_the_pseudo_header(name: str, rng: Random) -> None:
    batch, packets = _partial_batch(rng)
    values, numbers = _random_values(rng, name, len(packets))
    batch[name] = values
    written = 0
    for before, after, number in zip(packets, _contents(batch), numbers, strict=True):
        parsed = parse(before)
        if not parsed.headers & LAYOUT[name][0]:
            assert after == before
            continue
        expected = with_header_field(before, parsed, name, number)
        expected = _with_partial_checksum(expected)
        ip = ip_checksum(expected, parsed)
        if ip is not None:
            expected = expected[:10] + struct.pack("!H", ip) + expected[12:]
        assert after == expected, (name, before.hex())
        written += 1
    assert written > 50
    assert batch.checksums("verify")["l4_partial"].all()


@pytest.mark.parametrize(
    "name",
    [
        "tcp.SrcPort",
        "tcp.SeqNum",
        "tcp.Syn",
        "tcp.Window",
        "udp.DstPort",
        "udp.Length",
        "tcp.Payload[0]",
        "udp.Payload16[0]",
    ],
)
def test_a_partial_checksum_does_not_cover_the_transport_header(name: str, rng: Random) -> None:
    batch, packets = _partial_batch(rng)
    batch[name] = 1
    for before, after in zip(packets, _contents(batch), strict=True):
        parsed = parse(before)
        assert _stored_transport(after, parsed) == _stored_transport(before, parsed)
    assert batch.checksums("verify")["l4_partial"].all()


def test_a_computed_checksum_is_no_longer_partial(rng: Random) -> None:
    batch, _ = _partial_batch(rng)
    assert batch.checksums().all()
    partial = int(_PARTIAL[TCP] | _PARTIAL[UDP])
    assert not (batch.headers["flags"] & partial).any()
    assert batch.checksums("verify")["l4_right"].all()


# ---- what is not a packet's bytes ----------------------------------------------------------


def test_fields_of_the_address(rng: Random) -> None:
    packets = [random_packet(rng, 40) for _ in range(200)]
    batch = fd.Batch.from_packets(packets, random_addresses(rng, packets))
    count = len(packets)
    written = {
        "outbound": [rng.random() < 0.5 for _ in range(count)],
        "loopback": [rng.random() < 0.5 for _ in range(count)],
        "impostor": [rng.random() < 0.5 for _ in range(count)],
        "ifIdx": [rng.getrandbits(32) for _ in range(count)],
        "subIfIdx": [rng.getrandbits(32) for _ in range(count)],
        "timestamp": [rng.getrandbits(63) - (1 << 62) for _ in range(count)],
    }
    for name, values in written.items():
        batch[name] = values
    addresses = batch.addresses
    assert addresses["Timestamp"].tolist() == written["timestamp"]
    assert addresses["Network"]["IfIdx"].tolist() == written["ifIdx"]
    assert addresses["Network"]["SubIfIdx"].tolist() == written["subIfIdx"]
    for bit, name in ((2, "outbound"), (4, "loopback"), (8, "impostor")):
        assert (addresses["Flags"] & bit != 0).tolist() == written[name]
    assert _contents(batch) == packets
    batch["inbound"] = written["outbound"]
    assert (batch.addresses["Flags"] & 2 == 0).tolist() == written["outbound"]


@pytest.mark.parametrize(
    "field", [field for field in FIELDS if field.exists_at(0)], ids=lambda field: field.name
)
def test_values_that_do_not_fit_change_nothing(field, rng: Random) -> None:
    packets = [random_packet(rng, 40) for _ in range(20)]
    batch = fd.Batch.from_packets(packets, random_addresses(rng, packets))
    headers = batch.headers.tobytes()
    name = f"{field.name}[0]" if field.indexed else field.name
    good = np.zeros((20, 16) if field.width == 16 else 20, np.int64)
    bad: list[object] = [good[:-1], good.astype(float), "no address", None, [[0, 1], [2]]]
    if field.width < 8:
        for value in (-1, 1 << field.bits, (1 << 64) - 1):
            one = good.astype(object)
            one[7] = value
            bad += [one.astype(np.int64 if value < 0 else np.uint64), value]
    for values in bad:
        with pytest.raises(ValueError, match=r".+"):
            batch[name] = values  # type: ignore[assignment]
    for mask in (np.ones(19, bool), np.ones(20, np.uint8), True):
        with pytest.raises(ValueError, match=r".+"):
            batch.set(name, good, mask)
    assert _contents(batch) == packets
    assert batch.headers.tobytes() == headers
