# SPDX-License-Identifier: MIT
"""An expression to a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastdivert.errors import FilterError

from .expression import And, Comparison, Conditional, Constant, Expression, Not, Or
from .folding import simplified
from .graph import Node, Target, assemble
from .parser import parse
from .program import TESTS_MAX, Program
from .windivert_object import decode

if TYPE_CHECKING:
    from fastdivert.enums import Layer


def compile_program(text: str, layer: Layer, *, extensions: bool = False) -> Program:
    """The program of a filter text or of a WinDivert filter object (``@WinDiv_...``)."""
    if text.startswith("@"):
        return decode(text, layer)
    return compile_expression(parse(text, layer, extensions=extensions), layer, text)


class _Label:
    """A place in the program whose test is not known yet."""

    __slots__ = ("target",)

    def __init__(self) -> None:
        self.target: _Label | Target = False

    def resolve(self) -> Target:
        target = self.target
        while isinstance(target, _Label):
            target = target.target
        self.target = target
        return target


def compile_expression(expression: Expression, layer: Layer, text: str = "") -> Program:
    """The program of an expression; ``text`` is for the error message."""
    entry = _Label()
    accept, reject = _Label(), _Label()
    accept.target = True
    nodes: list[tuple[Node, _Label, _Label]] = []
    # (expression, where it goes if true, if false, the place where it starts)
    pending: list[tuple[Expression, _Label, _Label, _Label]] = [(expression, accept, reject, entry)]
    while pending:
        part, success, failure, start = pending.pop()
        match part:
            case Comparison():
                comparison = simplified(part)
                if isinstance(comparison, Constant):
                    start.target = success if comparison.value else failure
                    continue
                if len(nodes) == TESTS_MAX:
                    raise FilterError(f"the filter has more than {TESTS_MAX} tests", 0, text)
                node = Node(comparison)
                start.target = node
                nodes.append((node, success, failure))
            case Constant(value):
                start.target = success if value else failure
            case And(terms):
                for term in terms[:-1]:
                    following = _Label()
                    pending.append((term, following, failure, start))
                    start = following
                pending.append((terms[-1], success, failure, start))
            case Or(terms):
                for term in terms[:-1]:
                    following = _Label()
                    pending.append((term, success, following, start))
                    start = following
                pending.append((terms[-1], success, failure, start))
            case Not(term):
                pending.append((term, failure, success, start))
            case Conditional(condition, then, otherwise):
                then_start, otherwise_start = _Label(), _Label()
                pending.append((otherwise, success, failure, otherwise_start))
                pending.append((then, success, failure, then_start))
                pending.append((condition, then_start, otherwise_start, start))
    for node, success, failure in nodes:
        node.success = success.resolve()
        node.failure = failure.resolve()
    return assemble(entry.resolve(), layer)
