# SPDX-License-Identifier: MIT
"""Packets as lines of text, much as tcpdump writes them, or as JSON objects."""

from __future__ import annotations

import functools
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

import fastdivert as fd

_PROTOCOLS: Final = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 47: "GRE", 50: "ESP", 58: "ICMPv6"}

#: TCP's flags in tcpdump's order and letters, by bit; the dot is an ACK.
_TCP_FLAGS: Final = ((0x02, "S"), (0x01, "F"), (0x04, "R"), (0x08, "P"), (0x20, "U"), (0x10, "."))

_ECHO: Final = {
    ("ICMP", 8): "request",
    ("ICMP", 0): "reply",
    ("ICMPv6", 128): "request",
    ("ICMPv6", 129): "reply",
}

#: Columns of a batch that only packets with the field have.
_COLUMNS: Final = {
    "seq": "tcp.SeqNum",
    "ack": "tcp.AckNum",
    "window": "tcp.Window",
    "icmp_type": "icmp.Type",
    "icmp_code": "icmp.Code",
    "icmp_body": "icmp.Body",
    "icmp6_type": "icmpv6.Type",
    "icmp6_code": "icmpv6.Code",
    "icmp6_body": "icmpv6.Body",
    "ttl": "ip.TTL",
    "hop_limit": "ipv6.HopLimit",
}


def objects(batch: fd.Batch) -> list[dict[str, Any]]:
    """Each packet as a dict for JSON; what it does not have is left out."""
    headers = batch.headers
    parsed = batch.parse(())
    sources, destinations = (_addresses(batch, end) for end in ("SrcAddr", "DstAddr"))
    found: list[dict[str, Any]] = [
        {
            "timestamp": timestamp,
            "interface": _interface(ifindex),
            "direction": _direction(flags),
            "protocol": _PROTOCOLS.get(protocol, str(protocol)),
            "source": source,
            "destination": destination,
            "length": length,
            "payload_length": payload,
        }
        for timestamp, ifindex, flags, protocol, length, payload, source, destination in zip(
            headers["timestamp"].tolist(),
            headers["ifindex"].tolist(),
            headers["flags"].tolist(),
            headers["protocol"].tolist(),
            headers["length"].tolist(),
            parsed["payload_length"].tolist(),
            sources,
            destinations,
            strict=True,
        )
    ]
    _add(found, "source_port", headers["source_port"], batch["tcp"] | batch["udp"])
    _add(found, "destination_port", headers["destination_port"], batch["tcp"] | batch["udp"])
    _add(found, "flags", headers["tcp_flags"], batch["tcp"], _flags)
    fragments = headers["flags"] & fd.HeaderFlag.FRAGMENT != 0
    _add(found, "fragment_offset", parsed["fragment_offset"].astype(np.int64) * 8, fragments)
    for key, name in _COLUMNS.items():
        has = batch.has(name)
        if has.any():
            _add(found, key, batch[name], has)
    return found


def lines(batch: fd.Batch) -> Iterator[str]:
    """Each packet as a line."""
    return map(line, objects(batch))


def line(packet: dict[str, Any]) -> str:
    """One packet of ``objects`` as a line."""
    version = "IP6" if ":" in packet["source"] else "IP"
    ends = [_end(packet, "source"), _end(packet, "destination")]
    return (
        f"{_clock(packet['timestamp'])} {packet['interface']} {packet['direction']:<3} "
        f"{version} {' > '.join(ends)}: {_says(packet)}"
    )


def _says(packet: dict[str, Any]) -> str:
    protocol, length = packet["protocol"], f"length {packet['payload_length']}"
    if packet.get("fragment_offset", 0) > 0:
        return f"{protocol} fragment at {packet['fragment_offset']}, {length}"
    if "flags" in packet:
        acks = f", ack {packet['ack']}" if "." in packet["flags"] else ""
        return (
            f"TCP [{packet['flags'] or 'none'}], seq {packet['seq']}{acks}, "
            f"win {packet['window']}, {length}"
        )
    for prefix in ("icmp", "icmp6"):
        if f"{prefix}_type" not in packet:
            continue
        kind, body = packet[f"{prefix}_type"], packet[f"{prefix}_body"]
        if (protocol, kind) in _ECHO:
            number = f"id {body >> 16}, seq {body & 0xFFFF}"
            return f"{protocol} echo {_ECHO[protocol, kind]}, {number}, {length}"
        return f"{protocol} type {kind} code {packet[f'{prefix}_code']}, {length}"
    return f"{protocol}, {length}"


def _end(packet: dict[str, Any], which: str) -> str:
    port = packet.get(f"{which}_port")
    address: str = packet[which]
    return address if port is None else f"{address}.{port}"


def _add(
    found: list[dict[str, Any]],
    key: str,
    values: np.ndarray[Any, Any],
    where: np.ndarray[Any, Any],
    show: Callable[[int], Any] = int,
) -> None:
    rows = np.flatnonzero(where)
    for row, value in zip(rows.tolist(), values[rows].tolist(), strict=True):
        found[row][key] = show(value)


def _addresses(batch: fd.Batch, end: str) -> list[str]:
    v4, v6 = batch[f"ip.{end}"].tolist(), batch[f"ipv6.{end}"]
    return [
        _ipv6(v6[row].tobytes()) if is_v6 else _ipv4(v4[row])
        for row, is_v6 in enumerate(batch["ipv6"].tolist())
    ]


@functools.lru_cache(4096)
def _ipv4(address: int) -> str:
    return fd.format_ipv4(address)


@functools.lru_cache(4096)
def _ipv6(address: bytes) -> str:
    return fd.format_ipv6(address)


@functools.lru_cache(1024)
def _interface(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return f"#{index}"  # it has gone


def _direction(flags: int) -> str:
    if flags & fd.HeaderFlag.LOOPBACK:
        return "Lo"
    if flags & fd.HeaderFlag.FORWARDED:
        return "Fwd"
    return "Out" if flags & fd.HeaderFlag.OUTBOUND else "In"


@functools.lru_cache(256)
def _flags(bits: int) -> str:
    return "".join(letter for bit, letter in _TCP_FLAGS if bits & bit)


def _clock(timestamp: int) -> str:
    seconds, nanoseconds = divmod(timestamp, 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1000:06}"


@functools.lru_cache(64)
def _second(seconds: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
