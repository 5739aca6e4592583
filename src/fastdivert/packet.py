# SPDX-License-Identifier: MIT
"""One packet of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastdivert.columns import checked_values, find_column, scalar
from fastdivert.enums import Event, Layer

if TYPE_CHECKING:
    from fastdivert.batch import Batch


class Packet:
    """A view of one packet: nothing is copied or parsed before it is asked for.

    ``packet["tcp.DstPort"]`` reads a field of the filter language (None if the
    packet does not have it) and ``packet["ip.TTL"] = 64`` writes one, checksums
    included.
    """

    __slots__ = ("_batch", "_row")

    def __init__(self, batch: Batch, row: int) -> None:
        self._batch = batch
        self._row = row

    def __getitem__(self, name: str) -> Any:
        column = find_column(name, self._batch.layer)
        value = np.empty(column.shape, column.stored)
        has = self._batch._packets.load_one(self._row, column.field, column.index, value)
        return scalar(column, value.astype(column.dtype, copy=False)) if has else None

    def __setitem__(self, name: str, value: Any) -> None:
        column = find_column(name, self._batch.layer)
        if not self._batch._packets.writable(column.field):
            raise ValueError(f"{name!r} cannot be written")
        values = checked_values(column, value, 1)
        self._batch._packets.store_one(self._row, column.field, column.index, values)

    @property
    def raw(self) -> npt.NDArray[np.uint8]:
        """The packet from its first IP byte, uint8, zero-copy and writable."""
        return self._batch._bytes(self._row, "packet")

    @property
    def payload(self) -> npt.NDArray[np.uint8]:
        """What follows the transport header, uint8, zero-copy and writable.

        Assigning bytes of another length moves the packet to memory of its own
        and makes lengths and checksums right.
        """
        return self._batch._bytes(self._row, "payload")

    @payload.setter
    def payload(self, data: bytes) -> None:
        self._batch.replace_payload(self._row, data)

    @property
    def link(self) -> npt.NDArray[np.uint8]:
        """The link-layer header that a capture kept before the packet: uint8, may be empty."""
        return self._batch._bytes(self._row, "link")

    @property
    def header(self) -> np.void:
        """The packet's row of ``Batch.headers``."""
        header: np.void = self._batch.headers[self._row]
        return header

    @property
    def address(self) -> np.void:
        """WINDIVERT_ADDRESS of the packet (a copy), dtype ADDRESS_DTYPE."""
        address: np.void = self._batch.addresses[self._row]
        return address

    @property
    def src_addr(self) -> str | None:
        """Source address as text."""
        return self._address("SrcAddr")

    @property
    def dst_addr(self) -> str | None:
        """Destination address as text."""
        return self._address("DstAddr")

    @property
    def src_port(self) -> int | None:
        """TCP or UDP source port."""
        return self._port("SrcPort")

    @property
    def dst_port(self) -> int | None:
        """TCP or UDP destination port."""
        return self._port("DstPort")

    def _address(self, end: str) -> str | None:
        from fastdivert.filter.address import format_ipv4, format_ipv6

        v4 = self[f"ip.{end}"]
        if v4 is not None:
            return format_ipv4(v4)
        v6 = self[f"ipv6.{end}"]
        return None if v6 is None else format_ipv6(v6)

    def _port(self, end: str) -> int | None:
        port: int | None = self[f"tcp.{end}"]
        if port is None:
            port = self[f"udp.{end}"]
        return port

    def __len__(self) -> int:
        return self._batch._packets.packet_size(self._row)

    def __bytes__(self) -> bytes:
        return self._batch._packets.packet_bytes(self._row)

    def __repr__(self) -> str:
        if self._batch.released:
            return f"<Packet {self._row}: released>"
        if self._batch.layer > Layer.NETWORK_FORWARD:
            event = Event(int(self.header["event"]))
            return f"<Packet {self._row}: {event.name} at {self._batch.layer.name}>"
        ends = [
            f"{address}:{port}" if port is not None else str(address)
            for address, port in ((self.src_addr, self.src_port), (self.dst_addr, self.dst_port))
        ]
        return f"<Packet {self._row}: {' > '.join(ends)}, {len(self)} bytes>"
