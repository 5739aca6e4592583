# SPDX-License-Identifier: MIT
"""``batch[name]`` and ``batch.has(name)``: by RFC layout in plain Python, and by WinDivert."""

from __future__ import annotations

import struct
from collections import Counter
from random import Random

import numpy as np
import pytest

import fastdivert as fd
from fastdivert.filter.fields import FIELDS, Field, Source, Style
from fastdivert.filter.notation import constant_text
from tests import oracle
from tests.differential.addresses import random_addresses
from tests.differential.packets import random_packet
from tests.differential.rules import (
    FRAGMENT,
    ICMP,
    ICMPV6,
    IP,
    IPV6,
    LAYOUT,
    TCP,
    TRUNCATED,
    UDP,
    header_field,
    parse,
)

_OUTBOUND, _LOOPBACK, _IMPOSTOR = 2, 4, 8
_INDEXES = (0, 1, 7, 19, 20, 39, 41, 100, 65531, -4, -5, -8, -20, -41, -65535)


def expected_value(name: str, packet: bytes, address: np.void) -> int | None:
    """The field of a packet by the manual; None if the packet does not have it."""
    parsed = parse(packet)
    if not parsed.headers:
        return None
    if name in LAYOUT:
        return header_field(packet, parsed, name)
    outbound = bool(address["Flags"] & _OUTBOUND)
    if name.startswith(("local", "remote")):
        is_source = outbound == name.startswith("local")
        if name.endswith("Port"):
            if parsed.headers & (ICMP | ICMPV6):
                return packet[parsed.l4_offset] if is_source else 0
            return parsed.source_port if is_source else parsed.destination_port
        end = "SrcAddr" if is_source else "DstAddr"
        if parsed.headers & IP:
            return 0xFFFF << 32 | (header_field(packet, parsed, f"ip.{end}") or 0)
        return header_field(packet, parsed, f"ipv6.{end}")
    if name.endswith("PayloadLength"):
        return parsed.payload_length if parsed.headers & _transport(name) else None
    return {
        "zero": 0,
        "inbound": int(not outbound),
        "outbound": int(outbound),
        "loopback": int(bool(address["Flags"] & _LOOPBACK)),
        "impostor": int(bool(address["Flags"] & _IMPOSTOR)),
        "ifIdx": int(address["Network"]["IfIdx"]),
        "subIfIdx": int(address["Network"]["SubIfIdx"]),
        "ip": int(parsed.headers & IP != 0),
        "ipv6": int(parsed.headers & IPV6 != 0),
        "icmp": int(parsed.headers & ICMP != 0),
        "icmpv6": int(parsed.headers & ICMPV6 != 0),
        "tcp": int(parsed.headers & TCP != 0),
        "udp": int(parsed.headers & UDP != 0),
        "protocol": parsed.protocol,
        "fragment": int(parsed.state & FRAGMENT != 0),
        "length": len(packet),
        "timestamp": int(address["Timestamp"]),
        "event": int(address["Event"]),
        **_random_numbers(packet, int(address["Timestamp"])),
    }[name]


def _random_numbers(packet: bytes, timestamp: int) -> dict[str, int]:
    """Bits of the packet's hash with its timestamp as the seed."""
    hashed = oracle.hash(packet, timestamp & 0xFFFFFFFFFFFFFFFF)
    return {
        "random8": hashed >> 48 & 0xFF,
        "random16": hashed >> 32 & 0xFFFF,
        "random32": hashed & 0xFFFFFFFF,
    }


def _transport(name: str) -> int:
    return TCP if name.startswith("tcp") else UDP


def expected_element(field: Field, index: int, packet: bytes) -> int | None:
    parsed = parse(packet)
    if not parsed.headers:
        return None
    data = packet
    if field.source is Source.PAYLOAD:
        if not parsed.headers & _transport(field.name):
            return None
        data = packet[parsed.payload_offset : parsed.payload_offset + parsed.payload_length]
    at = index if index >= 0 else len(data) + index
    if at < 0 or at + field.width > len(data):
        return None
    return int.from_bytes(data[at : at + field.width], "big")


def _as_int(value: np.generic | np.ndarray) -> int:
    return int.from_bytes(value.tobytes(), "big") if value.ndim else int(value)


def _random_batch(rng: Random, count: int) -> tuple[fd.Batch, list[bytes], np.ndarray]:
    packets = [random_packet(rng, 200) for _ in range(count)]
    addresses = random_addresses(rng, packets)
    return fd.Batch.from_packets(packets, addresses), packets, addresses


_NETWORK_FIELDS = [field for field in FIELDS if field.exists_at(fd.Layer.NETWORK)]
_PLAIN = [field.name for field in _NETWORK_FIELDS if not field.indexed]
_INDEXED = [field for field in _NETWORK_FIELDS if field.indexed]


@pytest.mark.parametrize("name", _PLAIN)
def test_a_column_and_its_presence(name: str, rng: Random, tally: Counter[str]) -> None:
    batch, packets, addresses = _random_batch(rng, 600)
    column, has = batch[name], batch.has(name)
    seen = 0
    for row, (packet, address) in enumerate(zip(packets, addresses, strict=True)):
        parsed = parse(packet)
        if not parsed.headers or (name.startswith("random") and parsed.state & TRUNCATED):
            continue  # the reference has no hash of a cut packet, only filters on it
        expected = expected_value(name, packet, address)
        assert bool(has[row]) == (expected is not None), packet.hex()
        assert _as_int(column[row]) == (expected or 0), packet.hex()
        one = batch[row][name]
        one = int.from_bytes(one, "big") if isinstance(one, bytes) else one
        assert one == expected, packet.hex()
        seen += expected is not None
    assert seen > 10
    tally["values of columns"] += seen


@pytest.mark.parametrize("field", _INDEXED, ids=lambda field: field.name)
def test_elements_of_packets_and_payloads(field: Field, rng: Random) -> None:
    batch, packets, _ = _random_batch(rng, 300)
    seen = 0
    for index in _INDEXES:
        name = f"{field.name}[{index}b]"
        column, has = batch[name], batch.has(name)
        for row, packet in enumerate(packets):
            expected = expected_element(field, index, packet)
            assert bool(has[row]) == (expected is not None), (name, packet.hex())
            assert int(column[row]) == (expected or 0), (name, packet.hex())
            seen += expected is not None
    assert seen > 100


def test_the_table_of_parse_has_the_same_columns(rng: Random) -> None:
    batch, _, _ = _random_batch(rng, 500)
    table = batch.parse()
    for name in _PLAIN:
        if name in table.dtype.names and name not in (fd.PARSED_DTYPE.names or ()):
            assert np.array_equal(table[name], batch[name]), name
    some = batch.parse(["tcp.DstPort", "packet16[2b]", "ipv6.SrcAddr"])
    for name in ("tcp.DstPort", "packet16[2b]", "ipv6.SrcAddr"):
        assert np.array_equal(some[name], batch[name]), name


def test_windivert_finds_our_values_equal(rng: Random, pairs: int, tally: Counter[str]) -> None:
    """One filter for each packet: ``field == value`` for every field that it has.

    A second one for those that it does not have: no comparison holds.
    """
    fields = [field for field in _NETWORK_FIELDS if field.name not in ("zero", "ipv6.FlowLabel")]
    for _ in range(pairs // 20_000 + 1):
        batch, packets, addresses = _random_batch(rng, 200)
        is_packet = batch.parse(())["headers"] != 0
        values: list[list[str]] = [[] for _ in packets]
        missing: list[list[str]] = [[] for _ in packets]
        for field in fields:
            name = field.name
            if field.indexed:
                name += f"[{rng.choice((0, 1, 13, 33, -4, -9))}b]"
            column, has = batch[name], batch.has(name)
            for row in range(len(batch)):
                if not has[row]:
                    one = "0.0.0.1" if field.style is Style.IPV4 else "1"
                    missing[row].append(f"{name} = {one} or {name} != {one}")
                    continue
                if name == "length" and column[row] < 20:
                    continue
                value = _as_int(column[row]) | (0xFFFF << 32) * (field.style is Style.IPV4)
                values[row].append(f"{name} = {constant_text(field, value, batch.layer)}")
        for row in np.flatnonzero(is_packet):
            where = packets[row].hex()
            address = addresses[row].tobytes()
            for text in values[row]:
                assert oracle.evaluate(text, packets[row], address), (text, where)
            assert oracle.evaluate(" and ".join(values[row]), packets[row], address), where
            assert not oracle.evaluate(" or ".join(missing[row]), packets[row], address), where
            tally["values of columns"] += len(values[row])


# ---- events ---------------------------------------------------------------------------


_SOCKET_AT = {
    "endpointId": ("=Q", 16),
    "parentEndpointId": ("=Q", 24),
    "processId": ("=I", 32),
    "localPort": ("=H", 68),
    "remotePort": ("=H", 70),
    "protocol": ("=B", 72),
}
_REFLECT_AT = {"processId": ("=I", 24), "layer": ("=I", 28), "priority": ("=h", 40)}


def _event_value(name: str, layer: fd.Layer, data: bytes) -> int:
    (timestamp,) = struct.unpack_from("=q", data)
    flags = data[10]
    simple = {
        "zero": 0,
        "timestamp": timestamp,
        "event": data[9],
        "inbound": int(not flags & _OUTBOUND),
        "outbound": int(flags & _OUTBOUND != 0),
        "loopback": int(flags & _LOOPBACK != 0),
    }
    if name in simple:
        return simple[name]
    if layer == fd.Layer.REFLECT:
        return int(struct.unpack_from(_REFLECT_AT[name][0], data, _REFLECT_AT[name][1])[0])
    if name in _SOCKET_AT:
        return int(struct.unpack_from(_SOCKET_AT[name][0], data, _SOCKET_AT[name][1])[0])
    if name in ("localAddr", "remoteAddr"):
        words = struct.unpack_from("=4I", data, 36 if name == "localAddr" else 52)
        return sum(word << 32 * place for place, word in enumerate(words))
    is_ipv6, protocol = bool(flags & 1 << 4), data[72]
    return int(
        {
            "ip": not is_ipv6,
            "ipv6": is_ipv6,
            "tcp": protocol == 6,
            "udp": protocol == 17,
            "icmp": protocol == 1 and not is_ipv6,
            "icmpv6": protocol == 58 and is_ipv6,
        }[name]
    )


@pytest.mark.parametrize(
    "layer", [fd.Layer.FLOW, fd.Layer.SOCKET, fd.Layer.REFLECT], ids=lambda layer: layer.name
)
def test_columns_of_events(layer: fd.Layer, rng: Random) -> None:
    addresses = random_addresses(rng, [b""] * 300, layer)
    batch = fd.Batch.from_packets([b""] * 300, addresses)
    for field in FIELDS:
        if not field.exists_at(layer):
            continue
        column = batch[field.name]
        assert batch.has(field.name).all()
        for row, address in enumerate(addresses):
            expected = _event_value(field.name, layer, address.tobytes())
            assert _as_int(column[row]) == expected, (field.name, address)
            if field.name in ("zero", "ip", "ipv6"):
                continue
            text = f"{field.name} = {constant_text(field, expected, layer)}"
            assert oracle.evaluate(text, None, address.tobytes()), (text, address)


# ---- no packet at all -------------------------------------------------------------------


@pytest.mark.parametrize("name", _PLAIN)
def test_a_missing_field_reads_as_zero(name: str, rng: Random) -> None:
    batch, packets, _ = _random_batch(rng, 500)
    has, column = batch.has(name), batch[name]
    for row in np.flatnonzero(~has):
        assert _as_int(column[row]) == 0, packets[row].hex()
        assert batch[int(row)][name] is None
