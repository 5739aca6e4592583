# SPDX-License-Identifier: MIT
"""Columns: one field of every packet, by its name in the filter language."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fastdivert._core import Packets, field_table

_PACKET, _PAYLOAD = 2, 3  # enum fd_source
_IPV4, _IPV6 = 3, 4  # enum fd_style

_INDEXED = re.compile(
    r"(?P<name>[\w.]+)\s*\[\s*(?P<index>-?\s*(?:0x[0-9a-fA-F]+|\d+))(?P<bytes>b?)\s*\]"
)


@dataclass(frozen=True)
class Column:
    """A field, and for ``packet[...]`` and payload fields which element of it."""

    name: str
    field: int
    index: int
    bits: int
    width: int
    is_address: bool
    dtype: np.dtype[Any]
    stored: np.dtype[Any]  # as the kernels read and write it: a flag may be in a wider word
    shape: tuple[int, ...]  # of one element


_TABLE = field_table()
_BY_NAME = {row[0]: number for number, row in enumerate(_TABLE)}
_SIGNED: dict[str, np.dtype[Any]] = {
    "timestamp": np.dtype(np.int64),
    "priority": np.dtype(np.int16),
}


def _dtype_of(name: str, bits: int, width: int) -> np.dtype[Any]:
    if name in _SIGNED:
        return _SIGNED[name]
    if bits == 1:
        return np.dtype(np.bool_)
    return np.dtype(np.uint8) if width == 16 else np.dtype(f"u{width}")


@lru_cache(maxsize=1024)
def find_column(name: str, layer: int) -> Column:
    """The column called name at layer.

    Raises:
        KeyError: there is no such field, or not at this layer.
    """
    base, index, match = name, 0, _INDEXED.fullmatch(name.strip())
    if match:
        base = match["name"]
    if base not in _BY_NAME:
        raise KeyError(f"no field is called {name!r}")
    field = _BY_NAME[base]
    _, layers, source, _, _, width, _, bits, _, style = _TABLE[field]
    if not layers >> layer & 1:
        raise KeyError(f"{name!r} does not exist at this layer")
    if (source in (_PACKET, _PAYLOAD)) != bool(match):
        need = "an index, as in packet[0]" if not match else "no index"
        raise KeyError(f"{base!r} takes {need}")
    if match:
        index = int(match["index"].replace(" ", ""), 0) * (1 if match["bytes"] else width)
        if not -65535 <= index <= 65535 - width or -width < index < 0:
            raise KeyError(f"the index of {name!r} is out of range")
    shape = (16,) if width == 16 else ()
    dtype = _dtype_of(base, bits, width)
    stored = np.dtype(f"u{width}") if dtype == np.bool_ and width > 1 else dtype
    return Column(name, field, index, bits, width, style in (_IPV4, _IPV6), dtype, stored, shape)


def header_columns(layer: int) -> list[Column]:
    """The columns of every field that has no index, in the order of their ids."""
    return [
        find_column(row[0], layer)
        for row in _TABLE
        if row[2] not in (_PACKET, _PAYLOAD) and row[1] >> layer & 1
    ]


def load_column(packets: Packets, column: Column) -> npt.NDArray[Any]:
    """The column as a new array; read-only, since writing to it would change nothing."""
    values = np.empty((len(packets), *column.shape), column.stored)
    packets.load(column.field, column.index, values, 0, column.width)
    if column.stored is not column.dtype:
        values = values.astype(column.dtype, copy=False)
    values.setflags(write=False)
    return values


def checked_values(column: Column, values: Any, count: int) -> npt.NDArray[Any]:
    """values as a contiguous array that fits the column, or an error that says why not.

    Raises:
        ValueError: wrong kind, shape or range; it names the first bad index.
    """
    if column.is_address:
        values = _addresses(column, values)
    array = _whole_numbers(column, values)
    wanted = (count, *column.shape)
    if array.shape not in (wanted, column.shape):
        raise ValueError(f"{column.name}: values have shape {array.shape}; {wanted} is needed")
    low, high = _bounds(column)
    bad = (array < low) | (array > high)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        place = f" at index {where[0]}" if where else ""
        raise ValueError(f"{column.name}: {array[where]}{place} is not from {low} to {high}")
    return np.ascontiguousarray(np.broadcast_to(array, wanted), column.stored)


def _whole_numbers(column: Column, values: Any) -> npt.NDArray[Any]:
    """values as an array; of dtype object if numpy has no integers that hold them."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{column.name}: {error}") from None
    if array.dtype.kind in "iub":
        return array
    # Of huge ints in a list numpy makes floats or objects: look at them as they were given.
    exact = array if isinstance(values, np.ndarray) else np.asarray(values, object)
    if exact.dtype == object and all(isinstance(value, (int, np.integer)) for value in exact.flat):
        return exact
    raise ValueError(f"{column.name}: values are {array.dtype}; whole numbers are needed")


def _bounds(column: Column) -> tuple[int, int]:
    if column.shape:
        return 0, 255
    if column.dtype.kind == "i":
        limits = np.iinfo(column.dtype)
        return int(limits.min), int(limits.max)
    return 0, (1 << column.bits) - 1


def _addresses(column: Column, values: Any) -> Any:
    """Text and bytes to the numbers that the column holds."""
    if isinstance(values, str):
        return _parse_address(column, values, "")
    if isinstance(values, (bytes, bytearray, memoryview)):
        return np.frombuffer(values, np.uint8)
    is_list = isinstance(values, (list, tuple)) or getattr(values, "ndim", 0) == 1
    if not (is_list and all(isinstance(value, str) for value in values)):
        return values
    return np.array(
        [_parse_address(column, value, f" at index {row}") for row, value in enumerate(values)],
        column.dtype,
    ).reshape(len(values), *column.shape)


def _parse_address(column: Column, text: str, place: str) -> Any:
    from fastdivert.filter.address import parse_ipv4, parse_ipv6

    try:
        if column.width == 4:
            return np.uint32(parse_ipv4(text))
        return np.frombuffer(parse_ipv6(text), np.uint8)
    except ValueError as error:
        raise ValueError(f"{column.name}{place}: {error}") from None


def scalar(column: Column, array: npt.NDArray[Any]) -> Any:
    """One element for a person: bool, int, or 16 bytes."""
    return array.tobytes() if column.shape else array.reshape(())[()].item()


def row_number(value: Any, count: int) -> int:
    """value as an index of a batch of count rows, from the end if negative."""
    row = operator.index(value)
    if not -count <= row < count:
        raise IndexError(f"packet {row} of a batch of {count}")
    return row + count if row < 0 else row
