# SPDX-License-Identifier: MIT
"""Random filters that match some packets of a batch and not others.

Constants are values that packets of the batch have, or their neighbours;
``tests.oracle.generator`` has those at the bounds of each field's range.
"""

from __future__ import annotations

from random import Random
from typing import Final

import numpy as np

import fastdivert as fd
from fastdivert.enums import Layer
from fastdivert.filter.fields import FIELDS, Field, Style
from fastdivert.filter.notation import constant_text

_FIELDS: Final = {
    layer: tuple(field for field in FIELDS if field.exists_at(layer) and field.name != "zero")
    for layer in Layer
}
_OPERATORS: Final = ("==", "==", "==", "!=", "<", "<=", ">", ">=", "=")


def likely_filter(rng: Random, batch: fd.Batch) -> str:
    """A filter of one to about twenty tests with constants that the batch's packets have."""
    return _expression(rng, batch, rng.choice((1, 1, 2, 2, 3, 4, 6, 9, 20)))


def _expression(rng: Random, batch: fd.Batch, tests: int) -> str:
    if tests == 1:
        return likely_test(rng, batch)
    if tests >= 3 and rng.random() < 0.3:
        first = max(1, tests // 3)
        rest = max(1, (tests - first) // 2)
        condition = _expression(rng, batch, first)
        then, otherwise = (_expression(rng, batch, rest) for _ in range(2))
        return f"({condition} ? {then} : {otherwise})"
    split = rng.randint(1, tests - 1)
    left, right = (_expression(rng, batch, size) for size in (split, tests - split))
    return f"({left}) {rng.choice(('and', 'or'))} ({right})"


def likely_test(rng: Random, batch: fd.Batch) -> str:
    """One test whose constant is the value of a packet of the batch, or one beside it."""
    layer = batch.layer
    field = rng.choice(_FIELDS[layer])
    subject = field.name
    if field.indexed:
        subject = f"{field.name}[{_index(rng, field)}b]"
    negation = rng.choice(("", "", "", "not "))
    if field.style is Style.BOOL and rng.random() < 0.8:
        return negation + subject
    constant = value_of_a_packet(rng, batch, field, subject)
    constant += rng.choice((0, 0, 0, 0, 1, -1))
    return f"{negation}{subject} {rng.choice(_OPERATORS)} {_text(field, constant, layer)}"


def _index(rng: Random, field: Field) -> int:
    """In bytes; small, as most packets are."""
    if rng.random() < 0.4:
        return -rng.choice((field.width, field.width + 1, 4, 8, 20, rng.randint(4, 70)))
    return rng.choice((0, 0, 1, 2, 9, 20, rng.randrange(64)))


def value_of_a_packet(rng: Random, batch: fd.Batch, field: Field, subject: str) -> int:
    """The field in a random packet of the batch that has it, as the constant of a test."""
    rows = np.flatnonzero(batch.has(subject))
    if not len(rows):
        return rng.choice((0, 1, 80))
    value = batch[subject][rng.choice(rows)]
    if field.style is Style.IPV4:
        return 0xFFFF << 32 | int(value)
    return int.from_bytes(value.tobytes(), "big") if value.ndim else int(value)


def _text(field: Field, constant: int, layer: Layer) -> str:
    if field.style in (Style.IPV4, Style.IPV6):
        constant = max(0, min(constant, (1 << 128) - 1))
    return constant_text(field, constant, layer)
