# SPDX-License-Identifier: MIT
"""WinDivert's own compiler, evaluator, formatter, checksums and hash, by ctypes.

PyPI's ``pydivert`` carries WinDivert's helper functions in a Linux library.
They are the reference that our tests compare with; nothing of them is in
fastdivert itself. Importing this module skips the test module where the
library is missing.

The reference dereferences NULL for some broken filters (a syntax error inside
the condition of a conditional): ``compile_isolated`` survives that.
"""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

_binding = pytest.importorskip("pydivert.bpf", reason="pydivert's library is the oracle")
_library = _binding.libebpfdivert
if _library is None:
    pytest.skip("pydivert has no library for this platform", allow_module_level=True)

Address = _binding.WinDivertAddress
ADDRESS_BYTES = ctypes.sizeof(Address)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the reference compiler says of a filter. The position is meant for errors only."""

    ok: bool
    position: int
    message: str


class OracleError(Exception):
    """The reference refuses this call."""


def _text(text: str) -> bytes:
    data = text.encode()
    if b"\0" in data:
        raise OracleError("a C string ends at its first NUL: the reference cannot be asked this")
    return data


def compile(text: str, layer: int = 0) -> Compiled:
    """Compile in this process: only for filters that are known not to crash the reference."""
    message = ctypes.c_char_p()
    position = ctypes.c_uint32(0)
    status = _library.ebpfdivert_helper_compile_filter(
        _text(text), layer, ctypes.byref(message), ctypes.byref(position)
    )
    return Compiled(status == 0, position.value, (message.value or b"").decode())


def compile_isolated(text: str, layer: int = 0) -> Compiled | None:
    """Compile in a forked child; None if the reference crashed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        faulthandler.disable()  # a crash is an answer here, and no news
        try:
            result = compile(text, layer)
            packed = struct.pack("=?I", result.ok, result.position) + result.message.encode()
            os.write(writer, packed)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    if not data:
        return None
    ok, position = struct.unpack_from("=?I", data)
    return Compiled(ok, position, data[struct.calcsize("=?I") :].decode())


def format(text: str, layer: int = 0) -> str | None:
    """The canonical text, or None where the filter does not compile."""
    buffer = ctypes.create_string_buffer(1 << 17)
    status = _library.ebpfdivert_helper_format_filter(_text(text), layer, buffer, len(buffer))
    return buffer.value.decode() if status == 0 else None


def _address(address: Any) -> Any:
    if isinstance(address, Address):
        return address
    return Address.from_buffer_copy(bytes(address))


def evaluate(text: str, packet: bytes | None, address: Any) -> bool:
    """Whether the filter matches.

    ``address`` is an ``Address`` or its 80 bytes; its layer is the filter's.
    ``packet`` is None at the layers FLOW and SOCKET. ``OracleError`` where the
    reference takes the packet for none (or for none of the address's version).
    """
    length = 0 if packet is None else len(packet)
    buffer = None if packet is None else ctypes.create_string_buffer(packet, max(length, 1))
    ctypes.set_errno(0)
    status = _library.ebpfdivert_helper_eval_filter(
        _text(text), buffer, length, ctypes.byref(_address(address))
    )
    if status < 0:
        raise OracleError(f"eval_filter returned {status}")
    return bool(status != 0)


class Subjects:
    """Packets (None for events) with their addresses, to be asked of over and over."""

    def __init__(self, packets: Sequence[bytes | None], addresses: Sequence[Any]) -> None:
        self._rows = []
        for packet, address in zip(packets, addresses, strict=True):
            length = 0 if packet is None else len(packet)
            buffer = None if packet is None else ctypes.create_string_buffer(packet, length + 1)
            self._rows.append((buffer, length, ctypes.byref(_address(address))))

    def evaluate(self, text: str) -> list[bool | None]:
        """What the filter says of each; None where the reference takes it for no packet."""
        ask, data = _library.ebpfdivert_helper_eval_filter, _text(text)
        verdicts: dict[int, bool | None] = {0: False, 1: True, -errno.EINVAL: None}
        return [verdicts[ask(data, *row)] for row in self._rows]


@dataclass(frozen=True, slots=True)
class Checksummed:
    """What the reference made of a packet whose checksums it was asked to calculate."""

    done: bool
    packet: bytes
    address: bytes


def checksums(packet: bytes, address: Any = None, flags: int = 0) -> Checksummed:
    """WinDivertHelperCalcChecksums; not done for no packet, and for one that is not whole.

    Zeros lie behind the packet: the reference reads on there if the TCP data
    offset points behind the end.
    """
    buffer = ctypes.create_string_buffer(packet, len(packet) + 64)
    updated = Address() if address is None else Address.from_buffer_copy(bytes(_address(address)))
    status = _library.ebpfdivert_helper_calc_checksums(
        buffer, len(packet), ctypes.byref(updated), flags
    )
    return Checksummed(status >= 0, buffer.raw[: len(packet)], bytes(updated))


def hash(packet: bytes, seed: int = 0) -> int:  # noqa: A001 - as the others, by what it is
    """WinDivertHelperHashPacket; 0 for what is no packet."""
    buffer = ctypes.create_string_buffer(packet, max(len(packet), 1))
    return int(_library.ebpfdivert_helper_hash_packet(buffer, len(packet), seed))
