# SPDX-License-Identifier: MIT
"""Tests as a graph, and the one program that a graph stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from .fields import Style
from .program import ACCEPT, REJECT, Operator, Program, Test

if TYPE_CHECKING:
    from fastdivert.enums import Layer

    from .expression import Comparison

Target: TypeAlias = "Node | bool"
"""Where a jump goes: another test, or the result."""


class Node:
    """A test whose jumps point to other nodes."""

    __slots__ = ("constant", "failure", "field", "index", "operator", "success")

    def __init__(self, comparison: Comparison) -> None:
        self.field = comparison.field
        self.index = comparison.index
        self.operator = comparison.operator
        self.constant = comparison.constant
        if (
            self.field.style is Style.BOOL
            and self.constant == 1
            and self.operator in (Operator.EQ, Operator.NE)
        ):
            # Canonical text writes tcp for tcp = 1, which reads as tcp != 0.
            self.operator = self.operator.negated
            self.constant = 0
        self.success: Target = False
        self.failure: Target = False


def assemble(entry: Target, layer: Layer) -> Program:
    """The program of a graph without cycles.

    Tests that decide nothing (both jumps go to the same place) and tests that
    no jump reaches are left out.
    """
    entry = _without_idle_tests(entry)
    if isinstance(entry, bool):
        return Program.of_constant(layer, entry)
    order = _postorder(entry)
    order.reverse()
    numbers: dict[Target, int] = {node: number for number, node in enumerate(order)}
    numbers[True] = ACCEPT
    numbers[False] = REJECT
    tests = tuple(
        Test(
            node.field,
            node.operator,
            node.constant,
            numbers[node.success],
            numbers[node.failure],
            node.index,
        )
        for node in order
    )
    return Program(layer, tests)


def _without_idle_tests(entry: Target) -> Target:
    if isinstance(entry, bool):
        return entry
    instead: dict[Target, Target] = {}
    for node in _postorder(entry):
        node.success = instead.get(node.success, node.success)
        node.failure = instead.get(node.failure, node.failure)
        if node.success is node.failure:
            instead[node] = node.success
    return instead.get(entry, entry)


def _postorder(entry: Node) -> list[Node]:
    """Every node behind all that it leads to, those of its failure first.

    Backwards this is the order of a program: each test before the tests that it
    can go to, and on success the next one if no other jump goes there.
    """
    order: list[Node] = []
    seen: set[Node] = {entry}
    stack: list[tuple[Node, bool]] = [(entry, False)]
    while stack:
        node, entered_failure = stack.pop()
        if not entered_failure:
            stack.append((node, True))
            following = node.failure
        elif node.success in seen or isinstance(node.success, bool):
            order.append(node)
            continue
        else:
            stack.append((node, True))
            following = node.success
        if not isinstance(following, bool) and following not in seen:
            seen.add(following)
            stack.append((following, False))
    return order
