# SPDX-License-Identifier: MIT
"""What a replay has seen: packets by protocol, and who sent the most."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

import fastdivert as fd

_PROTOCOLS = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 47: "GRE", 50: "ESP", 58: "ICMPv6"}


class Tally:
    """Counts batches; add to it before they are sent."""

    def __init__(self, *, talkers: bool) -> None:
        self.packets = 0
        self.bytes = 0
        self._protocols = np.zeros((2, 256), np.int64)  # IPv4 and IPv6, by number
        self._malformed = 0
        self._talkers: Counter[str] | None = Counter() if talkers else None

    def add(self, batch: fd.Batch) -> None:
        """Counts the packets of a batch."""
        headers = batch.headers
        malformed = headers["flags"] & fd.HeaderFlag.MALFORMED != 0
        protocols = headers["protocol"].astype(np.int64)
        protocols += ((headers["flags"] & fd.HeaderFlag.IPV6) != 0) * 256
        if malformed.any():
            self._malformed += int(malformed.sum())
            protocols = protocols[~malformed]
        self._protocols += np.bincount(protocols, minlength=512).reshape(2, 256)
        self.packets += len(batch)
        self.bytes += int(headers["length"].sum())
        if self._talkers is not None:
            self._add_talkers(batch, self._talkers)

    def _add_talkers(self, batch: fd.Batch, talkers: Counter[str]) -> None:
        for name in ("ip.SrcAddr", "ipv6.SrcAddr"):
            has = batch.has(name)
            values = batch[name][has]
            lengths = batch.headers["length"][has]
            found, which = np.unique(values, axis=0, return_inverse=True)
            totals = np.bincount(which.reshape(-1), weights=lengths, minlength=len(found))
            for value, total in zip(found, totals.tolist(), strict=True):
                talkers[_address(value)] += int(total)

    def protocols(self) -> dict[str, int]:
        """Packets by protocol, most first."""
        counts = {"not IP": self._malformed} if self._malformed else {}
        for version, numbers in zip(("IPv4", "IPv6"), self._protocols, strict=True):
            for number in np.flatnonzero(numbers).tolist():
                name = f"{version} {_PROTOCOLS.get(number, f'protocol {number}')}"
                counts[name] = int(numbers[number])
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    def talkers(self, most: int) -> dict[str, int]:
        """The source addresses with the most bytes."""
        return dict((self._talkers or Counter()).most_common(most))


def _address(value: Any) -> str:
    return fd.format_ipv6(value.tobytes()) if value.shape else fd.format_ipv4(int(value))
