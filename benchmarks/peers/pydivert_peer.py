"""pydivert: WinDivert's packets in Python, and the compiled helpers in its library."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.contest import Contestant
from benchmarks.filters import Question
from benchmarks.traffic import Traffic


def _packet_class() -> Any:
    return pytest.importorskip("pydivert.packet", reason="pydivert is not installed").Packet


def _library() -> tuple[Any, Any]:
    binding = pytest.importorskip("pydivert.bpf", reason="pydivert is not installed")
    if binding.libebpfdivert is None:
        pytest.skip("pydivert has no library for this platform")
    return binding.libebpfdivert, binding.WinDivertAddress


def parse(traffic: Traffic) -> Contestant:
    Packet = _packet_class()  # noqa: N806 - a class

    def row(raw: bytes) -> tuple[int, int, int]:
        packet = Packet(raw)
        return packet.protocol[0], packet.src_port or 0, packet.dst_port or 0

    packets = traffic.packets
    return Contestant(lambda: [row(packet) for packet in packets], lambda rows: np.array(rows).T)


def match(traffic: Traffic, question: Question) -> Contestant:
    """Packet.matches, which asks WinDivert's own compiler and evaluator."""
    Packet = _packet_class()  # noqa: N806
    _library()
    packets, text = traffic.packets, question.windivert
    return Contestant(lambda: [Packet(raw).matches(text) for raw in packets], np.array)


def match_by_ctypes(traffic: Traffic, question: Question) -> Contestant:
    """The same without pydivert's Python: one ctypes call for each packet."""
    library, address_type = _library()
    evaluate, text = library.ebpfdivert_helper_eval_filter, question.windivert.encode()
    address = address_type()
    address.Outbound = 1
    addresses = ctypes.byref(address), ctypes.byref(_with_ipv6(address_type))
    arguments = [
        (ctypes.create_string_buffer(raw, len(raw)), len(raw), addresses[raw[0] >> 4 == 6])
        for raw in traffic.packets
    ]

    def run() -> list[bool]:
        return [evaluate(text, *packet) > 0 for packet in arguments]

    return Contestant(run, np.array)


def _with_ipv6(address_type: Any) -> Any:
    address = address_type()
    address.Outbound = address.IPv6 = 1
    return address


def checksums(traffic: Traffic) -> Contestant:
    """Packet.recalculate_checksums of packets that were made before."""
    Packet = _packet_class()  # noqa: N806
    _library()
    packets = [Packet(raw) for raw in traffic.packets]

    def run() -> None:
        for packet in packets:
            packet.recalculate_checksums()

    return Contestant(run, lambda _: [bytes(packet.raw) for packet in packets])


def checksums_by_ctypes(traffic: Traffic) -> Contestant:
    """WinDivertHelperCalcChecksums, one ctypes call for each packet."""
    library, _ = _library()
    calculate = library.ebpfdivert_helper_calc_checksums
    arguments = [
        (ctypes.create_string_buffer(raw, len(raw)), len(raw), None, 0) for raw in traffic.packets
    ]

    def run() -> None:
        for packet in arguments:
            calculate(*packet)

    return Contestant(run, lambda _: [packet[0].raw for packet in arguments])


def read_column(traffic: Traffic, name: str) -> Contestant:
    Packet = _packet_class()  # noqa: N806
    packets = [Packet(raw) for raw in traffic.packets]
    readers: dict[str, Callable[[Any], Any]] = {
        "ip.TTL": lambda p: p.ipv4.ttl if p.ipv4 else 0,
        "ip.SrcAddr": lambda p: int.from_bytes(p.ipv4.raw[12:16], "big") if p.ipv4 else 0,
        "tcp.DstPort": lambda p: p.tcp.dst_port if p.tcp else 0,
    }
    read = readers[name]
    return Contestant(lambda: [read(packet) for packet in packets], np.array)


def edit(traffic: Traffic, ttl: int) -> Contestant:
    """Make a Packet, set the TTL, recalculate, take the bytes."""
    Packet = _packet_class()  # noqa: N806
    _library()
    packets = traffic.packets

    def run() -> Any:
        sent = 0
        for raw in packets:
            packet = Packet(raw)
            if packet.ipv4:
                packet.ipv4.ttl = ttl
            packet.recalculate_checksums()
            sent += bool(bytes(packet.raw))
        return sent

    return Contestant(run, np.array)
