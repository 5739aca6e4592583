# SPDX-License-Identifier: MIT
"""Random filter programs that no text compiles to, but that the verifier accepts.

Tests that several others jump to, tests that nothing reaches, jumps over many
tests, both jumps to one place, constants of 128 bits and below zero for every
field, and constants that packets of a batch have.
"""

from __future__ import annotations

from random import Random
from typing import Final

import fastdivert as fd
from fastdivert.enums import Layer
from fastdivert.filter.fields import FIELDS, Field, Style
from fastdivert.filter.program import ACCEPT, REJECT, TESTS_MAX, Operator, Program, Test
from fastdivert.filter.windivert_object import encode
from tests.differential.filters import value_of_a_packet
from tests.differential.reading import has_other_value_in_windivert

_FIELDS: Final = {
    layer: tuple(field for field in FIELDS if field.exists_at(layer)) for layer in Layer
}
_WIDE: Final = {
    layer: tuple(field for field in _FIELDS[layer] if field.bits > 32) for layer in Layer
}
_INDEX_MAX: Final = 65535
CONSTANT_MAX: Final = (1 << 128) - 1


def random_program(rng: Random, batch: fd.Batch) -> Program:
    """A program for the batch's layer."""
    length = rng.choice((1, 1, 2, 3, 5, 8, 20, 60, TESTS_MAX))
    tests = [_test(rng, batch, at, length) for at in range(length)]
    return Program(batch.layer, tuple(tests))


def random_object(rng: Random, batch: fd.Batch) -> tuple[Program, str]:
    """A program without deviations from WinDivert, and its filter object."""
    length = rng.choice((1, 1, 2, 3, 5, 8, 20))
    tests: list[Test] = []
    while len(tests) < length:
        test = _test(rng, batch, len(tests), length)
        if not has_other_value_in_windivert(test.field, batch.layer) and _is_encodable(test):
            tests.append(test)
    program = Program(batch.layer, tuple(tests))
    return program, encode(program)


def _is_encodable(test: Test) -> bool:
    try:
        encode(Program(Layer.NETWORK, (test,)))
    except fd.FilterError:
        return False
    return True


def _test(rng: Random, batch: fd.Batch, at: int, length: int) -> Test:
    layer = batch.layer
    field = rng.choice(_WIDE[layer] if rng.random() < 0.3 else _FIELDS[layer])
    index = _index(rng, field) if field.indexed else 0
    success, failure = (_target(rng, at, length) for _ in range(2))
    return Test(
        field, rng.choice(tuple(Operator)), _constant(rng, batch, field), success, failure, index
    )


def _target(rng: Random, at: int, length: int) -> int:
    if at + 1 == length or rng.random() < 0.15:
        return rng.choice((ACCEPT, REJECT))
    # Mostly near, so that many tests share a successor.
    return min(length - 1, at + rng.choice((1, 1, 1, 2, 2, 3, rng.randint(1, length))))


def _index(rng: Random, field: Field) -> int:
    least, most = -_INDEX_MAX, _INDEX_MAX - field.width
    near = rng.choice((0, 1, 9, 12, 19, 20, 33, -field.width, -field.width - 1, -20, -41))
    return near if rng.random() < 0.9 else rng.choice((least, most, -field.width))


def _constant(rng: Random, batch: fd.Batch, field: Field) -> int:
    kind = rng.random()
    if kind < 0.5 and not field.indexed:
        value = value_of_a_packet(rng, batch, field, field.name) + rng.choice((0, 0, 0, 1, -1))
        return min(value, CONSTANT_MAX)
    if kind < 0.7:
        value = rng.randrange(256)
    elif kind < 0.85:
        value = rng.choice((0, 1, 0xFFFF, 0xFFFFFFFF, 1 << 32, 1 << 63, 1 << 64, 1 << 127))
    else:
        value = rng.getrandbits(rng.choice((8, 16, 32, 33, 48, 64, 65, 128)))
    if field.style is Style.IPV4 and rng.random() < 0.5:
        value = 0xFFFF << 32 | value & 0xFFFFFFFF
    return -value if rng.random() < 0.1 else value
