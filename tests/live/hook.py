# SPDX-License-Identifier: MIT
"""The programs as the kernel runs them, one made packet at a time (BPF_PROG_TEST_RUN)."""

from __future__ import annotations

import ctypes
import struct
from typing import Any, Final

import numpy as np
import pytest

from fastdivert._core import Ring
from fastdivert.dtypes import HEADER_DTYPE

pytest.importorskip("fastdivert.linux._linux", reason="built without the Linux driver")

from fastdivert.linux._linux import Divert
from tests.live.kernel_objects import bpf

_TEST_RUN: Final = 10
_ATTRIBUTES: Final = struct.Struct("=IIIIQQIIIIQQIII4x")
_EVER: Final = -(1 << 63)
_CONTEXT_SIZE: Final = 192  # struct __sk_buff
_INGRESS_IFINDEX_AT: Final = 36
_IFINDEX_AT: Final = 40


class Hook:
    """A handle whose programs are run by hand; nothing is attached to a packet's path.

    The calling process must stay on one CPU, and be in the handle's namespace.
    """

    def __init__(
        self,
        program: bytes,
        ifindex: int,
        address: bytes,
        *,
        forwarded: bool = False,
        **options: Any,
    ) -> None:
        self.divert = Divert(program, sniffs=True, **options)
        self.rings = [Ring.attach(*regions) for regions in self.divert.queues]
        self._ifindex = ifindex
        self._address = address
        self._forwarded = forwarded

    def judge(self, packet: bytes, *, egress: bool) -> tuple[bytes, bytes] | None:
        """(descriptor, packet bytes) as they were queued, or None if it did not match."""
        kind = b"\x86\xdd" if packet[:1] and packet[0] >> 4 == 6 else b"\x08\0"
        frame = self._address + bytes(6) + kind + packet
        data = ctypes.create_string_buffer(frame, len(frame))
        context = ctypes.create_string_buffer(_CONTEXT_SIZE)
        struct.pack_into("=I", context, _IFINDEX_AT, self._ifindex)
        if self._forwarded:
            struct.pack_into("=I", context, _INGRESS_IFINDEX_AT, self._ifindex)
        attributes = ctypes.create_string_buffer(
            _ATTRIBUTES.pack(
                self.divert.program(egress),
                0,
                len(frame),
                0,
                ctypes.addressof(data),
                0,
                1,
                0,
                _CONTEXT_SIZE,
                0,
                ctypes.addressof(context),
                0,
                0,
                0,
                0,
            )
        )
        bpf(_TEST_RUN, attributes)
        for ring in self.rings:
            packets = ring.take(16, _EVER)
            if packets is not None:
                assert len(packets) == 1
                row = np.frombuffer(packets.headers(), HEADER_DTYPE).tobytes()
                return row, bytes(packets.packet_bytes(0))
        return None

    def close(self) -> None:
        self.divert.close()
