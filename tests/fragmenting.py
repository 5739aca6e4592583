# SPDX-License-Identifier: MIT
"""Packets cut into fragments, in a few lines of Python."""

from __future__ import annotations

import struct

_FRAGMENT = 44


def cut(packet: bytes, size: int, identification: int = 7) -> list[bytes]:
    """Fragments of at most size bytes of data each (a multiple of 8); IPv6 without extensions."""
    header_length = (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40
    header, data = packet[:header_length], packet[header_length:]
    parts = [(at, data[at : at + size]) for at in range(0, max(len(data), 1), size)]
    return [
        _fragment(header, part, at, at + len(part) < len(data), identification)
        for at, part in parts
    ]


def _fragment(header: bytes, part: bytes, offset: int, more: bool, identification: int) -> bytes:
    if header[0] >> 4 == 6:
        extra = struct.pack("!BBHI", header[6], 0, offset | more, identification)
        length = struct.pack("!H", 8 + len(part))
        return header[:4] + length + bytes([_FRAGMENT]) + header[7:] + extra + part
    where = struct.pack("!HHH", len(header) + len(part), identification, more << 13 | offset // 8)
    return header[:2] + where + header[8:] + part
