# SPDX-License-Identifier: MIT
"""Who talks how much: packets and bytes by address or conversation, added up in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

import fastdivert as fd

#: What packets can be added up by.
KINDS: Final = ("source", "destination", "conversation")

#: Talkers that are kept; over that, the half with the fewest bytes is forgotten.
_MOST: Final = 65536

#: An address and a port, in network order, so that keys sort as numbers do.
_END: Final = np.dtype([("address", np.uint8, (16,)), ("port", ">u2")])
#: Padded to whole words of 8 bytes, which sort faster than bytes do.
_KEY: Final = np.dtype([("protocol", np.uint32), ("low", _END), ("high", _END)])
_WORDS: Final = _KEY.itemsize // 8

_MAPPED: Final = np.array([0] * 10 + [255] * 2, np.uint8)  # ::ffff:0:0/96
_PROTOCOLS: Final = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6"}


@dataclass(slots=True)
class Talker:
    """What one of them has sent: packets and bytes in all, and bytes since the last look."""

    name: str
    packets: int = 0
    bytes: int = 0
    recent: int = 0


class Talkers:
    """Adds up batches; add to it before they are sent or released."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._found: dict[bytes, Talker] = {}
        self.packets = 0
        self.bytes = 0

    def add(self, batch: fd.Batch) -> None:
        """Counts the packets of a batch."""
        if len(batch) == 0:
            return
        lengths = batch.headers["length"].astype(np.int64)
        keys = self._keys(batch)
        words = keys.view(np.uint64).reshape(-1, _WORDS)
        order = np.lexsort(words.T)
        words = words[order]
        first = np.flatnonzero(np.r_[True, (words[1:] != words[:-1]).any(axis=1)])
        found = keys[order[first]].view(f"V{_KEY.itemsize}").tolist()
        packets = np.diff(first, append=len(batch)).tolist()
        sizes = np.add.reduceat(lengths[order], first).tolist()
        for key, count, size in zip(found, packets, sizes, strict=True):
            talker = self._found.get(key)
            if talker is None:
                talker = self._found[key] = Talker(self._name(key))
            talker.packets += count
            talker.bytes += size
            talker.recent += size
        self.packets += len(batch)
        self.bytes += int(lengths.sum())
        if len(self._found) > _MOST:
            self._forget()

    def most(self, number: int, *, recent: bool = False) -> list[Talker]:
        """Those with the most bytes, in all or since the last ``look``."""
        weight = (lambda one: (one.recent, one.bytes)) if recent else (lambda one: one.bytes)
        return sorted(self._found.values(), key=weight, reverse=True)[:number]

    def look(self) -> None:
        """What is recent begins anew."""
        for talker in self._found.values():
            talker.recent = 0

    def _keys(self, batch: fd.Batch) -> npt.NDArray[Any]:
        keys = np.zeros(len(batch), _KEY)
        if self._kind != "conversation":
            end = "SrcAddr" if self._kind == "source" else "DstAddr"
            keys["low"]["address"] = _address(batch, end)
            return keys
        headers = batch.headers
        ends = np.zeros((2, len(batch)), _END)
        for row, (name, port) in enumerate(
            (("SrcAddr", "source_port"), ("DstAddr", "destination_port"))
        ):
            ends["address"][row] = _address(batch, name)
            ends["port"][row] = headers[port]
        # Both directions are one conversation: the lesser end comes first.
        text = ends.view(f"S{_END.itemsize}")
        turned = text[0] > text[1]
        keys["low"] = np.where(turned, ends[1], ends[0])
        keys["high"] = np.where(turned, ends[0], ends[1])
        keys["protocol"] = headers["protocol"]
        return keys

    def _name(self, data: bytes) -> str:
        key = np.frombuffer(data, _KEY)[0]
        low = fd.format_ipv6(key["low"]["address"].tobytes())
        if self._kind != "conversation":
            return low
        protocol = int(key["protocol"])
        high = fd.format_ipv6(key["high"]["address"].tobytes())
        if protocol in (6, 17):
            low, high = f"{low}.{key['low']['port']}", f"{high}.{key['high']['port']}"
        return f"{_PROTOCOLS.get(protocol, f'protocol {protocol}')} {low} - {high}"

    def _forget(self) -> None:
        kept = sorted(self._found.items(), key=lambda item: item[1].bytes, reverse=True)
        self._found = dict(kept[: _MOST // 2])


def _address(batch: fd.Batch, name: str) -> npt.NDArray[np.uint8]:
    """Of each packet 16 bytes; an IPv4 address is mapped into IPv6."""
    addresses = batch[f"ipv6.{name}"].copy()
    v4 = batch["ip"]
    addresses[v4, :12] = _MAPPED
    addresses[v4, 12:] = batch[f"ip.{name}"][v4].astype(">u4").view(np.uint8).reshape(-1, 4)
    return addresses
