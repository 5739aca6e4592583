# SPDX-License-Identifier: MIT
"""Random WINDIVERT_ADDRESSes."""

from __future__ import annotations

import struct
from random import Random
from typing import Final

import numpy as np
import numpy.typing as npt

import fastdivert as fd
from fastdivert.filter.fields import EVENT_CONSTANTS

_HEAD: Final = struct.Struct("=qBBBBI")
_SOCKET: Final = struct.Struct("=QQI4I4IHHB")
_REFLECT: Final = struct.Struct("=qIIQh")
_IPV6: Final = 1 << 4
_ADDRESSES: Final = (
    (0, 0, 0, 0),
    (1, 0, 0, 0),
    (0x7F000001, 0xFFFF, 0, 0),
    (0x0A000001, 0xFFFF, 0, 0),
    (1, 0, 0, 0x20010DB8),
    (0xFFFFFFFF,) * 4,
)


def random_addresses(rng: Random, packets: list[bytes], layer: int = 0) -> npt.NDArray[np.void]:
    """An address for each packet, which tells the packet's true IP version."""
    made = [random_address(rng, packet, layer) for packet in packets]
    return np.frombuffer(bytearray(b"".join(made)), fd.ADDRESS_DTYPE)


def random_address(rng: Random, packet: bytes, layer: int = 0) -> bytes:
    """The 80 bytes of one address."""
    flags = rng.randrange(256) & ~_IPV6
    if layer <= fd.Layer.NETWORK_FORWARD:
        flags |= _IPV6 * (packet[:1] >= b"\x60" and packet[0] >> 4 == 6)
        interface = rng.choice((0, 1, 2, 7, 0xFFFFFFFF, rng.getrandbits(32)))
        data = struct.pack("=II", interface, rng.choice((0, 1, 5)))
    else:
        flags |= _IPV6 * (rng.random() < 0.5)
        data = _reflect(rng) if layer == fd.Layer.REFLECT else _socket(rng)
    events = tuple(EVENT_CONSTANTS[fd.Layer(layer)].values())
    event = rng.choice(events)
    head = _HEAD.pack(_timestamp(rng), layer, event, flags, 0, 0)
    return (head + data).ljust(80, b"\0")


def _timestamp(rng: Random) -> int:
    return rng.choice(
        (
            0,
            1,
            -1,
            1 << 32,
            -(1 << 32),
            1_700_000_000_000_000_000,
            (1 << 63) - 1,
            -(1 << 63),
            rng.getrandbits(63),
            -rng.getrandbits(40),
        )
    )


def _socket(rng: Random) -> bytes:
    return _SOCKET.pack(
        rng.choice((0, 1, 1 << 32, (1 << 64) - 1, rng.getrandbits(64))),
        rng.choice((0, 1, rng.getrandbits(64))),
        rng.choice((0, 4, 1000, 0xFFFFFFFF)),
        *rng.choice(_ADDRESSES),
        *rng.choice(_ADDRESSES),
        rng.choice((0, 53, 80, 65535)),
        rng.choice((0, 53, 443, 65535)),
        rng.choice((1, 6, 6, 17, 17, 58, 255)),
    )


def _reflect(rng: Random) -> bytes:
    return _REFLECT.pack(
        _timestamp(rng),
        rng.choice((0, 4, 1000, 0xFFFFFFFF)),
        rng.randrange(5),
        rng.getrandbits(16),
        rng.choice((-30000, -1, 0, 1, 777, 30000)),
    )
