# SPDX-License-Identifier: MIT
"""Many packets at once."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt

from fastdivert import _core
from fastdivert.columns import (
    checked_values,
    find_column,
    header_columns,
    load_column,
    row_number,
)
from fastdivert.dtypes import ADDRESS_DTYPE, CHECKSUM_DTYPE, PARSED_DTYPE, headers_of
from fastdivert.enums import ChecksumFlag, Event, Layer, Verdict
from fastdivert.packet import Packet

if TYPE_CHECKING:
    from fastdivert.filter import Filter

Mask = npt.NDArray[np.bool_]

_ALL_CHECKSUM_FLAGS = functools.reduce(operator.or_, ChecksumFlag)


class Batch:
    """Packets (or events) in a row, as a driver or a capture delivered them.

    A batch owns its slots in the ring. Arrays taken from it (``headers``,
    ``payload``, a packet's ``raw``) are views of the slots and keep them alive;
    the slots go back to the driver when the batch was sent or released *and* the
    last such array is gone. Columns (``batch["ip.TTL"]``) are copies.

    All of it may be called from several threads; work on the same packets is
    done one after the other, with the GIL released.
    """

    __slots__ = ("__weakref__", "_packets")

    def __init__(self, packets: _core.Packets) -> None:
        self._packets = packets

    @classmethod
    def from_packets(
        cls,
        packets: Sequence[bytes | bytearray | memoryview],
        addresses: npt.ArrayLike | None = None,
        *,
        layer: Layer | None = None,
    ) -> Batch:
        """A batch of made-up packets, in memory of its own.

        Args:
            packets: bytes-like objects, each from its first IP byte. At the
                event layers they are empty, and the addresses say all.
            addresses: an array of ADDRESS_DTYPE, one for each packet (or one
                for all); all of one layer.
            layer: where the packets belong; by default that of the addresses,
                or NETWORK.

        Raises:
            TypeError: a packet is not bytes-like.
            ValueError: too long a packet; addresses of another length, dtype or
                of mixed layers.
        """
        found = None if addresses is None else _checked_addresses(addresses, len(packets))
        if layer is None:
            layer = Layer(int(found["Layer"][0])) if found is not None and len(found) else Layer(0)
        if found is not None:
            _check_kinds(found, Layer(layer))
        batch = cls(_core.Packets.from_sequence(packets, int(Layer(layer))))
        if found is not None:
            batch._packets.set_addresses(found)
        return batch

    # ---- shape and lifetime ------------------------------------------------

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def layer(self) -> Layer:
        """The layer of every row."""
        return Layer(self._packets.layer)

    @property
    def released(self) -> bool:
        """Whether the batch was sent or released."""
        return self._packets.is_released

    def release(self) -> None:
        """Gives the slots back without sending; packets that were diverted are dropped.

        Arrays that were taken stay valid and keep their slots. Idempotent.
        """
        self._packets.release()

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def copy(self) -> Batch:
        """The same packets in memory of their own, which no ring waits for."""
        return Batch(self._packets.copy())

    def select(self, where: Any) -> Batch:
        """The packets of a mask (bool, one for each), an index array or a slice.

        The bytes are shared: an edit shows in both. The headers are copies, so
        verdicts are not.
        """
        rows = np.arange(len(self), dtype=np.uint32)
        try:
            chosen = rows[where]
        except IndexError as error:
            raise IndexError(f"select from a batch of {len(self)}: {error}") from None
        return Batch(self._packets.gather(np.ascontiguousarray(chosen).reshape(-1)))

    def __iter__(self) -> Iterator[Packet]:
        return (Packet(self, row) for row in range(len(self)))

    def __repr__(self) -> str:
        state = ", released" if self.released else ""
        return f"<Batch of {len(self)} at {self.layer.name}{state}>"

    # ---- zero-copy views ---------------------------------------------------

    @property
    def headers(self) -> npt.NDArray[np.void]:
        """The descriptors in the ring: shape (n,), HEADER_DTYPE, zero-copy.

        Writing ``verdict`` decides about the packet; nothing that is written to
        the other fields moves a packet or its end.
        """
        return headers_of(self._packets)

    @property
    def verdicts(self) -> npt.NDArray[np.uint8]:
        """The verdict of each packet (Verdict), a writable view of ``headers``."""
        verdicts: npt.NDArray[np.uint8] = self.headers["verdict"]
        return verdicts

    def payload(self, row: int) -> npt.NDArray[np.uint8]:
        """What follows the transport header of one packet: uint8, zero-copy, writable."""
        return self._bytes(row, "payload")

    def _bytes(self, row: int, part: Literal["packet", "payload", "link"]) -> npt.NDArray[np.uint8]:
        view = self._packets.packet_view(row_number(row, len(self)), part)
        return np.frombuffer(view, np.uint8)

    # ---- columns -----------------------------------------------------------

    @overload
    def __getitem__(self, key: str) -> npt.NDArray[Any]: ...
    @overload
    def __getitem__(self, key: int) -> Packet: ...
    @overload
    def __getitem__(self, key: slice | npt.NDArray[Any]) -> Batch: ...
    def __getitem__(self, key: Any) -> npt.NDArray[Any] | Packet | Batch:
        """A column by its name in the filter language, a packet, or a selection.

        A column is a new read-only array of shape (n,), native byte order: bool
        for flags, uint8 to uint64 as wide as the field, int64 for timestamp;
        shape (n, 16), uint8 in network order for IPv6-sized addresses. Zero
        where a packet does not have the field: see ``has``.

        Raises:
            KeyError: no such field, or not at this layer.
            IndexError: no such packet.
        """
        if isinstance(key, str):
            return load_column(self._packets, find_column(key, self._packets.layer))
        if isinstance(key, (slice, np.ndarray, list)):
            return self.select(key)
        return Packet(self, row_number(key, len(self)))

    def __setitem__(self, name: str, values: npt.ArrayLike) -> None:
        """Writes a column; packets that do not have the field stay as they are."""
        self.set(name, values)

    def set(self, name: str, values: npt.ArrayLike, where: npt.ArrayLike | None = None) -> None:
        """Writes a field of every packet, or of those in the mask ``where``.

        IPv4, TCP, UDP and ICMP checksums that cover the field are adjusted by
        RFC 1624, so that a right one stays right and a wrong one wrong.

        Raises:
            KeyError: no such field. ValueError: it cannot be written, or values
                are of the wrong kind, shape or range (the first bad index is
                named); the batch is unchanged then.
        """
        column = find_column(name, self._packets.layer)
        if not self._packets.writable(column.field):
            raise ValueError(f"{name!r} cannot be written")
        checked = checked_values(column, values, len(self))
        mask = None if where is None else self._mask(where)
        self._packets.store(column.field, column.index, checked, mask)

    def has(self, name: str) -> Mask:
        """Where the packets have the field: bool, shape (n,)."""
        column = find_column(name, self._packets.layer)
        out = np.empty(len(self), np.bool_)
        self._packets.present(column.field, column.index, out)
        return out

    def parse(self, fields: Sequence[str] | None = None) -> npt.NDArray[np.void]:
        """Where everything is, and what it says: a structured array of shape (n,).

        The fields of PARSED_DTYPE (offsets, lengths, fragment and truncation
        state) come first, then a field for each name in ``fields``: by default
        every field of the layer that has no index; ``()`` for none.
        """
        layer = self._packets.layer
        base: Mapping[str, Any] = PARSED_DTYPE.fields or {}
        asked = (
            header_columns(layer)
            if fields is None
            else [find_column(name, layer) for name in dict.fromkeys(fields)]
        )
        columns = [column for column in asked if column.name not in base]
        if not columns:
            parsed = np.empty(len(self), PARSED_DTYPE)
            self._packets.parsed_into(parsed)
            return parsed
        offsets, at = [], PARSED_DTYPE.itemsize
        for column in columns:
            at += -at % column.stored.itemsize
            offsets.append(at)
            at += column.width
        dtype = np.dtype(
            {
                "names": [*base, *(column.name for column in columns)],
                "formats": [
                    *(entry[0] for entry in base.values()),
                    *((column.dtype, column.shape) for column in columns),
                ],
                "offsets": [*(entry[1] for entry in base.values()), *offsets],
                "itemsize": at + -at % 8,
            }
        )
        table = np.zeros(len(self), dtype)
        raw = table.view(np.uint8)
        parsed = self.parse(())
        for name in base:
            table[name] = parsed[name]
        for column, offset in zip(columns, offsets, strict=True):
            self._packets.load(column.field, column.index, raw, offset, dtype.itemsize)
        return table

    # ---- filters and verdicts ----------------------------------------------

    def match(self, filter: str | Filter) -> Mask:
        """Which packets a filter matches: bool, shape (n,).

        Raises:
            FilterError: the text does not compile. ValueError: a Filter that was
                compiled for another layer.
        """
        program = _program(filter, int(self._packets.layer))
        out = np.empty(len(self), np.bool_)
        self._packets.match(program, out)
        return out

    def drop(self, where: Any = slice(None)) -> None:
        """Marks the packets of a mask, an index array or a slice as not to be sent."""
        self.verdicts[where] = Verdict.DROP

    # ---- checksums, hash, TTL ----------------------------------------------

    def checksums(
        self,
        action: Literal["update", "verify"] = "update",
        flags: ChecksumFlag | int = ChecksumFlag.NONE,
    ) -> npt.NDArray[Any]:
        """Computes or checks IPv4, TCP, UDP, ICMP and ICMPv6 checksums (RFC 1071).

        ``"update"`` writes them all but those that flags name, as
        WinDivertHelperCalcChecksums does, and returns a mask: False where it
        could not (no packet, a fragment, a cut packet). ``"verify"`` returns an
        array of CHECKSUM_DTYPE and changes nothing.
        """
        if int(flags) & ~int(_ALL_CHECKSUM_FLAGS):
            raise ValueError(f"flags {int(flags):#x} have bits that no ChecksumFlag has")
        if action == "update":
            done = np.empty(len(self), np.bool_)
            self._packets.update_checksums(int(flags), done)
            return done
        if action != "verify":
            raise ValueError(f"checksums: {action!r} is neither 'update' nor 'verify'")
        bits = np.empty(len(self), np.uint8)
        self._packets.verify_checksums(bits)
        found = np.empty(len(self), CHECKSUM_DTYPE)
        for bit, name in enumerate(CHECKSUM_DTYPE.names or ()):
            found[name] = bits >> bit & 1
        return found

    def hash(self, seed: int = 0) -> npt.NDArray[np.uint64]:
        """WinDivertHelperHashPacket of each packet: uint64; 0 for what is cut or no packet."""
        out = np.empty(len(self), np.uint64)
        self._packets.hashes(operator.index(seed), out)
        return out

    def decrement_ttl(self, where: npt.ArrayLike | None = None) -> Mask:
        """One less for each TTL or hop limit above 1, checksums included.

        Returns a mask: False where it was 1 or 0 already (such packets are not
        changed and should be dropped), or is not in ``where``.
        """
        done = np.empty(len(self), np.bool_)
        self._packets.decrement_ttl(None if where is None else self._mask(where), done)
        return done

    # ---- payloads and addresses --------------------------------------------

    def replace_payload(self, row: int, data: bytes) -> None:
        """Gives one packet another payload, of any length.

        IP and UDP lengths and all checksums are made right; the packet moves to
        memory of its own, and arrays of it that were taken before show the old.

        Raises:
            ValueError: longer than the IP length can say, or no IP packet.
        """
        self._packets.replace_payload(row_number(row, len(self)), data)

    @property
    def addresses(self) -> npt.NDArray[np.void]:
        """WINDIVERT_ADDRESS of each packet: shape (n,), ADDRESS_DTYPE, a copy."""
        out = np.empty(len(self), ADDRESS_DTYPE)
        self._packets.addresses(out)
        return out

    @addresses.setter
    def addresses(self, addresses: npt.ArrayLike) -> None:
        found = _checked_addresses(addresses, len(self))
        _check_kinds(found, self.layer)
        self._packets.set_addresses(found)

    def _mask(self, where: npt.ArrayLike) -> Mask:
        mask = np.asarray(where)
        if mask.dtype != np.bool_ or mask.shape != (len(self),):
            raise ValueError(
                f"the mask is {mask.dtype} of shape {mask.shape}; bool of ({len(self)},) is needed"
            )
        return np.ascontiguousarray(mask)


def _checked_addresses(addresses: npt.ArrayLike, count: int) -> npt.NDArray[np.void]:
    array = np.asarray(addresses)
    if array.dtype != ADDRESS_DTYPE:
        raise ValueError(f"addresses are {array.dtype}; fastdivert.ADDRESS_DTYPE is needed")
    if array.shape not in ((), (count,)):
        raise ValueError(f"addresses have shape {array.shape}; ({count},) is needed")
    return np.ascontiguousarray(np.broadcast_to(array, (count,)))


def _check_kinds(addresses: npt.NDArray[np.void], layer: Layer) -> None:
    """All are of this layer, and of events that exist."""
    others = np.flatnonzero(addresses["Layer"] != layer)
    if len(others):
        found = addresses["Layer"][others[0]]
        raise ValueError(f"address {others[0]} is of layer {found}, not {int(layer)}")
    unknown = np.flatnonzero(addresses["Event"] > max(Event))
    if len(unknown):
        found = addresses["Event"][unknown[0]]
        raise ValueError(f"address {unknown[0]} has event {found}; no event has that number")


@functools.lru_cache(maxsize=256)
def _compiled(text: str, layer: int) -> _core.Program:
    from fastdivert.filter import compile as compile_filter

    return _core.Program(compile_filter(text, Layer(layer)).program.to_bytes())


def _program(filter: str | Filter, layer: int) -> _core.Program:
    if isinstance(filter, str):
        return _compiled(filter, layer)
    if filter.layer != layer:
        raise ValueError(
            f"the filter was compiled for {Layer(filter.layer).name}, the batch is of "
            f"{Layer(layer).name}: compile it for that layer"
        )
    return filter.core_program
