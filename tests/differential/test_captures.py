# SPDX-License-Identifier: MIT
"""Recorded traffic: filters, columns and checksums as WinDivert has them."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from random import Random

import numpy as np
import pytest

import fastdivert as fd
from tests import oracle
from tests.differential.evaluation import Arena
from tests.differential.filters import likely_filter
from tests.differential.rules import is_tcp_header_cut, parse
from tests.oracle.generator import random_filter

_CAPTURES = sorted((Path(__file__).parent.parent / "captures").glob("*.pcap*"))
_OPAQUE = 6  # fd_link OTHER: a frame that is no IP packet

_FILTERS = """\
true
ip or ipv6
tcp.DstPort == 80 or tcp.SrcPort == 80
tcp.Syn and not tcp.Ack
tcp.PayloadLength > 0 and tcp.Payload[0] == 0x47
tcp.Payload32[0] == 0x47455420
tcp.Payload[-1] == 10
udp.DstPort == 53 and udp.PayloadLength > 12
udp.Payload16[2] == 1
icmp.Type == 8 or icmpv6.Type == 128
icmp or icmpv6
fragment
ip.FragOff > 0 or ip.MF
ip.DF and ip.TTL == 64
not ip.DF
length > 1000
ip.Length > 1500
packet[0] == 0x45
packet16[-2b] != 0
(ip ? ip.TTL < 65 : ipv6.HopLimit == 255)
(tcp ? tcp.Fin or tcp.Rst : udp)
inbound
outbound
localPort == 80 or remotePort == 53
remoteAddr >= fe80:: and remoteAddr < fec0::
ip.SrcAddr >= 10.0.0.0 and ip.SrcAddr < 11.0.0.0
random8 < 128
protocol == TCP and ipv6
timestamp > 0
""".splitlines()


def _packets(path: Path) -> tuple[fd.Batch, list[bytes]]:
    """All that is no ARP or the like, as one batch of its own memory."""
    contents: list[bytes] = []
    addresses: list[bytes] = []
    for batch in fd.read_pcap(path):
        chosen = batch.select(batch.headers["link"] != _OPAQUE)
        contents += [bytes(packet) for packet in chosen]
        addresses += [address.tobytes() for address in chosen.addresses]
    found = np.frombuffer(bytearray(b"".join(addresses)), fd.ADDRESS_DTYPE)
    return fd.Batch.from_packets(contents, found), contents


@pytest.fixture(scope="module", params=_CAPTURES, ids=lambda path: path.name)
def capture(request: pytest.FixtureRequest) -> tuple[fd.Batch, list[bytes]]:
    return _packets(request.param)


def test_there_are_captures() -> None:
    assert len(_CAPTURES) >= 10


def test_filters_decide_as_windivert(
    capture: tuple[fd.Batch, list[bytes]], rng: Random, tally: Counter[str]
) -> None:
    batch, packets = capture
    assert len(packets) >= 10
    counts: Counter[str] = Counter()
    generated = [
        likely_filter(rng, batch) if number % 4 else random_filter(rng, batch.layer)
        for number in range(100)
    ]
    Arena(batch, packets).compare([*_FILTERS, *generated], counts)
    assert counts["pairs of a filter and a packet"] > 100 * len(packets)
    tally["pairs of a filter and a recorded packet"] += counts["pairs of a filter and a packet"]


@pytest.mark.parametrize("path", _CAPTURES, ids=lambda path: path.name)
def test_rows_of_the_reader_decide_as_their_copies(path: Path) -> None:
    whole, _ = _packets(path)
    for text in _FILTERS:
        masks = []
        for batch in fd.read_pcap(path, max_packets=7):
            is_ip = batch.headers["link"] != _OPAQUE
            mask = batch.match(text)
            assert not mask[~is_ip].any(), text  # what is no packet matches nothing
            masks.append(mask[is_ip])
        assert np.array_equal(np.concatenate(masks), whole.match(text)), text


def test_parse_by_the_rules(capture: tuple[fd.Batch, list[bytes]]) -> None:
    batch, packets = capture
    for packet, row in zip(packets, batch.parse(()), strict=True):
        assert {name: int(row[name]) for name in asdict(parse(packet))} == asdict(parse(packet))


def test_checksums_and_hashes_as_windivert(capture: tuple[fd.Batch, list[bytes]]) -> None:
    batch, packets = capture
    assert batch.hash(99).tolist() == [oracle.hash(packet, 99) for packet in packets]
    copied = batch.copy()
    done = copied.checksums()
    for row, packet in enumerate(packets):
        if is_tcp_header_cut(packet, parse(packet)):
            continue
        theirs = oracle.checksums(packet)
        assert bytes(copied[row]) == theirs.packet
        assert bool(done[row]) == theirs.done
    found = copied.checksums("verify")
    assert (found["ip_right"] == found["ip_present"]).all()
    assert (found["l4_right"] == found["l4_present"]).all()
