#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes, from the recorded captures, the forms that a Linux host does not write:
big-endian files, BSD null and OpenBSD loop, raw IP, and the rarer pcapng blocks.
It reads and writes the formats by itself, so it is no copy of the code under test.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MAGIC = {"us": 0xA1B2C3D4, "ns": 0xA1B23C4D}


@dataclass
class Frame:
    seconds: int
    fraction: int
    length: int
    data: bytes


def read(path: Path) -> list[Frame]:
    """The frames of a little-endian pcap file."""
    data = path.read_bytes()
    assert struct.unpack_from("<I", data)[0] in MAGIC.values(), path
    frames, at = [], 24
    while at < len(data):
        seconds, fraction, captured, length = struct.unpack_from("<IIII", data, at)
        frames.append(Frame(seconds, fraction, length, data[at + 16 : at + 16 + captured]))
        at += 16 + captured
    return frames


def write(path: Path, frames: list[Frame], link_type: int, unit: str, order: str) -> None:
    """A pcap file in either byte order ("<" or ">")."""
    parts = [struct.pack(order + "IHHiIII", MAGIC[unit], 2, 4, 0, 0, 262144, link_type)]
    for frame in frames:
        parts.append(
            struct.pack(
                order + "IIII", frame.seconds, frame.fraction, len(frame.data), frame.length
            )
        )
        parts.append(frame.data)
    path.write_bytes(b"".join(parts))


def instead_of_ethernet(frames: list[Frame], inet: bytes, inet6: bytes) -> list[Frame]:
    """The IP packets among Ethernet frames, behind another header for each version."""
    heads = {b"\x08\x00": inet, b"\x86\xdd": inet6}
    return [
        Frame(f.seconds, f.fraction, f.length - 14 + len(head), head + f.data[14:])
        for f in frames
        if (head := heads.get(f.data[12:14])) is not None
    ]


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, link_type: int, resolution: int, offset: int, name: str) -> bytes:
    options = option(order, 2, name.encode()) + option(order, 9, bytes([resolution]))
    if offset:
        options += option(order, 14, struct.pack(order + "q", offset))
    return block(order, 1, struct.pack(order + "HHI", link_type, 0, 0) + options + bytes(4))


def packet_body(order: str, first: bytes, ticks: int, frame: Frame, options: bytes) -> bytes:
    data = frame.data + bytes(-len(frame.data) % 4)
    lengths = struct.pack(
        order + "IIII", ticks >> 32, ticks & 0xFFFFFFFF, len(frame.data), frame.length
    )
    return first + lengths + data + options


def write_rare_blocks(path: Path, frames: list[Frame]) -> None:
    """Two sections, big- then little-endian; clocks of 2^-20 s and of 10^-10 s, with
    offsets; enhanced (with direction and hash), simple and obsolete packet blocks
    among blocks that a reader does not know."""
    parts = []
    for order, resolution, units, offset in (
        (">", 0x80 | 20, 1 << 20, 1_000_000_000),
        ("<", 10, 10**10, frames[0].seconds),
    ):
        parts += [section(order), interface(order, 1, resolution, offset, f"rare{order}")]
        parts.append(block(order, 0x0BAD, b"not for you"))
        for i, frame in enumerate(frames):
            ticks = (frame.seconds - offset) * units + frame.fraction * units // 10**9
            flags = struct.pack(order + "I", 1 + i % 2)
            options = option(order, 3, b"\x02" + bytes(4)) + option(order, 2, flags) + bytes(4)
            if i % 3 == 0:
                body = packet_body(order, struct.pack(order + "I", 0), ticks, frame, options)
                parts.append(block(order, 6, body))
            elif i % 3 == 1:
                parts.append(block(order, 3, struct.pack(order + "I", frame.length) + frame.data))
            else:
                first = struct.pack(order + "HH", 0, 0xFFFF)
                parts.append(block(order, 2, packet_body(order, first, ticks, frame, b"")))
        parts.append(block(order, 5, struct.pack(order + "III", 0, 0, 0)))
    path.write_bytes(b"".join(parts))


def forget_host(path: Path) -> None:
    """Removes what dumpcap says of the machine from a little-endian pcapng file: every
    option of the section, and of the interfaces all but their name and resolution."""
    data, parts, at = path.read_bytes(), [], 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        body = data[at + 8 : at + size - 4]
        if kind == 0x0A0D0D0A:
            parts.append(section("<"))
        elif kind == 1:
            kept, place = body[:8], 8
            while place < len(body):
                code, length = struct.unpack_from("<HH", body, place)
                place += 4
                if code in (2, 9):
                    kept += option("<", code, body[place : place + length])
                place += length + -length % 4
            parts.append(block("<", kind, kept + bytes(4)))
        elif kind == 6:
            parts.append(data[at : at + size])
        at += size
    path.write_bytes(b"".join(parts))


def main() -> None:
    http, icmp, dns = (read(HERE / f"{name}.pcap") for name in ("http", "icmp", "dns"))
    write(HERE / "http-big-endian.pcap", http, 1, "ns", ">")
    write(HERE / "dns-big-endian.pcap", dns, 1, "us", ">")
    darwin = instead_of_ethernet(icmp, struct.pack(">I", 2), struct.pack(">I", 30))
    write(HERE / "null-big-endian.pcap", darwin, 0, "ns", ">")
    freebsd = instead_of_ethernet(dns, struct.pack("<I", 2), struct.pack("<I", 28))
    write(HERE / "null.pcap", freebsd, 0, "us", "<")
    openbsd = instead_of_ethernet(dns, struct.pack(">I", 2), struct.pack(">I", 24))
    write(HERE / "loop.pcap", openbsd, 108, "us", "<")
    write(HERE / "raw.pcap", instead_of_ethernet(icmp, b"", b""), 101, "ns", "<")
    write_rare_blocks(HERE / "rare-blocks.pcapng", icmp[:12])


if __name__ == "__main__":
    main()
