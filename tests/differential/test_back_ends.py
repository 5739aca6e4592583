# SPDX-License-Identifier: MIT
"""The interpreter and the batch evaluator decide alike, for every program that may run."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastdivert as fd
from fastdivert.filter.fields import FIELDS, Header, Source
from fastdivert.filter.program import ACCEPT, REJECT, Operator, Program, Test
from tests.differential.addresses import random_addresses
from tests.differential.evaluation import evaluated
from tests.differential.packets import packet_strategy, random_packet
from tests.differential.programs import CONSTANT_MAX, random_program
from tests.differential.rules import LAYOUT, header_field, parse

_BLOCK = 256  # FD_BLOCK: rows that the batch evaluator takes at a time


def _batch(rng: Random, count: int, layer: fd.Layer = fd.Layer.NETWORK) -> fd.Batch:
    is_event = layer > fd.Layer.NETWORK_FORWARD
    packets = [b"" if is_event else random_packet(rng, 200) for _ in range(count)]
    return fd.Batch.from_packets(packets, random_addresses(rng, packets, layer), layer=layer)


@pytest.mark.parametrize("layer", fd.Layer, ids=lambda layer: layer.name)
def test_random_programs(layer: fd.Layer, rng: Random, pairs: int, tally: Counter[str]) -> None:
    compared = 0
    while compared < pairs // 5:
        batch = _batch(rng, 100, layer)
        for _ in range(50):
            evaluated(batch, random_program(rng, batch))
            compared += len(batch)
    tally["pairs of a raw program and a packet, by both back ends"] += compared
    assert compared >= pairs // 5


@pytest.mark.parametrize(
    "count", [0, 1, 2, _BLOCK - 1, _BLOCK, _BLOCK + 1, 2 * _BLOCK - 1, 2 * _BLOCK, 1000]
)
@pytest.mark.parametrize("layer", [fd.Layer.NETWORK, fd.Layer.FLOW], ids=lambda layer: layer.name)
def test_every_number_of_rows(count: int, layer: fd.Layer, rng: Random) -> None:
    batch = _batch(rng, count, layer)
    some_packets = _batch(rng, 50, layer)  # with values for the constants
    for _ in range(30):
        program = random_program(rng, some_packets).to_bytes()
        mask = evaluated(batch, program)
        # Row by row it is the same: no row sees its neighbours.
        for row in {0, count // 2, count - 1} & set(range(count)):
            assert evaluated(batch.select([row]), program)[0] == mask[row], program.hex()


@settings(max_examples=100, deadline=None)
@given(
    packets=st.lists(packet_strategy(), min_size=1, max_size=4),
    rng=st.randoms(use_true_random=False),
)
def test_random_programs_shrinking(packets: list[bytes], rng: Random) -> None:
    batch = fd.Batch.from_packets(packets, random_addresses(rng, packets))
    evaluated(batch, random_program(rng, batch))


@pytest.mark.parametrize("operator", Operator, ids=lambda operator: operator.name)
def test_one_test_against_arithmetic(operator: Operator, rng: Random) -> None:
    """Every header field, with constants around the values of a packet that has it."""
    packets = [random_packet(rng, 60) for _ in range(400)]
    batch = fd.Batch.from_packets(packets, random_addresses(rng, packets))
    for field in FIELDS:
        if field.source is not Source.HEADER:
            continue
        assert field.name in LAYOUT
        values = [header_field(packet, parse(packet), field.name) for packet in packets]
        mapped = 0xFFFF << 32 if field.name in ("ip.SrcAddr", "ip.DstAddr") else 0
        present = [value | mapped for value in values if value is not None]
        assert present, field.name
        for _ in range(12):
            constant = rng.choice(present) + rng.choice((0, 0, 1, -1, 1 << 32, -(1 << 32), 1 << 64))
            constant = min(constant, CONSTANT_MAX)
            program = Program(fd.Layer.NETWORK, (Test(field, operator, constant, ACCEPT, REJECT),))
            expected = [
                value is not None and operator.holds(value | mapped, constant) for value in values
            ]
            assert evaluated(batch, program).tolist() == expected, (field.name, constant)


def test_a_missing_field_fails_its_test_whatever_the_operator(rng: Random) -> None:
    udp = bytes.fromhex("4500001c000100004011000001020304050607080035003500080000")
    batch = fd.Batch.from_packets([udp])
    for field in FIELDS:
        if field.header not in (Header.TCP, Header.IPV6, Header.ICMP, Header.ICMPV6):
            continue
        for operator in Operator:
            test = Test(field, operator, rng.randrange(2), REJECT, ACCEPT)
            assert evaluated(batch, Program(fd.Layer.NETWORK, (test,))).all()


def test_a_program_is_of_one_layer(rng: Random) -> None:
    batch = _batch(rng, 10, fd.Layer.FLOW)
    always = Program.of_constant(fd.Layer.SOCKET, True)
    assert not evaluated(batch, always).any()
    assert evaluated(batch, Program.of_constant(fd.Layer.FLOW, True)).all()


def test_a_filter_and_its_negation_part_the_packets(rng: Random) -> None:
    """``not`` flips one test: together with the packets without the field, all are there."""
    batch = _batch(rng, 700)
    is_packet = batch.parse(())["headers"] != 0
    for field in FIELDS:
        if field.source is not Source.HEADER or field.bits > 32:
            continue
        name = field.name
        constant = int(rng.choice(batch[name]))
        equal, unequal = (batch.match(f"{name} {operator} {constant}") for operator in ("==", "!="))
        if field.name not in ("ip.SrcAddr", "ip.DstAddr"):
            assert (equal == (batch.has(name) & (batch[name] == constant))).all(), name
        assert ((equal | unequal) == batch.has(name)).all(), name
        assert not (equal & unequal).any(), name
        assert not np.any(unequal & ~is_packet)
