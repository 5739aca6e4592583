# SPDX-License-Identifier: MIT
"""WinDivert's packet rules and the RFCs' checksums once more, in plain Python.

Written for being checked by eye, not for speed, and without a look at
driver/core or at the field table: a mistake would have to be made twice.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

IP, IPV6, ICMP, ICMPV6, TCP, UDP = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6
FRAGMENT, MORE_FRAGMENTS, TRUNCATED, EXTENDED = 1, 2, 4, 8

_EIGHTS: Final = (0, 43, 60, 135)  # hop-by-hop, routing, destination options, mobility
_AH, _FRAGMENT = 51, 44


@dataclass(frozen=True)
class Parsed:
    """PARSED_DTYPE's fields, by its names."""

    ip_length: int = 0
    l4_offset: int = 0
    payload_offset: int = 0
    payload_length: int = 0
    fragment_offset: int = 0
    headers: int = 0
    state: int = 0
    protocol: int = 0
    tcp_flags: int = 0
    source_port: int = 0
    destination_port: int = 0


def parse(packet: bytes) -> Parsed:
    if len(packet) < 20:
        return Parsed()
    if packet[0] >> 4 == 4:
        return _parse_ipv4(packet)
    if packet[0] >> 4 == 6 and len(packet) >= 40:
        return _parse_ipv6(packet)
    return Parsed()


def _lengths(packet: bytes, length: int) -> int:
    return TRUNCATED * (length > len(packet)) | EXTENDED * (length < len(packet))


def _parse_ipv4(packet: bytes) -> Parsed:
    header_length = (packet[0] & 15) * 4
    (length,) = struct.unpack_from("!H", packet, 2)
    (fragment,) = struct.unpack_from("!H", packet, 6)
    if header_length < 20 or header_length > length or header_length > len(packet):
        return Parsed()
    more, offset = fragment >> 13 & 1, fragment & 0x1FFF
    state = FRAGMENT * bool(more or offset) | MORE_FRAGMENTS * more | _lengths(packet, length)
    return _parse_transport(packet, length, header_length, offset, IP, state, packet[9])


def _parse_ipv6(packet: bytes) -> Parsed:
    (payload,) = struct.unpack_from("!H", packet, 4)
    length = 40 + payload
    end = min(length, len(packet))
    at, protocol = 40, packet[6]
    state, offset = _lengths(packet, length), 0
    while offset == 0 and end - at >= 2:
        if protocol in _EIGHTS:
            size = 8 + 8 * packet[at + 1]
        elif protocol == _AH:
            size = 8 + 4 * packet[at + 1]
        elif protocol == _FRAGMENT and not state & FRAGMENT:
            size = 8
        else:
            break
        if size > end - at:
            break
        if protocol == _FRAGMENT:
            (word,) = struct.unpack_from("!H", packet, at + 2)
            state |= FRAGMENT | MORE_FRAGMENTS * (word & 1)
            offset = word >> 3
        protocol = packet[at]
        at += size
    return _parse_transport(packet, length, at, offset, IPV6, state, protocol)


def _parse_transport(
    packet: bytes, length: int, at: int, offset: int, headers: int, state: int, protocol: int
) -> Parsed:
    body = packet[at:length]
    header_length = flags = source = destination = 0
    if offset == 0:
        if protocol == 6 and len(body) >= 20 and body[12] >> 4 >= 5:
            headers |= TCP
            header_length = min((body[12] >> 4) * 4, len(body))
            flags = body[13]
        elif protocol == 17 and len(body) >= 8:
            headers |= UDP
            header_length = 8
        elif protocol == 1 and headers == IP and len(body) >= 8:
            headers |= ICMP
            header_length = 8
        elif protocol == 58 and headers == IPV6 and len(body) >= 8:
            headers |= ICMPV6
            header_length = 8
    if headers & (TCP | UDP):
        source, destination = struct.unpack_from("!HH", body)
    return Parsed(
        ip_length=length,
        l4_offset=at,
        payload_offset=at + header_length,
        payload_length=len(body) - header_length,
        fragment_offset=offset,
        headers=headers,
        state=state,
        protocol=protocol,
        tcp_flags=flags,
        source_port=source,
        destination_port=destination,
    )


# Header fields by RFC 791, 792, 793, 768, 8200, 4443: where they start, in bits
# from the start of their header, and how many bits they have. Two names are
# WinDivert's own: DF, MF and FragOff share the RFC's word of flags and offset.
LAYOUT: Final[dict[str, tuple[int, int, int]]] = {
    "ip.HdrLength": (IP, 4, 4),
    "ip.TOS": (IP, 8, 8),
    "ip.Length": (IP, 16, 16),
    "ip.Id": (IP, 32, 16),
    "ip.DF": (IP, 49, 1),
    "ip.MF": (IP, 50, 1),
    "ip.FragOff": (IP, 51, 13),
    "ip.TTL": (IP, 64, 8),
    "ip.Protocol": (IP, 72, 8),
    "ip.Checksum": (IP, 80, 16),
    "ip.SrcAddr": (IP, 96, 32),
    "ip.DstAddr": (IP, 128, 32),
    "ipv6.TrafficClass": (IPV6, 4, 8),
    "ipv6.FlowLabel": (IPV6, 12, 20),
    "ipv6.Length": (IPV6, 32, 16),
    "ipv6.NextHdr": (IPV6, 48, 8),
    "ipv6.HopLimit": (IPV6, 56, 8),
    "ipv6.SrcAddr": (IPV6, 64, 128),
    "ipv6.DstAddr": (IPV6, 192, 128),
    "icmp.Type": (ICMP, 0, 8),
    "icmp.Code": (ICMP, 8, 8),
    "icmp.Checksum": (ICMP, 16, 16),
    "icmp.Body": (ICMP, 32, 32),
    "icmpv6.Type": (ICMPV6, 0, 8),
    "icmpv6.Code": (ICMPV6, 8, 8),
    "icmpv6.Checksum": (ICMPV6, 16, 16),
    "icmpv6.Body": (ICMPV6, 32, 32),
    "tcp.SrcPort": (TCP, 0, 16),
    "tcp.DstPort": (TCP, 16, 16),
    "tcp.SeqNum": (TCP, 32, 32),
    "tcp.AckNum": (TCP, 64, 32),
    "tcp.HdrLength": (TCP, 96, 4),
    "tcp.Urg": (TCP, 106, 1),
    "tcp.Ack": (TCP, 107, 1),
    "tcp.Psh": (TCP, 108, 1),
    "tcp.Rst": (TCP, 109, 1),
    "tcp.Syn": (TCP, 110, 1),
    "tcp.Fin": (TCP, 111, 1),
    "tcp.Window": (TCP, 112, 16),
    "tcp.Checksum": (TCP, 128, 16),
    "tcp.UrgPtr": (TCP, 144, 16),
    "udp.SrcPort": (UDP, 0, 16),
    "udp.DstPort": (UDP, 16, 16),
    "udp.Length": (UDP, 32, 16),
    "udp.Checksum": (UDP, 48, 16),
}


def header_field(packet: bytes, parsed: Parsed, name: str) -> int | None:
    """The field's value, or None if the packet does not have its header."""
    header, start, bits = LAYOUT[name]
    if not parsed.headers & header:
        return None
    base = 0 if header in (IP, IPV6) else parsed.l4_offset
    first, last = start // 8, (start + bits + 7) // 8
    word = int.from_bytes(packet[base + first : base + last], "big")
    return word >> (last * 8 - start - bits) & (1 << bits) - 1


def with_header_field(packet: bytes, parsed: Parsed, name: str, value: int) -> bytes:
    """The packet with another value of a field that it has; no checksum follows."""
    header, start, bits = LAYOUT[name]
    base = 0 if header in (IP, IPV6) else parsed.l4_offset
    first, last = start // 8, (start + bits + 7) // 8
    shift = last * 8 - start - bits
    word = int.from_bytes(packet[base + first : base + last], "big")
    word = word & ~((1 << bits) - 1 << shift) | value << shift
    edited = word.to_bytes(last - first, "big")
    return packet[: base + first] + edited + packet[base + last :]


def internet_checksum(data: bytes) -> int:
    """RFC 1071: the complement of the one's complement sum of 16-bit words."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


@dataclass(frozen=True)
class Transport:
    """Where the transport checksum lies, and what it covers."""

    at: int
    covered: bytes
    protocol: int

    @property
    def value(self) -> int:
        """The right checksum; the field itself lies in ``covered`` as zero."""
        checksum = internet_checksum(self.covered)
        return 0xFFFF if checksum == 0 and self.protocol == 17 else checksum


def pseudo_header(packet: bytes, parsed: Parsed, protocol: int) -> bytes:
    """RFC 793 3.1 and RFC 8200 8.1, for a transport packet up to the IP length."""
    length = parsed.payload_offset - parsed.l4_offset + parsed.payload_length
    if parsed.headers & IPV6:
        return packet[8:40] + struct.pack("!II", length, protocol)
    return packet[12:20] + struct.pack("!HH", protocol, length)


def transport_place(parsed: Parsed) -> int | None:
    """The offset of the transport checksum, or None."""
    for header, offset in ((TCP, 16), (UDP, 6), (ICMP, 2), (ICMPV6, 2)):
        if parsed.headers & header:
            return parsed.l4_offset + offset
    return None


def is_whole(packet: bytes, parsed: Parsed) -> bool:
    """Whether all that the transport checksum covers is in the packet."""
    if parsed.state & (TRUNCATED | MORE_FRAGMENTS):
        return False
    return not is_tcp_header_cut(packet, parsed)


def is_tcp_header_cut(packet: bytes, parsed: Parsed) -> bool:
    """A data offset behind the end of the packet; WinDivert sums what lies there."""
    if not parsed.headers & TCP:
        return False
    length = (packet[parsed.l4_offset + 12] >> 4) * 4
    return parsed.l4_offset + length > parsed.payload_offset


def transport_checksum(packet: bytes, parsed: Parsed) -> Transport | None:
    """None if there is no transport checksum, or not all that it covers."""
    at = transport_place(parsed)
    if at is None or not is_whole(packet, parsed):
        return None
    end = parsed.payload_offset + parsed.payload_length
    covered = packet[parsed.l4_offset : at] + bytes(2) + packet[at + 2 : end]
    if parsed.headers & ICMP:
        return Transport(at, covered, 1)
    protocol = 6 if parsed.headers & TCP else 17 if parsed.headers & UDP else 58
    return Transport(at, pseudo_header(packet, parsed, protocol) + covered, protocol)


def ip_checksum(packet: bytes, parsed: Parsed) -> int | None:
    if not parsed.headers & IP:
        return None
    return internet_checksum(packet[:10] + bytes(2) + packet[12 : parsed.l4_offset])


def with_checksums(packet: bytes) -> bytes:
    """The packet with every checksum that can be computed."""
    parsed = parse(packet)
    out = bytearray(packet)
    ip = ip_checksum(packet, parsed)
    if ip is not None:
        struct.pack_into("!H", out, 10, ip)
    transport = transport_checksum(packet, parsed)
    if transport is not None:
        struct.pack_into("!H", out, transport.at, transport.value)
    return bytes(out)
