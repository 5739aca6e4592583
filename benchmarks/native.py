"""The C contestants: built by the machine's compiler, called by ctypes once a batch."""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pytest

from benchmarks.traffic import Traffic

_SOURCES = Path(__file__).parent / "c"
COMPILER = os.environ.get("CC", "gcc")
FLAGS = ("-O3", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared")


@cache
def limit() -> ctypes.CDLL:
    """The hand-written loops. Skips where there is no C compiler."""
    return _build("limit", [path.name for path in sorted(_SOURCES.glob("limit_*.c"))])


@cache
def libpcap() -> ctypes.CDLL:
    """libpcap behind our loop. Skips where its headers are missing."""
    library = _build("libpcap", ["libpcap.c"], "-lpcap")
    library.libpcap_compile.restype = ctypes.c_void_p
    return library


def _build(name: str, sources: list[str], *libraries: str) -> ctypes.CDLL:
    if shutil.which(COMPILER) is None:
        pytest.skip(f"there is no compiler {COMPILER}")
    folder = tempfile.mkdtemp(prefix="fastdivert-bench-")
    atexit.register(shutil.rmtree, folder, True)
    target = Path(folder) / f"{name}.so"
    command = [COMPILER, *FLAGS, *(str(_SOURCES / s) for s in sources), "-o", str(target)]
    built = subprocess.run([*command, *libraries], capture_output=True, text=True, check=False)
    if built.returncode:
        missing = ("No such file", "cannot find -l", "unable to find library")
        if libraries and any(text in built.stderr for text in missing):
            pytest.skip(f"{name}: its library or headers are not installed")
        raise RuntimeError(f"{' '.join(command)}: {built.stderr}")
    return ctypes.CDLL(str(target))


class NativePackets(ctypes.Structure):
    """struct packets of c/packets.h over a copy of a traffic."""

    _fields_ = (
        ("bytes", ctypes.c_void_p),
        ("offsets", ctypes.c_void_p),
        ("lengths", ctypes.c_void_p),
        ("count", ctypes.c_uint32),
    )

    def __init__(self, traffic: Traffic) -> None:
        self.arena = traffic.arena()
        self._kept = traffic
        super().__init__(
            self.arena.ctypes.data,
            traffic.offsets.ctypes.data,
            traffic.lengths.ctypes.data,
            len(traffic),
        )


class Pointer(ctypes.c_void_p):
    """What a C function takes for an array; it keeps the array alive."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        super().__init__(array.ctypes.data)
        self._kept = array
