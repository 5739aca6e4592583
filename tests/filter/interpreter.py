# SPDX-License-Identifier: MIT
"""A program run on plain values of fields, for tests of what a filter means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastdivert.filter.program import ACCEPT, REJECT, Program

if TYPE_CHECKING:
    from collections.abc import Mapping


def run(program: Program, values: Mapping[str, int]) -> bool:
    """Whether the program matches; a field without a value is one that is not there."""
    position = 0
    while position not in (ACCEPT, REJECT):
        test = program.tests[position]
        value = 0 if test.field.name == "zero" else values.get(test.field.name)
        holds = value is not None and test.op.holds(value, test.constant)
        position = test.success if holds else test.failure
    return position == ACCEPT
