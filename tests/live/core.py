# SPDX-License-Identifier: MIT
"""driver/core by ctypes: the interpreter that the emitted code is compared with."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

CORE = Path(__file__).resolve().parents[2] / "driver" / "core"


class Parsed(ctypes.Structure):
    """struct fd_parsed."""

    _fields_ = [
        ("length", ctypes.c_uint32),
        ("l4_offset", ctypes.c_uint32),
        ("payload_offset", ctypes.c_uint32),
        ("payload_length", ctypes.c_uint32),
        ("fragment_offset", ctypes.c_uint16),
        ("headers", ctypes.c_uint8),
        ("state", ctypes.c_uint8),
        ("protocol", ctypes.c_uint8),
        ("tcp_flags", ctypes.c_uint8),
        ("source_port", ctypes.c_uint16),
        ("destination_port", ctypes.c_uint16),
        ("padding", ctypes.c_uint8 * 6),
    ]


class _Subject(ctypes.Structure):
    _fields_ = [
        ("descriptor", ctypes.c_void_p),
        ("bytes", ctypes.c_void_p),
        ("captured", ctypes.c_uint32),
        ("parsed", ctypes.c_void_p),
    ]


class Core:
    """The shared library, built into folder."""

    def __init__(self, folder: Path) -> None:
        library = folder / "core.so"
        subprocess.run(
            [
                "gcc",
                "-O1",
                "-std=c11",
                "-shared",
                "-fPIC",
                "-o",
                str(library),
                *map(str, sorted(CORE.glob("*.c"))),
            ],
            check=True,
        )
        self._library = ctypes.CDLL(str(library))
        self._library.fd_parse.argtypes = [ctypes.c_char_p, ctypes.c_uint32, ctypes.c_void_p]
        self._library.fd_program_run.argtypes = [ctypes.c_char_p, ctypes.c_void_p]

    def parse(self, packet: bytes) -> Parsed:
        parsed = Parsed()
        self._library.fd_parse(packet, len(packet), ctypes.byref(parsed))
        return parsed

    def describe(self, parsed: Parsed, captured: int, descriptor: bytes) -> bytes:
        """The descriptor with what the parser found written into it."""
        buffer = ctypes.create_string_buffer(descriptor, 64)
        self._library.fd_describe(ctypes.byref(parsed), ctypes.c_uint32(captured), buffer)
        return buffer.raw

    def run(self, program: bytes, packet: bytes, parsed: Parsed, descriptor: bytes) -> bool:
        data = ctypes.create_string_buffer(packet, len(packet))
        row = ctypes.create_string_buffer(descriptor, 64)
        subject = _Subject(
            ctypes.addressof(row), ctypes.addressof(data), len(packet), ctypes.addressof(parsed)
        )
        return bool(self._library.fd_program_run(program, ctypes.byref(subject)))
