# SPDX-License-Identifier: MIT
"""Fragments among the rows of a batch: whole packets take their place, in order."""

from __future__ import annotations

import random

import pytest

import fastdivert as fd
from fastdivert._core import Packets, Program, Reassembler
from tests.fragmenting import cut
from tests.traffic import tcp, udp

SECOND = 1_000_000_000
ANY = fd.compile("true").core_program
PORT = fd.compile("udp.DstPort == 53").core_program


def batch_of(packets: list[bytes]) -> Packets:
    return fd.Batch.from_packets(packets)._packets


def raw(packets: Packets | None) -> list[bytes]:
    return [] if packets is None else [bytes(packet) for packet in fd.Batch(packets)]


def without_identification(packet: bytes) -> bytes:
    return packet[:4] + bytes(2) + packet[6:10] + bytes(2) + packet[12:]


def feed(
    reassembler: Reassembler, packets: list[bytes], program: Program = ANY, now: int = 0
) -> tuple[list[bytes], list[bytes]]:
    kept, unwanted = reassembler.feed(batch_of(packets), program, now)
    return [without_identification(packet) for packet in raw(kept)], raw(unwanted)


def test_a_batch_without_fragments_is_the_same_batch() -> None:
    packets = batch_of([tcp(1, 2), udp(3, 4)])
    kept, unwanted = Reassembler(1).feed(packets, ANY, 0)
    assert kept is packets
    assert unwanted is None


def test_a_whole_packet_stands_where_its_last_fragment_came() -> None:
    whole = udp(1, 53, bytes(range(200)))
    first, second, third = cut(whole, 80)
    plain = [tcp(port, 80) for port in range(4)]
    rows = [plain[0], third, plain[1], first, plain[2], second, plain[3]]
    kept, unwanted = feed(Reassembler(1), rows)
    assert kept == [without_identification(one) for one in (*plain[:3], whole, plain[3])]
    assert unwanted == []


def test_it_goes_on_over_batches() -> None:
    reassembler = Reassembler(1)
    whole = udp(1, 53, bytes(range(200)))
    first, second, third = cut(whole, 80)
    assert feed(reassembler, [first]) == ([], [])
    assert feed(reassembler, [third, tcp(1, 2)])[0] == [without_identification(tcp(1, 2))]
    assert reassembler.held == 2
    assert feed(reassembler, [second])[0] == [without_identification(whole)]
    assert reassembler.held == 0


def test_what_the_filter_does_not_match_comes_back_as_it_came() -> None:
    wanted, other = udp(1, 53, bytes(200)), udp(1, 54, bytes(200))
    pieces = [*cut(other, 80, 1), *cut(wanted, 80, 2), *cut(other, 120, 3)]
    random.Random(3).shuffle(pieces)
    kept, unwanted = feed(Reassembler(1), pieces, PORT)
    assert kept == [without_identification(wanted)]
    assert sorted(unwanted) == sorted([*cut(other, 80, 1), *cut(other, 120, 3)])
    for identification in (1, 3):
        number = identification.to_bytes(2, "big")
        assert [piece for piece in unwanted if piece[4:6] == number] == [
            piece for piece in pieces if piece[4:6] == number
        ]


def test_a_whole_packet_has_fields_of_its_own() -> None:
    whole = udp(1, 53, bytes(200))
    kept, _ = Reassembler(1).feed(batch_of(cut(whole, 80)), ANY, 0)
    assert kept is not None
    batch = fd.Batch(kept)
    assert batch["udp.DstPort"].tolist() == [53]
    assert batch["fragment"].tolist() == [False]
    assert batch.headers["length"].tolist() == [len(whole)]
    assert batch.checksums("verify")["ip_right"].all()


@pytest.mark.parametrize("gives_up", [False, True])
def test_what_is_never_whole(gives_up: bool) -> None:
    reassembler = Reassembler(1, gives_up)
    pieces = cut(udp(1, 53, bytes(200)), 80)[:2]
    assert feed(reassembler, pieces) == ([], [])
    late = feed(reassembler, [tcp(1, 2)], now=30 * SECOND)
    assert late[1] == (pieces if gives_up else [])
    counters = reassembler.counters()
    assert counters["timed_out"] == (0 if gives_up else 2)
    assert counters["given_up"] == (2 if gives_up else 0)
    assert reassembler.held == 0


@pytest.mark.parametrize("gives_up", [False, True])
def test_memory_is_bounded(gives_up: bool) -> None:
    reassembler = Reassembler(1, gives_up, 1 << 16)
    back = 0
    for identification in range(1000):
        first = cut(udp(1, 53, bytes(200)), 80, identification)[0]
        back += len(feed(reassembler, [first])[1])
    assert 0 < reassembler.held < 60
    counters = reassembler.counters()
    lost = 1000 - reassembler.held
    assert (counters["crowded_out"], counters["given_up"]) == ((0, back) if gives_up else (lost, 0))
    assert back == (lost if gives_up else 0)


def test_giving_up_hands_everything_back() -> None:
    reassembler = Reassembler(1)
    pieces = cut(udp(1, 53, bytes(200)), 80)[:2]
    feed(reassembler, pieces)
    assert raw(reassembler.give_up(0)) == pieces
    assert reassembler.give_up(0) is None


def test_random_rows_are_all_accounted_for() -> None:
    chance = random.Random(5)
    reassembler = Reassembler(1)
    delivered: list[bytes] = []
    returned: list[bytes] = []
    plain = unmatched_pieces = 0
    wholes: list[bytes] = []
    queue: list[bytes] = []
    for identification in range(300):
        port = chance.choice((53, 54))
        whole = udp(chance.randrange(65536), port, bytes(chance.randrange(100, 900)))
        wholes.append(whole)
        pieces = cut(whole, 8 * chance.randrange(4, 13), identification)
        queue += pieces
        unmatched_pieces += len(pieces) if port == 54 else 0
    chance.shuffle(queue)
    while queue:
        rows = [queue.pop() for _ in range(min(len(queue), chance.randrange(1, 30)))]
        extra = chance.randrange(3)
        plain += extra
        rows += [udp(9, 53, b"plain")] * extra
        kept, unwanted = feed(reassembler, rows, PORT)
        delivered += kept
        returned += unwanted
    wanted = [without_identification(one) for one in wholes if one[22:24] == b"\0\x35"]
    expected = [*wanted, *[without_identification(udp(9, 53, b"plain"))] * plain]
    assert sorted(delivered) == sorted(expected)
    counters = reassembler.counters()
    assert counters["whole"] == 300
    assert counters["unwanted"] == 300 - len(wanted)
    assert len(returned) == unmatched_pieces
