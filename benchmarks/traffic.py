"""The packets that everybody is measured on: made up, deterministic, valid.

A traffic is a list of IP packets of one size, TCP, UDP and ICMP over IPv4 and
IPv6 in a mix, with the truth about each beside it, so that every contestant's
answer can be checked against what was put in and not against another's.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58

#: (version, protocol, share in percent)
MIXED = ((4, TCP, 60), (4, UDP, 20), (6, TCP, 8), (6, UDP, 4), (4, ICMP, 5), (6, ICMPV6, 3))
IPV4 = ((4, TCP, 75), (4, UDP, 25))

#: Destination ports and their share; the rest are above 10000.
_SERVICES = ((443, 25), (80, 8), (53, 5), (22, 2))

#: What was put into each packet; 0 where it has no such field.
TRUTH_DTYPE = np.dtype(
    [
        ("version", np.uint8),
        ("protocol", np.uint8),
        ("ttl", np.uint8),
        ("tcp_flags", np.uint8),
        ("icmp_type", np.uint8),
        ("source_port", np.uint16),
        ("destination_port", np.uint16),
        ("length", np.uint32),
        ("source", np.uint32),
        ("destination", np.uint32),
    ]
)

_ALIGN = 64  # as in the ring: the C loops get the layout that fastdivert has
_ETHERNET = bytes.fromhex("020000000002 020000000001")


@dataclass(frozen=True)
class Traffic:
    """Packets, each from its first IP byte, and the truth about them."""

    packets: list[bytes]
    truth: npt.NDArray[np.void]

    def __len__(self) -> int:
        return len(self.packets)

    def first(self, count: int) -> Traffic:
        """The beginning of it, for contestants that would take all day."""
        return Traffic(self.packets[:count], self.truth[:count])

    @cached_property
    def lengths(self) -> npt.NDArray[np.uint32]:
        return np.array([len(packet) for packet in self.packets], np.uint32)

    @cached_property
    def offsets(self) -> npt.NDArray[np.uint32]:
        """Where each packet lies in ``arena``."""
        sizes = -(-self.lengths.astype(np.int64) // _ALIGN) * _ALIGN
        return np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.uint32)

    def arena(self) -> npt.NDArray[np.uint8]:
        """A new copy of all packets in one piece, each at a 64-byte boundary."""
        size = int(self.offsets[-1]) + -(-int(self.lengths[-1]) // _ALIGN) * _ALIGN
        block = np.zeros(size + _ALIGN, np.uint8)
        arena = block[-block.ctypes.data % _ALIGN :][:size]
        for offset, packet in zip(self.offsets.tolist(), self.packets, strict=True):
            arena[offset : offset + len(packet)] = np.frombuffer(packet, np.uint8)
        return arena

    def matrix(self) -> npt.NDArray[np.uint8]:
        """A new copy as a matrix, one packet a row: what numpy alone would want."""
        return np.frombuffer(b"".join(self.packets), np.uint8).reshape(len(self), -1).copy()


@lru_cache(maxsize=16)
def traffic(size: int, count: int, mix: tuple[tuple[int, int, int], ...] = MIXED) -> Traffic:
    """count IP packets of size bytes; the same ones every time."""
    return _make([size] * count, mix)


@lru_cache(maxsize=2)
def mixed_sizes(count: int) -> Traffic:
    """Packets of 64, 512 and 1500 bytes, as many of each."""
    chance = random.Random(3)
    return _make([chance.choice((64, 512, 1500)) for _ in range(count)], MIXED)


def write_capture(path: Path, packets: list[bytes]) -> None:
    """A pcap file: little-endian, microseconds, Ethernet, a packet each 10 us."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, packet in enumerate(packets):
            seconds, micros = divmod(number * 10, 1_000_000)
            kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
            frame = _ETHERNET + kind + packet
            length = len(frame)
            file.write(struct.pack("<IIII", 1_700_000_000 + seconds, micros, length, length))
            file.write(frame)


def _make(sizes: list[int], mix: tuple[tuple[int, int, int], ...]) -> Traffic:
    chance = random.Random(len(sizes) * 65536 + sizes[0])
    truth = np.zeros(len(sizes), TRUTH_DTYPE)
    kinds = chance.choices([kind[:2] for kind in mix], [kind[2] for kind in mix], k=len(sizes))
    filler = chance.randbytes(65536)
    packets = []
    for row, (size, (version, protocol)) in enumerate(zip(sizes, kinds, strict=True)):
        ip_header = 20 if version == 4 else 40
        at = chance.randrange(65536 - size)
        l4, facts = _transport(chance, protocol, filler[at : at + size - ip_header])
        ttl = chance.choice((30, 55, 64, 64, 128, 255))
        source, destination = chance.randrange(1 << 24), chance.randrange(1, 200)
        make = _ipv4 if version == 4 else _ipv6
        packets.append(make(protocol, ttl, source, destination, l4))
        truth[row]["version"], truth[row]["protocol"], truth[row]["ttl"] = version, protocol, ttl
        truth[row]["length"] = size
        if version == 4:
            truth[row]["source"] = 0xC0000000 | source
            truth[row]["destination"] = 0x0A000000 | destination
        for name, value in facts.items():
            truth[row][name] = value
    return Traffic(packets, truth)


def _transport(
    chance: random.Random, protocol: int, filler: bytes
) -> tuple[bytearray, dict[str, int]]:
    """Header and payload in len(filler) bytes, the checksum still zero."""
    if protocol in (ICMP, ICMPV6):
        kind = chance.choice((8, 0) if protocol == ICMP else (128, 129))
        head = struct.pack("!BBHHH", kind, 0, 0, 1, chance.randrange(65536))
        return bytearray(head + filler[8:]), {"icmp_type": kind}
    ports = [port for port, _ in _SERVICES]
    shares = [share for _, share in _SERVICES]
    draw = chance.randrange(100)
    server = (
        chance.choices(ports, shares)[0] if draw < sum(shares) else chance.randrange(10000, 60000)
    )
    client = chance.randrange(32768, 61000)
    facts = {"source_port": client, "destination_port": server}
    if protocol == UDP:
        head = struct.pack("!HHHH", client, server, len(filler), 0)
        return bytearray(head + filler[8:]), facts
    flags = chance.choice((0x10, 0x10, 0x10, 0x18, 0x18, 0x11, 0x12, 0x02))
    numbers = chance.randrange(1 << 32), chance.randrange(1 << 32)
    head = struct.pack("!HHIIBBHHH", client, server, *numbers, 0x50, flags, 502, 0, 0)
    return bytearray(head + filler[20:]), {**facts, "tcp_flags": flags}


def _ipv4(protocol: int, ttl: int, source: int, destination: int, l4: bytearray) -> bytes:
    addresses = struct.pack("!II", 0xC0000000 | source, 0x0A000000 | destination)
    if protocol == ICMP:
        _finish(l4, 2, 0)
    else:
        _finish(l4, _CHECKSUM_AT[protocol], _sum(addresses) + protocol + len(l4), protocol == UDP)
    header = bytearray(
        struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(l4), source & 0xFFFF, 0x4000, ttl, protocol, 0)
        + addresses
    )
    _finish(header, 10, 0)
    return bytes(header + l4)


def _ipv6(protocol: int, ttl: int, source: int, destination: int, l4: bytearray) -> bytes:
    addresses = struct.pack(
        "!HHIII HHIII", 0x2001, 0xDB8, 1, 0, source, 0x2001, 0xDB8, 2, 0, destination
    )
    _finish(l4, _CHECKSUM_AT[protocol], _sum(addresses) + protocol + len(l4), protocol == UDP)
    return struct.pack("!IHBB", 6 << 28, len(l4), protocol, ttl) + addresses + bytes(l4)


_CHECKSUM_AT = {TCP: 16, UDP: 6, ICMPV6: 2}


def _sum(data: bytes | bytearray) -> int:
    padded = bytes(data) + b"\0" * (len(data) % 2)
    return int(np.frombuffer(padded, ">u2").sum(dtype=np.int64))


def _finish(data: bytearray, at: int, more: int, udp: bool = False) -> None:
    """Writes the checksum (RFC 1071) into data, whose field is still zero.

    For UDP alone zero means that there is none, and is written as all ones.
    """
    total = _sum(data) + more
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    checksum = ~total & 0xFFFF
    data[at : at + 2] = struct.pack("!H", 0xFFFF if udp and checksum == 0 else checksum)
