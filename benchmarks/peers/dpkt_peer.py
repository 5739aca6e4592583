"""dpkt: Python objects, a packet at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.contest import Contestant
from benchmarks.filters import DESTINATION, SOURCE, TCP_PORTS, UDP_PORTS, Question
from benchmarks.traffic import Traffic

_DESTINATION, _SOURCE = DESTINATION.to_bytes(4, "big"), SOURCE.to_bytes(4, "big")


def _dpkt() -> Any:
    return pytest.importorskip("dpkt", reason="dpkt is not installed")


def _packet(raw: bytes) -> Any:
    dpkt = _dpkt()
    return dpkt.ip.IP(raw) if raw[0] >> 4 == 4 else dpkt.ip6.IP6(raw)


def parse(traffic: Traffic) -> Contestant:
    dpkt = _dpkt()
    v4, v6, ported = dpkt.ip.IP, dpkt.ip6.IP6, (dpkt.tcp.TCP, dpkt.udp.UDP)

    def row(raw: bytes) -> tuple[int, int, int]:
        packet = (v4 if raw[0] >> 4 == 4 else v6)(raw)
        l4 = packet.data
        if isinstance(l4, ported):
            return packet.p, l4.sport, l4.dport
        return packet.p, 0, 0

    packets = traffic.packets
    return Contestant(lambda: [row(packet) for packet in packets], lambda rows: np.array(rows).T)


def match(traffic: Traffic, question: Question) -> Contestant:
    dpkt = _dpkt()
    IP, IP6 = dpkt.ip.IP, dpkt.ip6.IP6  # noqa: N806 - classes
    TCP, UDP, ICMP = dpkt.tcp.TCP, dpkt.udp.UDP, dpkt.icmp.ICMP  # noqa: N806

    def one(packet: Any) -> bool:
        return isinstance(packet.data, TCP) and packet.data.dport == 443

    def five(packet: Any) -> bool:
        return (
            isinstance(packet, IP)
            and isinstance(packet.data, TCP)
            and bool(packet.data.flags & 0x10)
            and packet.ttl >= 64
            and packet.data.dport == 443
        )

    def twenty(packet: Any) -> bool:
        l4 = packet.data
        if isinstance(l4, TCP) and l4.dport in TCP_PORTS:
            return True
        if isinstance(l4, UDP) and l4.dport in UDP_PORTS:
            return True
        return isinstance(packet, IP) and (
            packet.dst == _DESTINATION
            or packet.src == _SOURCE
            or packet.ttl == 1
            or packet.len > 60000
            or (isinstance(l4, ICMP) and l4.type == 0)
        )

    evaluate = {1: one, 5: five, 20: twenty}[question.tests]
    packets = traffic.packets

    def run() -> list[bool]:
        return [evaluate((IP if raw[0] >> 4 == 4 else IP6)(raw)) for raw in packets]

    return Contestant(run, np.array)


def checksums(traffic: Traffic) -> Contestant:
    packets = [_packet(raw) for raw in traffic.packets]

    def run() -> list[bytes]:
        out = []
        for packet in packets:
            packet.sum = packet.data.sum = 0  # what makes dpkt compute them
            out.append(bytes(packet))
        return out

    return Contestant(run, list)


def read_column(traffic: Traffic, name: str) -> Contestant:
    dpkt = _dpkt()
    packets = [_packet(raw) for raw in traffic.packets]
    IP, TCP = dpkt.ip.IP, dpkt.tcp.TCP  # noqa: N806
    readers: dict[str, Callable[[Any], Any]] = {
        "ip.TTL": lambda p: p.ttl if isinstance(p, IP) else 0,
        "ip.SrcAddr": lambda p: int.from_bytes(p.src, "big") if isinstance(p, IP) else 0,
        "tcp.DstPort": lambda p: p.data.dport if isinstance(p.data, TCP) else 0,
    }
    read = readers[name]
    return Contestant(lambda: [read(packet) for packet in packets], np.array)


def capture(path: Path) -> Contestant:
    dpkt = _dpkt()
    ported = (dpkt.tcp.TCP, dpkt.udp.UDP)

    def run() -> Any:
        count = ports = 0
        with path.open("rb") as file:
            for _, frame in dpkt.pcap.Reader(file):
                count += 1
                l4 = dpkt.ethernet.Ethernet(frame).data.data
                if isinstance(l4, ported):
                    ports += l4.dport
        return count, ports

    return Contestant(run, np.array)


def edit(traffic: Traffic, ttl: int) -> Contestant:
    """Parse, set the TTL, serialize with its checksum."""
    packets = traffic.packets

    def run() -> Any:
        sent = 0
        for raw in packets:
            packet = _packet(raw)
            if packet.v == 4:
                packet.ttl = ttl
                packet.sum = 0
            sent += bool(bytes(packet))
        return sent

    return Contestant(run, np.array)
