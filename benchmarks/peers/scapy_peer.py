"""scapy: Python objects, a packet at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.contest import Contestant
from benchmarks.filters import TCP_PORTS, UDP_PORTS, Question
from benchmarks.traffic import Traffic


def _scapy() -> tuple[Any, Any, Any]:
    inet = pytest.importorskip("scapy.layers.inet", reason="scapy is not installed")
    return inet, inet.IP, pytest.importorskip("scapy.layers.inet6").IPv6


def _ports(packet: Any, inet: Any) -> tuple[int, int]:
    for layer in (inet.TCP, inet.UDP):
        if layer in packet:
            return packet[layer].sport, packet[layer].dport
    return 0, 0


def parse(traffic: Traffic) -> Contestant:
    inet, IP, IPv6 = _scapy()  # noqa: N806 - classes

    def row(raw: bytes) -> tuple[int, int, int]:
        four = raw[0] >> 4 == 4
        packet = (IP if four else IPv6)(raw)
        return packet.proto if four else packet.nh, *_ports(packet, inet)

    packets = traffic.packets
    return Contestant(lambda: [row(packet) for packet in packets], lambda rows: np.array(rows).T)


def match(traffic: Traffic, question: Question) -> Contestant:
    inet, IP, IPv6 = _scapy()  # noqa: N806

    def one(packet: Any) -> bool:
        return inet.TCP in packet and packet[inet.TCP].dport == 443

    def five(packet: Any) -> bool:
        return (
            IP in packet
            and inet.TCP in packet
            and bool(packet[inet.TCP].flags & 0x10)
            and packet[IP].ttl >= 64
            and packet[inet.TCP].dport == 443
        )

    def twenty(packet: Any) -> bool:
        if inet.TCP in packet and packet[inet.TCP].dport in TCP_PORTS:
            return True
        if inet.UDP in packet and packet[inet.UDP].dport in UDP_PORTS:
            return True
        return isinstance(packet, IP) and (
            packet.dst == "10.0.0.77"
            or packet.src == "192.0.0.78"
            or packet.ttl == 1
            or packet.len > 60000
            or (inet.ICMP in packet and packet[inet.ICMP].type == 0)
        )

    evaluate = {1: one, 5: five, 20: twenty}[question.tests]
    packets = traffic.packets

    def run() -> list[bool]:
        return [evaluate((IP if raw[0] >> 4 == 4 else IPv6)(raw)) for raw in packets]

    return Contestant(run, np.array)


def checksums(traffic: Traffic) -> Contestant:
    """Dissect, forget the checksums, build: scapy computes what is missing."""
    _, IP, IPv6 = _scapy()  # noqa: N806
    packets = traffic.packets

    def run() -> list[bytes]:
        out = []
        for raw in packets:
            packet = (IP if raw[0] >> 4 == 4 else IPv6)(raw)
            del packet.chksum
            del packet.payload.chksum
            out.append(bytes(packet))
        return out

    return Contestant(run, list)


def capture(path: Path) -> Contestant:
    inet, _, _ = _scapy()
    from scapy.utils import PcapReader

    def run() -> Any:
        count = ports = 0
        with PcapReader(str(path)) as reader:
            for packet in reader:
                count += 1
                ports += _ports(packet, inet)[1]
        return count, ports

    return Contestant(run, np.array)


def edit(traffic: Traffic, ttl: int) -> Contestant:
    """Dissect, set the TTL, build with its checksum."""
    _, IP, IPv6 = _scapy()  # noqa: N806
    packets = traffic.packets

    def run() -> Any:
        sent = 0
        for raw in packets:
            four = raw[0] >> 4 == 4
            packet = (IP if four else IPv6)(raw)
            if four:
                packet.ttl = ttl
                del packet.chksum
            sent += bool(bytes(packet))
        return sent

    return Contestant(run, np.array)
