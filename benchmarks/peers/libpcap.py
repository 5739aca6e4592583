"""libpcap, called from C in a loop of ours (c/libpcap.c), and pcapy-ng's binding of it."""

from __future__ import annotations

import ctypes
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.contest import Contestant
from benchmarks.filters import Question
from benchmarks.native import NativePackets, Pointer, libpcap
from benchmarks.peers.limit import capture_by
from benchmarks.traffic import Traffic

_DLT_RAW, _SNAPLEN = 12, 65535


def match(traffic: Traffic, question: Question) -> Contestant:
    library = libpcap()
    program = ctypes.c_void_p(library.libpcap_compile(question.libpcap.encode()))
    if not program:
        raise ValueError(f"libpcap refuses {question.libpcap!r}")
    packets = NativePackets(traffic)
    out = np.zeros(len(traffic), np.uint8)
    weakref.finalize(packets, library.libpcap_free, program)
    # byref keeps packets alive, and packets the program.
    arguments = ctypes.byref(packets), program, Pointer(out)
    return Contestant(lambda: library.libpcap_filter(*arguments), lambda _: out)


def capture(path: Path) -> Contestant:
    return capture_by(libpcap().libpcap_capture, path)


def pcapy_match(traffic: Traffic, question: Question) -> Contestant:
    """pcapy-ng: the same interpreter, a call from Python for each packet."""
    pcapy = pytest.importorskip("pcapy", reason="pcapy-ng is not installed")
    program = pcapy.compile(_DLT_RAW, _SNAPLEN, question.libpcap, 1, 0xFFFFFFFF)
    packets = traffic.packets
    return Contestant(lambda: [program.filter(packet) != 0 for packet in packets], np.array)


def pcapy_capture(path: Path) -> Contestant:
    """pcapy-ng reads; struct takes the port out of plain headers."""
    pcapy = pytest.importorskip("pcapy", reason="pcapy-ng is not installed")

    def run() -> Any:
        count = ports = 0
        reader = pcapy.open_offline(str(path))
        header, frame = reader.next()
        while header is not None:
            count += 1
            four = frame[14] >> 4 == 4
            at = 14 + (frame[14] & 15) * 4 if four else 54
            if frame[23 if four else 20] in (6, 17):
                ports += frame[at + 2] << 8 | frame[at + 3]
            header, frame = reader.next()
        return count, ports

    return Contestant(run, np.array)
