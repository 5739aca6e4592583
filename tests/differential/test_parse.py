# SPDX-License-Identifier: MIT
"""Where the headers are: by the rules written a second time, and by WinDivert."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings

import fastdivert as fd
from tests import oracle
from tests.differential.packets import packet_strategy, random_packet, sound_packet
from tests.differential.rules import (
    EXTENDED,
    FRAGMENT,
    ICMP,
    ICMPV6,
    IP,
    IPV6,
    TCP,
    TRUNCATED,
    UDP,
    Parsed,
    parse,
)

_NAMES = {IP: "ip", IPV6: "ipv6", ICMP: "icmp", ICMPV6: "icmpv6", TCP: "tcp", UDP: "udp"}


def _check_rules(packets: list[bytes]) -> None:
    parsed = fd.Batch.from_packets(packets).parse(())
    for packet, row in zip(packets, parsed, strict=True):
        ours = {name: int(row[name]) for name in fd.PARSED_DTYPE.names or ()}
        assert ours == asdict(parse(packet)), packet.hex()


def test_the_rules_written_twice(rng: Random, pairs: int, tally: Counter[str]) -> None:
    count = pairs // 5
    kinds: Counter[int] = Counter()
    for _ in range(0, count, 200):
        packets = [random_packet(rng) for _ in range(200)]
        _check_rules(packets)
        kinds.update(parse(packet).headers for packet in packets)
    tally["packets parsed"] += sum(kinds.values())
    # Every combination of headers that there is, and no packet at all.
    ip_kinds = {IP, IP | ICMP, IP | TCP, IP | UDP}
    ipv6_kinds = {IPV6, IPV6 | ICMPV6, IPV6 | TCP, IPV6 | UDP}
    assert set(kinds) == {0} | ip_kinds | ipv6_kinds


@settings(max_examples=300, deadline=None)
@given(packet_strategy())
def test_the_rules_shrinking(packet: bytes) -> None:
    _check_rules([packet])


def test_a_packet_cut_at_every_byte(rng: Random) -> None:
    for _ in range(60):
        packet = sound_packet(rng, 40)
        _check_rules([packet[:end] for end in range(len(packet) + 1)])


def test_every_first_byte_and_header_length() -> None:
    tail = bytes([0, 0, 60, 0, 1, 0, 0, 64, 6, 0, 0]) + bytes(80)
    _check_rules([bytes([first]) + tail for first in range(256)])


def test_every_next_header_with_every_length() -> None:
    """Each extension header in turn, with lengths around what is there."""
    for next_header in range(256):
        head = bytes.fromhex("60000000") + bytes([0, 48, next_header, 64]) + bytes(32)
        _check_rules(
            [head + bytes([17, length]) + bytes(46) for length in (0, 1, 4, 5, 6, 10, 11, 255)]
        )


def test_a_long_chain_of_extension_headers_ends() -> None:
    for kind in (0, 43, 44, 51, 60, 135):
        chain = bytes([kind, 0]) + bytes(6)
        head = bytes.fromhex("60000000") + (65528).to_bytes(2, "big") + bytes([kind, 64])
        _check_rules([head + bytes(32) + chain * count for count in (1, 2, 100, 8191)])


# ---- what WinDivert can be asked ---------------------------------------------------


def _address(packet: bytes) -> oracle.Address:
    address = oracle.Address()
    address.IPv6 = parse(packet).headers & IPV6 != 0
    return address


def _questions(packet: bytes, parsed: Parsed) -> str:
    """A filter that matches if WinDivert's parser found what we found."""
    terms = [f"{'' if parsed.headers & bit else 'not '}{name}" for bit, name in _NAMES.items()]
    terms.append(f"protocol == {parsed.protocol}")
    terms.append(f"fragment == {int(parsed.state & FRAGMENT != 0)}")
    terms.append(f"packet[-1] == {packet[-1]}")
    if parsed.headers & (TCP | UDP):
        name = "tcp" if parsed.headers & TCP else "udp"
        size = parsed.payload_length
        terms.append(f"{name}.PayloadLength == {size}")
        # Not there at all: an unequal byte would make one of the two true.
        behind = f"{name}.Payload[{size}]"
        terms.append(f"({behind} == 0 or {behind} != 0 ? false : true)")
        if size:
            first = packet[parsed.payload_offset]
            last = packet[parsed.payload_offset + size - 1]
            terms += (f"{name}.Payload[0] == {first}", f"{name}.Payload[-1] == {last}")
            terms.append(f"{name}.Payload[{size - 1}] == {last}")
    return " and ".join(terms)


def _check_windivert(packet: bytes) -> None:
    parsed = parse(packet)
    if not parsed.headers:
        with pytest.raises(oracle.OracleError):
            oracle.evaluate("true", packet, _address(packet))
    else:
        questions = _questions(packet, parsed)
        assert oracle.evaluate(questions, packet, _address(packet)), (questions, packet.hex())
    # The hash is 0 for what is no packet or cut, and for nothing else.
    is_hashed = parsed.headers != 0 and not parsed.state & TRUNCATED
    assert (oracle.hash(packet, 12345) != 0) == is_hashed, packet.hex()


def test_windivert_finds_the_same(rng: Random, pairs: int) -> None:
    for _ in range(pairs // 20):
        _check_windivert(random_packet(rng, 100))


@settings(max_examples=200, deadline=None)
@given(packet_strategy())
def test_windivert_finds_the_same_shrinking(packet: bytes) -> None:
    _check_windivert(packet)


# ---- the same in the descriptors ----------------------------------------------------


def test_the_descriptors_say_what_was_parsed(rng: Random) -> None:
    packets = [random_packet(rng) for _ in range(2000)]
    headers = fd.Batch.from_packets(packets).headers
    for packet, header in zip(packets, headers, strict=True):
        parsed = parse(packet)
        has_transport = parsed.headers & (TCP | UDP | ICMP | ICMPV6)
        expected = {
            "length": parsed.ip_length if parsed.headers else len(packet),
            "captured": len(packet),
            "l4_offset": min(parsed.l4_offset, 0xFFFF) if has_transport else 0,
            "payload_offset": min(parsed.payload_offset, 0xFFFF),
            "source_port": parsed.source_port,
            "destination_port": parsed.destination_port,
            "protocol": parsed.protocol,
            "tcp_flags": parsed.tcp_flags,
        }
        assert {name: int(header[name]) for name in expected} == expected, packet.hex()
        flags = fd.HeaderFlag(int(header["flags"]))
        assert bool(flags & fd.HeaderFlag.IPV6) == bool(parsed.headers & IPV6)
        assert bool(flags & fd.HeaderFlag.FRAGMENT) == bool(parsed.state & FRAGMENT)
        assert bool(flags & fd.HeaderFlag.TRUNCATED) == bool(parsed.state & TRUNCATED)
        assert bool(flags & fd.HeaderFlag.MALFORMED) == (parsed.headers == 0)


def test_payload_views(rng: Random) -> None:
    packets = [random_packet(rng, 100) for _ in range(500)]
    batch = fd.Batch.from_packets(packets)
    for row, packet in enumerate(packets):
        parsed = parse(packet)
        end = parsed.payload_offset + parsed.payload_length
        assert batch.payload(row).tobytes() == packet[parsed.payload_offset : end]
        assert batch[row].raw.tobytes() == packet


def test_extended_packets_end_at_their_ip_length() -> None:
    udp = bytes.fromhex("4500001e000100004011000001020304050607080035003500080000") + b"ab"
    extended = udp + b"cdef"
    assert parse(extended).state == EXTENDED
    batch = fd.Batch.from_packets([udp, extended])
    assert batch["udp.PayloadLength"].tolist() == [2, 2]
    assert batch["udp.Payload[-1]"].tolist() == [ord("b")] * 2
    assert batch["packet[-1]"].tolist() == [ord("b"), ord("f")]
    assert np.array_equal(batch.match("length == 30"), [True, False])
