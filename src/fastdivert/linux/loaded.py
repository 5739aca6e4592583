# SPDX-License-Identifier: MIT
"""The programs of fastdivert's that this kernel has loaded now."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import struct
from collections.abc import Iterator
from typing import Final

#: How the programs of a handle are called, and its priority in it: driver/linux/attach.c.
_PROGRAM: Final = re.compile(rb"fdv(\d{5})[ie]")
_PRIORITY_BIAS: Final = 30000

#: bpf(2): its number by machine, its commands, and where bpf_prog_info has the name.
_SYS_BPF: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280}
_PROG_GET_NEXT_ID: Final = 11
_PROG_GET_FD_BY_ID: Final = 13
_OBJ_GET_INFO_BY_FD: Final = 15
_NAME: Final = slice(64, 80)


def priorities() -> list[int]:
    """The priority of every divert program in the kernel, in all namespaces: two a handle.

    Raises:
        PermissionError: listing programs needs CAP_SYS_ADMIN.
        NotImplementedError: the number of bpf(2) is not known on this machine.
    """
    number = _SYS_BPF.get(platform.machine())
    if number is None:
        raise NotImplementedError(f"bpf(2) has no number known here on {platform.machine()}")
    found = []
    for identifier in _program_ids(number):
        match = _PROGRAM.fullmatch(_program_name(number, identifier))
        if match:
            found.append(int(match[1]) - _PRIORITY_BIAS)
    return found


def _program_ids(number: int) -> Iterator[int]:
    last = 0
    while True:
        attributes = ctypes.create_string_buffer(struct.pack("=III", last, 0, 0), 12)
        try:
            _bpf(number, _PROG_GET_NEXT_ID, attributes)
        except FileNotFoundError:
            return
        last = struct.unpack_from("=I", attributes, 4)[0]
        yield last


def _program_name(number: int, identifier: int) -> bytes:
    attributes = ctypes.create_string_buffer(struct.pack("=III", identifier, 0, 0), 12)
    try:
        descriptor = _bpf(number, _PROG_GET_FD_BY_ID, attributes)
    except FileNotFoundError:
        return b""  # unloaded meanwhile
    try:
        info = ctypes.create_string_buffer(_NAME.stop)
        asked = struct.pack("=IIQ", descriptor, len(info), ctypes.addressof(info))
        _bpf(number, _OBJ_GET_INFO_BY_FD, ctypes.create_string_buffer(asked, len(asked)))
        return info.raw[_NAME].rstrip(b"\0")
    finally:
        os.close(descriptor)


def _bpf(number: int, command: int, attributes: ctypes.Array[ctypes.c_char]) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    result: int = library.syscall(
        ctypes.c_long(number), ctypes.c_int(command), attributes, ctypes.c_uint(len(attributes))
    )
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
