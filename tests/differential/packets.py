# SPDX-License-Identifier: MIT
"""Random IP packets, good and bad, from a seeded ``random.Random``.

Addresses, ports and payload bytes come from small pools often enough that a
filter with constants of one packet matches others too. About a third of the
packets is then damaged: cut, extended, given lengths that lie, or noise.
"""

from __future__ import annotations

import struct
from random import Random
from typing import Final

from hypothesis import strategies as st

from tests.differential.rules import with_checksums

_ADDRESSES4: Final = [
    bytes(map(int, text.split(".")))
    for text in ("0.0.0.0", "10.0.0.1", "10.0.0.2", "127.0.0.1", "224.0.0.251", "255.255.255.255")
]
_ADDRESSES6: Final = [
    bytes(16),
    bytes(15) + b"\1",
    bytes.fromhex("20010db8000000000000000000000001"),
    bytes.fromhex("20010db80000000000000000ffffffff"),
    bytes.fromhex("00000000000000000000ffff0a000001"),
    bytes.fromhex("ff0200000000000000000000000000fb"),
    b"\xff" * 16,
]
_PORTS: Final = (0, 1, 53, 80, 443, 0x7FFF, 0x8000, 65535)
_PAYLOAD_LENGTHS: Final = (0, 0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 31)
_HOP_BY_HOP, _TCP, _UDP, _ICMP, _ICMPV6 = 0, 6, 17, 1, 58
_ROUTING, _FRAGMENT, _ESP, _AH, _NONE, _DESTINATION, _MOBILITY = 43, 44, 50, 51, 59, 60, 135
_EXTENSIONS: Final = (_HOP_BY_HOP, _ROUTING, _DESTINATION, _AH, _MOBILITY, _FRAGMENT)


def random_packet(rng: Random, payload_max: int = 1400) -> bytes:
    """A packet from its first IP byte; perhaps none, perhaps empty."""
    kind = rng.random()
    if kind < 0.01:
        return b""
    if kind < 0.03:
        return rng.randbytes(rng.randrange(100))
    packet = sound_packet(rng, payload_max)
    return packet if kind < 0.68 else _damaged(rng, packet)


def sound_packet(rng: Random, payload_max: int = 1400) -> bytes:
    """A packet whose lengths are true, fragments and extension headers included."""
    version6 = rng.random() < 0.45
    protocol = rng.choice((_TCP, _TCP, _TCP, _UDP, _UDP, _UDP, _ICMP, _ICMPV6, _ESP, _NONE, 255))
    if protocol in (_ICMP, _ICMPV6) and rng.random() < 0.9:
        protocol = _ICMPV6 if version6 else _ICMP
    body = _transport(rng, protocol, _payload(rng, payload_max))
    packet = _ipv6(rng, protocol, body) if version6 else _ipv4(rng, protocol, body)
    return with_checksums(packet) if rng.random() < 0.7 else packet


def packet_strategy(payload_max: int = 40) -> st.SearchStrategy[bytes]:
    """The same packets for hypothesis, which makes a failing one small."""
    return st.randoms(use_true_random=False).map(lambda rng: random_packet(rng, payload_max))


def _payload(rng: Random, most: int) -> bytes:
    length = rng.choice(_PAYLOAD_LENGTHS)
    if most > 100 and rng.random() < 0.05:
        length = rng.randint(100, most)
    kind = rng.random()
    if kind < 0.2:
        return bytes(length)
    if kind < 0.3:
        return b"\xff" * length
    if kind < 0.6:
        return (b"GET / HTTP/1.1\r\n\r\n" * (length // 18 + 1))[:length]
    return rng.randbytes(length)


def _transport(rng: Random, protocol: int, payload: bytes) -> bytes:
    if protocol == _TCP:
        options = rng.choice((0, 0, 0, 1, 3, 5, 10))
        numbers = rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, rng.getrandbits(32)))
        head = struct.pack(
            "!HHIIBBHHH",
            _port(rng),
            _port(rng),
            numbers,
            rng.getrandbits(32),
            5 + options << 4 | rng.choice((0, 0, 1, 15)),
            rng.choice((0x02, 0x10, 0x12, 0x18, 0x11, 0x04, rng.randrange(256))),
            rng.choice((0, 512, 65535)),
            rng.getrandbits(16),
            rng.choice((0, 0, rng.getrandbits(16))),
        )
        return head + rng.randbytes(4 * options) + payload
    if protocol == _UDP:
        length = 8 + len(payload) if rng.random() < 0.9 else rng.getrandbits(16)
        checksum = rng.choice((0, rng.getrandbits(16)))
        return struct.pack("!HHHH", _port(rng), _port(rng), length, checksum) + payload
    if protocol in (_ICMP, _ICMPV6):
        kind = rng.choice((0, 3, 8, 11, 128, 129, 135, rng.randrange(256)))
        body = rng.choice((0, 1, rng.getrandbits(32)))
        head = struct.pack("!BBHI", kind, rng.choice((0, 0, 3, 255)), rng.getrandbits(16), body)
        return head + payload
    return payload


def _port(rng: Random) -> int:
    return rng.choice(_PORTS) if rng.random() < 0.8 else rng.getrandbits(16)


def _fragment(rng: Random) -> tuple[int, int]:
    """(more fragments, offset) of a first, a middle or a last fragment."""
    offset = rng.choice((1, 185, 0x1FFF, rng.randint(1, 0x1FFF)))
    return rng.choice(((1, 0), (1, offset), (0, offset)))


def _ipv4(rng: Random, protocol: int, body: bytes) -> bytes:
    options = rng.choice((0, 0, 0, 0, 1, 2, 10))
    more, offset = _fragment(rng) if rng.random() < 0.12 else (0, 0)
    flags = rng.choice((0, 2, 2, 2, 4, 6)) | more
    head = struct.pack(
        "!BBHHHBBH",
        0x45 + options,
        rng.choice((0, 0, 0x10, 0xB8, rng.randrange(256))),
        20 + 4 * options + len(body),
        rng.choice((0, 1, rng.getrandbits(16))),
        flags << 13 | offset,
        rng.choice((0, 1, 64, 64, 128, 255)),
        protocol,
        rng.getrandbits(16),
    )
    addresses = _address(rng, _ADDRESSES4, 4) + _address(rng, _ADDRESSES4, 4)
    return head + addresses + rng.randbytes(4 * options) + body


def _ipv6(rng: Random, protocol: int, body: bytes) -> bytes:
    chain = b""
    next_header = protocol
    if rng.random() < 0.5:
        # From the last one to the first, because each names the next.
        for _ in range(rng.choice((1, 1, 2, 3, 6))):
            kind = rng.choice(_EXTENSIONS)
            chain = _extension(rng, kind, next_header) + chain
            next_header = kind
    head = struct.pack(
        "!IHBB",
        6 << 28 | rng.choice((0, 0, 0x2E, 0xFF, rng.randrange(256))) << 20 | _label(rng),
        len(chain) + len(body),
        next_header,
        rng.choice((0, 1, 64, 64, 255)),
    )
    addresses = _address(rng, _ADDRESSES6, 16) + _address(rng, _ADDRESSES6, 16)
    return head + addresses + chain + body


def _label(rng: Random) -> int:
    return rng.choice((0, 0, 1, 0xFFFFF, rng.getrandbits(20)))


def _extension(rng: Random, kind: int, next_header: int) -> bytes:
    if kind == _FRAGMENT:
        more, offset = _fragment(rng) if rng.random() < 0.7 else (0, 0)
        word = offset << 3 | rng.choice((0, 0, 2, 6)) | more
        return struct.pack("!BBHI", next_header, rng.randrange(256), word, rng.getrandbits(32))
    units = rng.choice((0, 0, 1, 2, 5))
    if kind == _AH:
        size = 4 * (units + 2)
    else:
        size = 8 * (units + 1)
    if rng.random() < 0.04:
        units = rng.choice((3, 17, 255))  # it lies
    return bytes((next_header, units)) + rng.randbytes(size - 2)


def _address(rng: Random, pool: list[bytes], size: int) -> bytes:
    return rng.choice(pool) if rng.random() < 0.85 else rng.randbytes(size)


def _damaged(rng: Random, packet: bytes) -> bytes:
    out = bytearray(packet)
    kind = rng.randrange(9)
    if kind < 2:
        return packet[: rng.randint(0, len(packet))]
    if kind == 2:
        return packet + rng.choice((bytes(1), rng.randbytes(rng.randint(1, 40))))
    if kind == 3:
        _lie_about_length(rng, out)
    elif kind == 4 and out[0] >> 4 == 4:
        out[0] = 0x40 | rng.randrange(16)
    elif kind == 5:
        out[0] = rng.choice((0x00, 0x50, 0xF0, 0x45, 0x60))
    elif kind == 6:
        # Somewhere in the headers: the next header, an extension's length, the
        # TCP data offset ...
        for _ in range(rng.choice((1, 1, 2, 5))):
            out[rng.randrange(min(len(out), 80))] = rng.choice(
                (0, 6, 17, 44, 255, rng.randrange(256))
            )
    elif kind == 7:
        _lie_about_data_offset(rng, out)
    else:
        return with_checksums(_cut_truly(rng, out))
    return bytes(out)


def _lie_about_length(rng: Random, out: bytearray) -> None:
    at = 2 if out[0] >> 4 == 4 else 4
    (length,) = struct.unpack_from("!H", out, at)
    lies = (0, 1, 19, 20, 65535, length + rng.randint(-24, 24), length - rng.choice((1, 2, 8)))
    struct.pack_into("!H", out, at, max(0, min(65535, rng.choice(lies))))


def _lie_about_data_offset(rng: Random, out: bytearray) -> None:
    at = (out[0] & 15) * 4 if out[0] >> 4 == 4 else 40
    if len(out) > at + 12:
        out[at + 12] = rng.randrange(16) << 4


def _cut_truly(rng: Random, out: bytearray) -> bytes:
    """Cut in front of, within or behind the transport header, IP length included."""
    head, at = ((out[0] & 15) * 4, 2) if out[0] >> 4 == 4 else (40, 4)
    size = min(len(out), head + rng.randrange(0, 30))
    struct.pack_into("!H", out, at, size if at == 2 else size - 40)
    return bytes(out[:size])
