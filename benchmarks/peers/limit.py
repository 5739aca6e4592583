"""The practical limit: hand-written C over the same bytes (c/limit_*.c)."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contest import Contestant
from benchmarks.filters import Question
from benchmarks.native import NativePackets, Pointer, limit
from benchmarks.traffic import Traffic
from fastdivert import HEADER_DTYPE


def parse(traffic: Traffic) -> Contestant:
    packets, descriptors, function = _start(traffic, "limit_parse")
    arguments = ctypes.byref(packets), Pointer(descriptors)

    def answer(_: object) -> Any:
        names = ("protocol", "source_port", "destination_port")
        return np.stack([descriptors[name] for name in names])

    return Contestant(lambda: function(*arguments), answer)


def match(traffic: Traffic, question: Question) -> Contestant:
    packets, _, function = _start(traffic, "limit_filter")
    out = np.zeros(len(traffic), np.uint8)
    arguments = ctypes.byref(packets), ctypes.c_uint32(question.tests), Pointer(out)
    return Contestant(lambda: function(*arguments), lambda _: out)


def checksums(traffic: Traffic) -> Contestant:
    packets, descriptors, function = _start(traffic, "limit_checksums")
    limit().limit_parse(ctypes.byref(packets), Pointer(descriptors))
    arguments = ctypes.byref(packets), Pointer(descriptors)
    return Contestant(lambda: function(*arguments), lambda _: _packets(packets, traffic))


_READERS = {
    "ip.TTL": ("limit_read_ttl", np.uint8),
    "ip.SrcAddr": ("limit_read_source", np.uint32),
    "tcp.DstPort": ("limit_read_port", np.uint16),
}
_WRITERS = {
    "ip.TTL": ("limit_write_ttl", np.uint8),
    "ip.SrcAddr": ("limit_write_source", np.uint32),
}


def read_column(traffic: Traffic, name: str) -> Contestant:
    function_name, dtype = _READERS[name]
    packets, descriptors, function = _start(traffic, function_name)
    limit().limit_parse(ctypes.byref(packets), Pointer(descriptors))
    out = np.zeros(len(traffic), dtype)
    arguments = ctypes.byref(packets), Pointer(descriptors), Pointer(out)
    return Contestant(lambda: function(*arguments), lambda _: out)


def write_column(traffic: Traffic, name: str, values: Any) -> Contestant:
    function_name, dtype = _WRITERS[name]
    packets, descriptors, function = _start(traffic, function_name)
    limit().limit_parse(ctypes.byref(packets), Pointer(descriptors))
    column = np.ascontiguousarray(values, dtype)
    arguments = ctypes.byref(packets), Pointer(descriptors), Pointer(column)
    return Contestant(lambda: function(*arguments), lambda _: _packets(packets, traffic))


def capture(path: Path) -> Contestant:
    return capture_by(limit().limit_capture, path)


def capture_by(function: Any, path: Path) -> Contestant:
    """A C function that walks a file: for libpcap too."""
    room = 4096
    descriptors = np.zeros(room, HEADER_DTYPE)
    name = os.fsencode(path)

    def run() -> Any:
        ports = ctypes.c_uint64(0)
        count = function(name, Pointer(descriptors), ctypes.c_uint32(room), ctypes.byref(ports))
        return count, ports.value

    return Contestant(run, np.array)


def replay(traffic: Traffic, ttl: int) -> Contestant:
    room = 4096
    packets, _, function = _start(traffic, "limit_replay")
    ring, copies = np.zeros(room, HEADER_DTYPE), np.zeros(room * 2048, np.uint8)
    arguments = (
        ctypes.byref(packets), Pointer(ring), Pointer(copies),
        ctypes.c_uint32(room), ctypes.c_uint8(ttl),
    )  # fmt: skip
    return Contestant(lambda: function(*arguments), np.array)


def _start(traffic: Traffic, function: str) -> tuple[NativePackets, Any, Any]:
    descriptors = np.zeros(len(traffic), HEADER_DTYPE)
    return NativePackets(traffic), descriptors, getattr(limit(), function)


def _packets(packets: NativePackets, traffic: Traffic) -> list[bytes]:
    return [
        packets.arena[offset : offset + length].tobytes()
        for offset, length in zip(traffic.offsets.tolist(), traffic.lengths.tolist(), strict=True)
    ]
