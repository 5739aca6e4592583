# SPDX-License-Identifier: MIT
"""What a capture's rows are, in plain values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastdivert.batch import Batch
from fastdivert.enums import HeaderFlag, Link


@dataclass(frozen=True)
class Row:
    """One packet as it was read: its bytes, and what the descriptor says."""

    timestamp: int
    link: Link
    l2: bytes
    packet: bytes
    length: int
    flags: HeaderFlag
    ifindex: int

    @property
    def frame(self) -> bytes:
        return self.l2 + self.packet

    @property
    def malformed(self) -> bool:
        return HeaderFlag.MALFORMED in self.flags


def rows_of(batches: Iterable[Batch]) -> list[Row]:
    found = []
    for batch in batches:
        headers = batch.headers
        for i in range(len(batch)):
            header = headers[i]
            found.append(
                Row(
                    int(header["timestamp"]),
                    Link(int(header["link"])),
                    batch._bytes(i, "link").tobytes(),
                    batch._bytes(i, "packet").tobytes(),
                    int(header["length"]),
                    HeaderFlag(int(header["flags"])),
                    int(header["ifindex"]),
                )
            )
    return found
