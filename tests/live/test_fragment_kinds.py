# SPDX-License-Identifier: MIT
"""A handle gets every fragment of which its filter may match the whole, and no other kinds."""

from __future__ import annotations

import os
import struct
from random import Random

import numpy as np
import pytest

import fastdivert as fd
from fastdivert.live.assembly import fragment_kinds
from tests.fragmenting import cut
from tests.live.hook import Hook
from tests.live.test_filter import ifindex
from tests.oracle.generator import random_filter

__all__ = ["ifindex"]

_ADDRESS = bytes.fromhex("020000000001")
_NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "esp": 50}
ROUNDS = int(os.environ.get("FASTDIVERT_LIVE_ROUNDS", "12"))


def packet(version: int, protocol: int, data: bytes) -> bytes:
    if version == 4:
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), 1, 0, 64, protocol, 0)
        return header + bytes((10, 1, 0, 1)) + bytes((10, 1, 0, 2)) + data
    ends = bytes.fromhex("fd000001000000000000000000000001fd000001000000000000000000000002")
    return struct.pack("!IHBB", 6 << 28, len(data), protocol, 64) + ends + data


def transport(name: str) -> bytes:
    """A header with ports 1000 and 53, or an echo request, and data."""
    ports = struct.pack("!HH", 1000, 53)
    return {
        "tcp": ports + bytes(8) + b"\x50\x10" + bytes(6),
        "udp": ports + struct.pack("!HH", 208, 0),
        "icmp": b"\x08\0\0\0" + bytes(4),
        "icmpv6": b"\x80\0\0\0" + bytes(4),
        "esp": bytes(8),
    }[name] + bytes(200)


def whole_packets() -> list[tuple[int, str, bytes]]:
    return [
        (version, name, packet(version, number, transport(name)))
        for version in (4, 6)
        for name, number in _NUMBERS.items()
    ]


@pytest.mark.parametrize("egress", [False, True], ids=["inbound", "outbound"])
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("udp.DstPort == 53", {"udp"}),
        ("tcp", {"tcp"}),
        ("icmp or icmpv6", {"icmp4", "icmpv66"}),
        ("true", {"tcp", "udp", "icmp", "icmpv6", "esp"}),
        ("inbound and udp", {"udp in"}),
        ("outbound and tcp", {"tcp out"}),
        ("ip and udp", {"udp4"}),
        ("ipv6 and udp", {"udp6"}),
        ("ip.Protocol == 50", {"esp4", "icmpv64"}),  # one kind: all other protocols
        ("fragment", set()),
    ],
)
def test_kinds(ifindex: int, text: str, wanted: set[str], egress: bool) -> None:
    filter = fd.compile(text)
    hook = Hook(filter.program.to_bytes(), ifindex, _ADDRESS, fragments=fragment_kinds(filter))
    way = " out" if egress else " in"
    try:
        for version, name, whole in whole_packets():
            names = {name, f"{name}{version}", f"{name}{way}"}
            for piece in cut(whole, 80):
                taken = hook.judge(piece, egress=egress) is not None
                assert taken == bool(names & wanted), (version, name)
    finally:
        hook.close()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_no_fragment_of_a_packet_that_matches_is_left_out(ifindex: int, seed: int) -> None:
    chance = Random(seed)

    for _ in range(4):
        filter = fd.compile(random_filter(chance, fd.Layer.NETWORK))
        hook = Hook(filter.program.to_bytes(), ifindex, _ADDRESS, fragments=fragment_kinds(filter))
        try:
            for egress in (False, True):
                address = np.zeros((), fd.ADDRESS_DTYPE)
                address["Flags"] = int(fd.AddressFlag.OUTBOUND) if egress else 0
                address["Network"]["IfIdx"] = ifindex
                for _, _, whole in whole_packets():
                    batch = fd.Batch.from_packets([whole], address)
                    if not batch.match(filter)[0]:
                        continue
                    for piece in cut(whole, 80):
                        assert hook.judge(piece, egress=egress) is not None, filter.text
        finally:
            hook.close()
