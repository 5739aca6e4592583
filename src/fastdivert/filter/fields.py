# SPDX-License-Identifier: MIT
"""The fields and named constants of the filter language.

The fields come from the one table in driver/abi/fields.h, through the
extension; nothing about a field is written here a second time.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from fastdivert import _core
from fastdivert.enums import Event, Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Header(enum.IntEnum):
    """enum fd_header: the header that a field needs."""

    NONE = 0
    IP = 1
    IPV6 = 2
    ICMP = 3
    ICMPV6 = 4
    TCP = 5
    UDP = 6


class Source(enum.IntEnum):
    """enum fd_source: where a field's value comes from."""

    META = 0
    HEADER = 1
    PACKET = 2
    PAYLOAD = 3


class Range(enum.IntEnum):
    """enum fd_range: the values that a field can have."""

    UNKNOWN = 0
    BIT = 1
    BITS4 = 2
    BITS8 = 3
    BITS13 = 4
    BITS16 = 5
    BITS20 = 6
    BITS32 = 7
    BITS64 = 8
    BITS128 = 9
    IPV4 = 10
    LAYERS = 11
    EVENTS = 12
    PRIORITY = 13
    LENGTHS = 14
    TIMESTAMP = 15


class Style(enum.IntEnum):
    """enum fd_style: how a constant is written in canonical text."""

    BOOL = 0
    DECIMAL = 1
    HEX = 2
    IPV4 = 3
    IPV6 = 4
    LAYER = 5
    EVENT = 6


IPV4_MAPPED: Final = 0xFFFF << 32
"""::ffff:0.0.0.0: an IPv4 address is compared as this plus its 32 bits."""

PRIORITY_MAX: Final = 30000
LENGTH_MIN: Final = 20
"""sizeof(WINDIVERT_IPHDR)"""
LENGTH_MAX: Final = 40 + 0xFFFF
"""WINDIVERT_MTU_MAX"""

_BOUNDS: Final[Mapping[Range, tuple[int, int]]] = MappingProxyType(
    {
        Range.BIT: (0, 1),
        Range.BITS4: (0, 0xF),
        Range.BITS8: (0, 0xFF),
        Range.BITS13: (0, 0x1FFF),
        Range.BITS16: (0, 0xFFFF),
        Range.BITS20: (0, 0xFFFFF),
        Range.BITS32: (0, (1 << 32) - 1),
        Range.BITS64: (0, (1 << 64) - 1),
        Range.BITS128: (0, (1 << 128) - 1),
        Range.IPV4: (IPV4_MAPPED, IPV4_MAPPED | 0xFFFFFFFF),
        Range.LAYERS: (0, max(Layer)),
        Range.EVENTS: (0, max(Event)),
        Range.PRIORITY: (-PRIORITY_MAX, PRIORITY_MAX),
        Range.LENGTHS: (LENGTH_MIN, LENGTH_MAX),
        Range.TIMESTAMP: (-(1 << 63), (1 << 63) - 1),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One row of the field table; each exists once, and is compared by identity.

    Attributes:
        id: WinDivert's number of the field.
        name: as written in a filter.
        layers: where it exists, a bit for each ``Layer``.
        source: where its value comes from.
        header: whose presence it needs; without it every test of it is false.
        offset, width: bytes within the header, or the width of the value.
        shift, bits: the part of the big-endian word that is the field.
        range: the values that it can have.
        style: how its constants are written.
        bounds: (lowest, highest) of ``range``, or None where comparisons are never folded.
        indexed: it is an array, ``name[i]``.
    """

    id: int
    name: str
    layers: int
    source: Source
    header: Header
    offset: int
    width: int
    shift: int
    bits: int
    range: Range
    style: Style
    bounds: tuple[int, int] | None = field(init=False, repr=False)
    indexed: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bounds", _BOUNDS.get(self.range))
        object.__setattr__(self, "indexed", self.source in (Source.PACKET, Source.PAYLOAD))

    def exists_at(self, layer: Layer) -> bool:
        return bool(self.layers >> layer & 1)

    def __reduce__(self) -> tuple[Callable[[int], Field], tuple[int]]:
        return _field_of_id, (self.id,)


def _field_of_id(number: int) -> Field:
    return FIELDS[number]


def _read_table() -> tuple[Field, ...]:
    return tuple(
        Field(
            number,
            name,
            layers,
            Source(source),
            Header(header),
            offset,
            width,
            shift,
            bits,
            Range(range_),
            Style(style),
        )
        for number, (
            name,
            layers,
            source,
            header,
            offset,
            width,
            shift,
            bits,
            range_,
            style,
        ) in enumerate(_core.field_table())
    )


FIELDS: Final[tuple[Field, ...]] = _read_table()
"""Every field, indexed by id."""

FIELD_BY_NAME: Final[Mapping[str, Field]] = MappingProxyType({row.name: row for row in FIELDS})

ZERO: Final = FIELD_BY_NAME["zero"]
"""The field of the one test of a program that always or never matches."""

PRESENCE: Final[Mapping[Header, Field]] = MappingProxyType(
    {header: FIELD_BY_NAME[header.name.lower()] for header in Header if header is not Header.NONE}
)
"""The field that says whether a packet has a header."""

CONSTANTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "TRUE": 1,
        "FALSE": 0,
        "TCP": 6,
        "UDP": 17,
        "ICMP": 1,
        "ICMPV6": 58,
        **{layer.name: int(layer) for layer in Layer},
    }
)
"""Named constants that mean the same at every layer."""

EVENT_CONSTANTS: Final[Mapping[Layer, Mapping[str, Event]]] = MappingProxyType(
    {
        Layer.NETWORK: {"PACKET": Event.NETWORK_PACKET},
        Layer.NETWORK_FORWARD: {"PACKET": Event.NETWORK_PACKET},
        Layer.FLOW: {
            "ESTABLISHED": Event.FLOW_ESTABLISHED,
            "DELETED": Event.FLOW_DELETED,
        },
        Layer.SOCKET: {
            "BIND": Event.SOCKET_BIND,
            "CONNECT": Event.SOCKET_CONNECT,
            "LISTEN": Event.SOCKET_LISTEN,
            "ACCEPT": Event.SOCKET_ACCEPT,
            "CLOSE": Event.SOCKET_CLOSE,
        },
        Layer.REFLECT: {"OPEN": Event.REFLECT_OPEN, "CLOSE": Event.REFLECT_CLOSE},
    }
)
"""Named events, each only at its own layer."""
