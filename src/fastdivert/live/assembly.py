# SPDX-License-Identifier: MIT
"""Fragments of a handle: which kinds it asks for, and what becomes of them.

For systems whose driver sees fragments before the host's IP layer has put them
together. The driver hands over, unjudged, those kinds of which the filter may
match a whole packet (``fragment_kinds``); ``Assembly`` makes packets of them
and asks the filter.
"""

from __future__ import annotations

import itertools
import secrets
from typing import Any, Final

from fastdivert._core import Packets, Reassembler
from fastdivert.enums import Layer
from fastdivert.filter import Filter

#: FD_REASSEMBLES of driver/linux/shared.h, and enum fd_fragment_class.
_REASSEMBLES: Final = 1 << 31
_CLASSES: Final = ("tcp", "udp", "icmp", "")
_IPV6: Final = 4
_OUTBOUND: Final = 8
_NUMBERS: Final = {"tcp": 6, "udp": 17, "icmp": 1}
_TRANSPORTS: Final = ("tcp", "udp", "icmp", "icmpv6")

#: ``Assembly.stats`` of a handle that has none.
NO_FRAGMENTS: Final = dict.fromkeys(
    ("fragments", "whole", "unwanted", "held", "timed_out", "crowded_out", "invalid"), 0
)


def fragment_kinds(filter: Filter) -> int:
    """The kinds of fragments that a handle with this filter must have, as the driver's bits."""
    kinds = _REASSEMBLES
    for outbound, ipv6, number in itertools.product((0, 1), (0, 1), range(len(_CLASSES))):
        own = _CLASSES[number] + ("v6" if ipv6 and _CLASSES[number] == "icmp" else "")
        values = {"inbound": 1 - outbound, "outbound": outbound, "ip": 1 - ipv6, "ipv6": ipv6}
        values |= {name: 0 for name in _TRANSPORTS if name != own}
        values["fragment"] = 0  # not any more
        if not ipv6 and own:
            values["ip.Protocol"] = _NUMBERS[own]
        if filter.may_match(**values):
            kinds |= 1 << number + _IPV6 * ipv6 + _OUTBOUND * outbound
    return kinds


class Assembly:
    """The fragments of one handle at the NETWORK layer. Guarded by whoever owns it.

    Args:
        filter: of the handle.
        gives_up: what is never whole goes back instead of being dropped.
    """

    def __init__(self, filter: Filter, *, gives_up: bool) -> None:
        self._reassembler = Reassembler(secrets.randbits(64), gives_up)
        self._program = filter.core_program

    def set_filter(self, filter: Filter) -> None:
        self._program = filter.core_program

    def feed(self, packets: Packets, now: int) -> tuple[Packets | None, Packets | None]:
        """What to deliver, and the fragments to give back as they came."""
        return self._reassembler.feed(packets, self._program, now)

    def give_up(self) -> Packets | None:
        """Every fragment that still waits for others."""
        return self._reassembler.give_up(int(Layer.NETWORK))

    def stats(self, now: int) -> dict[str, Any]:
        """What the handle's statistics need."""
        self._reassembler.expire(now)
        return {**self._reassembler.counters(), "held": self._reassembler.held}
