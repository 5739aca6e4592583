# SPDX-License-Identifier: MIT
"""A filter as WinDivert's executor reads it, where that is not what its manual says.

Each of these is a deviation that docs/filter-language.md lists. They are not
left out of the comparison: the program of WinDivert's own reading must decide
as WinDivert does. Only a filter that ``is_excluded`` cannot be compared.
"""

from __future__ import annotations

from typing import Final

from fastdivert.enums import Layer
from fastdivert.filter.compiler import compile_expression
from fastdivert.filter.expression import And, Comparison, Conditional, Expression, Not, Or
from fastdivert.filter.fields import FIELD_BY_NAME, PRESENCE, ZERO, Field, Header
from fastdivert.filter.folding import decided
from fastdivert.filter.parser import parse
from fastdivert.filter.program import Operator, Program

_IP_VERSIONS: Final = (FIELD_BY_NAME["ip"], FIELD_BY_NAME["ipv6"])
_FLOW_LABEL: Final = FIELD_BY_NAME["ipv6.FlowLabel"]
_EVENT_LAYERS: Final = (Layer.FLOW, Layer.SOCKET)
_LOW: Final = 0xFFFFFFFF


def windivert_program(text: str, layer: Layer) -> Program:
    """The program that does what WinDivert's executor does with this filter."""
    return compile_expression(_read(parse(text, layer), layer), layer)


def is_excluded(program: Program) -> bool:
    """Whether it tests ipv6.FlowLabel, for which WinDivert loads another number."""
    return any(test.field is _FLOW_LABEL for test in program.tests)


def has_other_value_in_windivert(field: Field, layer: Layer) -> bool:
    """Whether a test of this field can decide otherwise there, whatever its constant."""
    return field is _FLOW_LABEL or (field in _IP_VERSIONS and layer in _EVENT_LAYERS)


def _read(part: Expression, layer: Layer) -> Expression:
    match part:
        case And(terms):
            return And(tuple(_read(term, layer) for term in terms))
        case Or(terms):
            return Or(tuple(_read(term, layer) for term in terms))
        case Not(term):
            return Not(_read(term, layer))
        case Conditional(condition, then, otherwise):
            return Conditional(_read(condition, layer), _read(then, layer), _read(otherwise, layer))
        case Comparison():
            return _read_comparison(part, layer)
        case _:
            return part


def _read_comparison(part: Comparison, layer: Layer) -> Comparison:
    field, operator, constant = part.field, part.operator, part.constant
    if field in _IP_VERSIONS and layer in _EVENT_LAYERS:
        # An event has no packet, so neither header is there.
        return Comparison(ZERO, 0, operator, constant)
    if field.header is not Header.NONE and decided(field, operator, constant) is False:
        # Never true: folded to the absence of the header, not to false.
        return Comparison(PRESENCE[field.header], 0, Operator.EQ, 0)
    if field.bounds is None:
        # Never folded: 32 bits and the sign are compared. Below zero there is
        # no value, so that it does not matter which number is left there.
        stored = constant & _LOW if constant >= 0 else -1
        return Comparison(field, part.index, operator, stored)
    return part
