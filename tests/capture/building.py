# SPDX-License-Identifier: MIT
"""Packets and capture files, built byte by byte: no code of the reader or writer."""

from __future__ import annotations

import struct
from collections.abc import Sequence

TCP_SYN = bytes.fromhex("c35001bb000000010000000050022000") + bytes(4)
UDP = struct.pack(">HHHH", 5353, 53, 12, 0) + b"ping"

IPV4 = (
    struct.pack(">BBHHHBBH", 0x45, 0, 40, 1, 0x4000, 64, 6, 0)
    + bytes((192, 0, 2, 1, 192, 0, 2, 2))
    + TCP_SYN
)
IPV6 = (
    struct.pack(">IHBB", 0x60000000, len(UDP), 17, 64) + bytes(range(16)) + bytes(range(16)) + UDP
)
ARP = bytes.fromhex("0001080006040001") + bytes(20)
MACS = bytes(range(12))

#: What each link type puts before an IPv4 and an IPv6 packet.
LINK_HEADERS: dict[int, tuple[bytes, bytes]] = {
    0: (struct.pack("<I", 2), struct.pack("<I", 30)),
    1: (MACS + b"\x08\x00", MACS + b"\x86\xdd"),
    12: (b"", b""),
    14: (b"", b""),
    101: (b"", b""),
    108: (struct.pack(">I", 2), struct.pack(">I", 24)),
    113: (b"\0\4\0\1\0\6" + bytes(8) + b"\x08\x00", b"\0\0\0\1\0\6" + bytes(8) + b"\x86\xdd"),
    228: (b"", b""),
    229: (b"", b""),
    276: (
        b"\x08\x00\0\0" + struct.pack(">IHBB", 3, 1, 4, 6) + bytes(8),
        b"\x86\xdd\0\0" + struct.pack(">IHBB", 3, 1, 0, 6) + bytes(8),
    ),
}


def ethernet(packet: bytes, ethertype: int, *tags: int) -> bytes:
    """An Ethernet frame; each tag is the EtherType of a VLAN tag, the outermost first."""
    frame = MACS
    for tag in tags:
        frame += struct.pack(">HH", tag, 100)
    return frame + struct.pack(">H", ethertype) + packet


def pcap_header(link_type: int = 1, order: str = "<", nanosecond: bool = False) -> bytes:
    magic = 0xA1B23C4D if nanosecond else 0xA1B2C3D4
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)


def pcap_record(
    frame: bytes,
    order: str = "<",
    *,
    seconds: int = 1_700_000_000,
    fraction: int = 0,
    length: int | None = None,
) -> bytes:
    wire = len(frame) if length is None else length
    return struct.pack(order + "IIII", seconds, fraction, len(frame), wire) + frame


def pcap(frames: Sequence[bytes], link_type: int = 1, order: str = "<") -> bytes:
    return pcap_header(link_type, order) + b"".join(pcap_record(f, order) for f in frames)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(
    link_type: int = 1, order: str = "<", *, options: bytes = b"", snaplen: int = 0
) -> bytes:
    return block(1, struct.pack(order + "HHI", link_type, 0, snaplen) + options, order)


def clock(resolution: int, offset: int = 0, order: str = "<") -> bytes:
    return option(9, bytes((resolution,)), order) + option(
        14, struct.pack(order + "q", offset), order
    )


def enhanced(
    frame: bytes,
    order: str = "<",
    *,
    interface: int = 0,
    ticks: int = 0,
    options: bytes = b"",
    length: int | None = None,
) -> bytes:
    wire = len(frame) if length is None else length
    head = struct.pack(
        order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), wire
    )
    return block(6, head + frame + bytes(-len(frame) % 4) + options, order)


def obsolete(frame: bytes, order: str = "<", *, interface: int = 0, ticks: int = 0) -> bytes:
    head = struct.pack(
        order + "HHIIII", interface, 9, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)
    )
    return block(2, head + frame, order)


def simple(frame: bytes, order: str = "<", *, length: int | None = None) -> bytes:
    wire = len(frame) if length is None else length
    return block(3, struct.pack(order + "I", wire) + frame, order)
