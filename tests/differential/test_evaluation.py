# SPDX-License-Identifier: MIT
"""Filters decide about packets and events as WinDivert's executor does."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastdivert as fd
from tests import oracle
from tests.differential.addresses import random_addresses
from tests.differential.evaluation import Arena
from tests.differential.filters import likely_filter
from tests.differential.packets import packet_strategy, random_packet
from tests.differential.programs import random_object
from tests.oracle.generator import random_filter

# Of all pairs, in percent.
_SHARES = {
    fd.Layer.NETWORK: 70,
    fd.Layer.NETWORK_FORWARD: 10,
    fd.Layer.FLOW: 7,
    fd.Layer.SOCKET: 8,
    fd.Layer.REFLECT: 5,
}
_PACKETS = 200
_FILTERS = 20


def _random_arena(rng: Random, layer: fd.Layer) -> Arena:
    is_event = layer > fd.Layer.NETWORK_FORWARD
    packets = [b"" if is_event else random_packet(rng) for _ in range(_PACKETS)]
    return Arena(fd.Batch.from_packets(packets, random_addresses(rng, packets, layer)), packets)


def _filters(rng: Random, batch: fd.Batch) -> list[str]:
    """Two thirds with the packets' own values, one third at the bounds of the language."""
    return [
        likely_filter(rng, batch) if number % 3 else random_filter(rng, batch.layer)
        for number in range(_FILTERS)
    ]


def test_the_shares_are_the_whole() -> None:
    assert sum(_SHARES.values()) == 100


@pytest.mark.parametrize("layer", fd.Layer, ids=lambda layer: layer.name)
def test_filters_decide_as_windivert(
    layer: fd.Layer, rng: Random, pairs: int, tally: Counter[str]
) -> None:
    asked = -(-pairs * _SHARES[layer] // 100)
    counts: Counter[str] = Counter()
    while counts["pairs of a filter and a packet"] < asked:
        arena = _random_arena(rng, layer)
        arena.compare(_filters(rng, arena.batch), counts)
    tally.update(counts)

    compared = counts["pairs of a filter and a packet"]
    assert compared >= asked
    assert 0.05 < counts["pairs that matched"] / compared < 0.95
    filters = compared // _PACKETS + counts["filters excluded"]
    # Some 6 % of random filters name the one field that is excluded; five standard
    # deviations more than that is not chance.
    excluded = filters * 0.06
    assert counts["filters excluded"] <= 3 + excluded + 5 * excluded**0.5
    assert counts["filters compared"] > 0.5 * filters


@pytest.mark.parametrize("layer", fd.Layer, ids=lambda layer: layer.name)
def test_programs_decide_as_windivert(
    layer: fd.Layer, rng: Random, pairs: int, tally: Counter[str]
) -> None:
    """Programs that no filter text compiles to, as filter objects."""
    counts: Counter[str] = Counter()
    while counts["pairs of a filter object and a packet"] < pairs // 20:
        arena = _random_arena(rng, layer)
        for _ in range(_FILTERS):
            arena.compare_object(*random_object(rng, arena.batch), counts)
    tally.update(counts)


@settings(max_examples=150, deadline=None)
@given(
    packets=st.lists(packet_strategy(), min_size=1, max_size=3),
    rng=st.randoms(use_true_random=False),
)
def test_filters_decide_as_windivert_shrinking(packets: list[bytes], rng: Random) -> None:
    batch = fd.Batch.from_packets(packets, random_addresses(rng, packets))
    Arena(batch, packets).compare([likely_filter(rng, batch)], Counter())


# ---- deviations: where we follow the manual ---------------------------------------


_SYN = bytes.fromhex(
    "450000280001000040060000010203040506070800500051ffffffff000000005002020000000000"
)
_UDP = bytes.fromhex("4500001c000100004011000001020304050607080035003500080000")
_LABEL = bytes.fromhex("60050003000811ff") + bytes(32) + bytes.fromhex("0035003500080000")


def _ours_and_theirs(text: str, packet: bytes, **address: int) -> tuple[bool, bool]:
    theirs = oracle.Address()
    theirs.IPv6 = packet[0] >> 4 == 6
    for name, value in address.items():
        setattr(theirs, name, value)
    addresses = np.frombuffer(bytes(theirs), fd.ADDRESS_DTYPE)
    ours = bool(fd.Batch.from_packets([packet], addresses).match(text)[0])
    return ours, oracle.evaluate(text, packet, theirs)


@pytest.mark.parametrize(
    ("text", "packet", "ours"),
    [
        # never equal; WinDivert folds it to "not tcp"
        ("tcp.DstPort == 70000", _UDP, False),
        ("tcp.DstPort == 70000", _SYN, False),
        ("tcp.DstPort > 65535", _UDP, False),
        ("not tcp.DstPort != 70000", _UDP, False),
        # the label; WinDivert turns its bytes around
        ("ipv6.FlowLabel == 0x50003", _LABEL, True),
        ("ipv6.FlowLabel == 0x30500", _LABEL, False),
        # whole constants; WinDivert keeps 32 bits
        ("tcp.SeqNum == 0x1ffffffff", _SYN, False),
        ("tcp.SeqNum < 0x100000000", _SYN, True),
        ("packet32[0] == 0x145000028", _SYN, False),
    ],
)
def test_we_follow_the_manual(text: str, packet: bytes, ours: bool) -> None:
    assert _ours_and_theirs(text, packet)[0] is ours


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("tcp.DstPort == 70000", _UDP),
        ("ipv6.FlowLabel == 0x50003", _LABEL),
        ("ipv6.FlowLabel == 0x30500", _LABEL),
        ("tcp.SeqNum == 0x1ffffffff", _SYN),
        ("tcp.SeqNum < 0x100000000", _SYN),
        ("packet32[0] == 0x145000028", _SYN),
    ],
)
def test_windivert_deviates_still(text: str, packet: bytes) -> None:
    ours, theirs = _ours_and_theirs(text, packet)
    assert ours != theirs


@pytest.mark.parametrize("layer", [fd.Layer.FLOW, fd.Layer.SOCKET], ids=lambda layer: layer.name)
@pytest.mark.parametrize("is_ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_an_event_has_the_ip_version_of_its_addresses(layer: fd.Layer, is_ipv6: bool) -> None:
    address = np.zeros(1, fd.ADDRESS_DTYPE)
    address["Layer"], address["Event"] = layer, 1 if layer == fd.Layer.FLOW else 3
    address["Flags"] = 1 << 4 if is_ipv6 else 0
    batch = fd.Batch.from_packets([b""], address)
    assert list(batch.match("ip")) == [not is_ipv6]
    assert list(batch.match("ipv6")) == [is_ipv6]
    assert not oracle.evaluate("ip or ipv6", None, address.tobytes())


def test_the_packet_decides_about_its_ip_version_not_the_address() -> None:
    address = np.zeros(1, fd.ADDRESS_DTYPE)
    address["Flags"] = 1 << 4
    assert fd.Batch.from_packets([_SYN], address).match("ip and tcp").all()
    with pytest.raises(oracle.OracleError):
        oracle.evaluate("ip and tcp", _SYN, address.tobytes())


def test_what_is_no_packet_matches_nothing(rng: Random) -> None:
    packets = [b"", b"\x45", bytes(40), b"\x45" * 19, b"\x65" * 39, b"\x4f" * 59]
    batch = fd.Batch.from_packets(packets)
    for text in ("true", "not tcp", "length < 100", "packet[0] = 0", "zero == 0", "timestamp = 0"):
        assert not batch.match(text).any(), text
        for packet in packets:
            for version in (0, 1):
                address = oracle.Address()
                address.IPv6 = version
                with pytest.raises(oracle.OracleError):
                    oracle.evaluate(text, packet, address)
