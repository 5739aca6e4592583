"""Packets made by hand, with right lengths and checksums left at 0, and batches of them."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np

import fastdivert as fd

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
CLIENT6, SERVER6 = "2001:db8::1", "2001:db8::2"

_TCP, _UDP, _ICMP, _ICMPV6, _FRAGMENT = 6, 17, 1, 58, 44


def ipv4(protocol: int, body: bytes, *, ttl: int = 64, ident: int = 1, fragment: int = 0) -> bytes:
    """An IPv4 packet; fragment is the word of flags and offset."""
    addresses = bytes(map(int, f"{CLIENT}.{SERVER}".split(".")))
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), ident, fragment, ttl, protocol, 0)
    return head + addresses + body


def ipv6(next_header: int, body: bytes, *, hop_limit: int = 64) -> bytes:
    head = struct.pack("!IHBB", 6 << 28, len(body), next_header, hop_limit)
    return head + fd.parse_ipv6(CLIENT6) + fd.parse_ipv6(SERVER6) + body


def _segment(source: int, destination: int, flags: int, payload: bytes) -> bytes:
    return struct.pack("!HHIIBBHHH", source, destination, 1, 2, 0x50, flags, 512, 0, 0) + payload


def _datagram(source: int, destination: int, payload: bytes) -> bytes:
    return struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload


def tcp(
    source: int = 40000,
    destination: int = 80,
    payload: bytes = b"",
    *,
    flags: int = 0x10,
    ttl: int = 64,
) -> bytes:
    return ipv4(_TCP, _segment(source, destination, flags, payload), ttl=ttl)


def udp(source: int = 40000, destination: int = 53, payload: bytes = b"") -> bytes:
    return ipv4(_UDP, _datagram(source, destination, payload))


def icmp(payload: bytes = b"ping") -> bytes:
    return ipv4(_ICMP, struct.pack("!BBHHH", 8, 0, 0, 7, 1) + payload)


def tcp6(source: int = 40000, destination: int = 80, payload: bytes = b"") -> bytes:
    return ipv6(_TCP, _segment(source, destination, 0x10, payload))


def udp6(source: int = 40000, destination: int = 53, payload: bytes = b"") -> bytes:
    return ipv6(_UDP, _datagram(source, destination, payload))


def first_fragment(payload: bytes = b"0123456789abcdef") -> bytes:
    """The beginning of a UDP datagram whose rest is in other fragments."""
    return ipv4(_UDP, _datagram(40000, 53, payload), fragment=0x2000)


def later_fragment(payload: bytes = b"0123456789abcdef") -> bytes:
    """A fragment with an offset: it has no transport header."""
    return ipv4(_UDP, payload, fragment=5)


def numbered(count: int, *, first: int = 0, size: int = 4) -> fd.Batch:
    """count TCP packets whose payload says the number of each; even ones go to port 80."""
    return fd.Batch.from_packets(
        [
            tcp(40000, 80 if number % 2 == 0 else 443, struct.pack("!I", number).ljust(size, b"."))
            for number in range(first, first + count)
        ]
    )


def stamped(count: int, step_ns: int, *, size: int = 4) -> fd.Batch:
    """numbered(), one packet every step_ns."""
    batch = numbered(count, size=size)
    batch["timestamp"] = np.arange(count, dtype=np.int64) * step_ns
    return batch


def numbers(batches: fd.Batch | Iterable[fd.Batch]) -> list[int]:
    """The numbers that the payloads say, in order."""
    found: list[int] = []
    for batch in [batches] if isinstance(batches, fd.Batch) else batches:
        found += batch["tcp.Payload32[0]"].tolist()
        del batch  # and its slots, before the next one is waited for
    return found


class Sink:
    """Keeps what leaves a replay: ``batches`` are copies, ``numbers`` what their payloads say."""

    def __init__(self) -> None:
        self.batches: list[fd.Batch] = []
        self.closed = 0

    def write(self, batch: fd.Batch) -> None:
        self.batches.append(batch.copy())

    def close(self) -> None:
        self.closed += 1

    @property
    def numbers(self) -> list[int]:
        return numbers(self.batches)
