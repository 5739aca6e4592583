# SPDX-License-Identifier: MIT
"""Sets: ``tcp.DstPort in {80, 8000-8100}``, ``ip.SrcAddr in {10.0.0.0/8}``.

A set is a union of intervals of the field's values. It becomes comparisons of
the base language, as few as possible: intervals that touch are merged, bounds
at the end of the field's range need no comparison, and where the values
outside of the set are described by fewer comparisons, those are excluded.

``not field in {...}`` is, like every ``not`` of one test, about a field that is
there: it matches a packet that has the field with a value outside of the set.
``not (field in {...})`` also matches a packet that does not have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from .expression import And, Comparison, Constant, Expression, Or
from .fields import PRESENCE, Field, Header
from .lexer import Kind, Token
from .program import Operator

if TYPE_CHECKING:
    from collections.abc import Callable

    from .parser import Parser

Interval: TypeAlias = tuple[int, int]
"""The lowest and the highest value."""
Compare: TypeAlias = "Callable[[Operator, int], Comparison]"


def parse_set(parser: Parser, field: Field, index: int, *, negated: bool) -> Expression:
    """Read ``in { element, ... }`` behind a field."""
    parser.advance()
    parser.expect(Kind.BRACE_OPEN, "'in'")
    intervals: list[Interval] = []
    while True:
        intervals.append(_parse_element(parser))
        if parser.token.kind is Kind.COMMA:
            parser.advance()
            continue
        parser.expect(Kind.BRACE_CLOSE, "an element of a set")
        return membership(field, index, intervals, inside=not negated)


def _parse_element(parser: Parser) -> Interval:
    first = parser.token
    if first.kind is Kind.BRACE_CLOSE:
        parser.fail("expected an element of a set, found '}'")
    lowest = parser.constant("'{' or ','")
    if parser.token.kind is Kind.SLASH:
        parser.advance()
        return _prefix(parser, first)
    if parser.token.kind is not Kind.MINUS:
        return lowest, lowest
    dash = parser.advance()
    highest = parser.constant(parser.found(dash))
    if highest < lowest:
        parser.fail("the range is empty: its end is below its start", first)
    return lowest, highest


def _prefix(parser: Parser, address: Token) -> Interval:
    """The addresses of ``10.0.0.0/8``; the parser stands at the length."""
    token = parser.token
    bits = {Kind.IPV4: 32, Kind.IPV6: 128}.get(address.kind)
    if bits is None:
        parser.fail("only an IPv4 or IPv6 address can have a prefix length", address)
    if token.kind is not Kind.NUMBER or token.number > bits:
        parser.fail(f"expected a prefix length of 0 to {bits}, found {parser.found(token)}")
    parser.advance()
    hosts = (1 << (bits - token.number)) - 1
    if address.number & hosts:
        parser.fail(
            f"the address {parser.found(address)} has bits behind its prefix length {token.number}",
            address,
        )
    return address.number, address.number | hosts


def membership(field: Field, index: int, intervals: list[Interval], *, inside: bool) -> Expression:
    """True if the field is there with a value inside (or outside) of the intervals."""
    domain = field.bounds or (0, (1 << field.bits) - 1)
    members = _merged(intervals, domain)
    others = _complement(members, domain)
    if not inside:
        members, others = others, members
    if not members:
        return Constant(False)
    if not others:
        return _whole_domain(field, index, domain)

    def compare(operator: Operator, constant: int) -> Comparison:
        return Comparison(field, index, operator, constant)

    if _cost(others, domain) < _cost(members, domain):
        return _join(And, [_exclude(compare, one, domain) for one in others])
    return _join(Or, [_include(compare, one, domain) for one in members])


def _merged(intervals: list[Interval], domain: Interval) -> list[Interval]:
    """The intervals within the domain, sorted, and joined where they touch."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        lowest, highest = max(start, domain[0]), min(end, domain[1])
        if lowest > highest:
            continue
        if merged and lowest <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(highest, merged[-1][1])
        else:
            merged.append((lowest, highest))
    return merged


def _complement(intervals: list[Interval], domain: Interval) -> list[Interval]:
    gaps: list[Interval] = []
    start = domain[0]
    for lowest, highest in intervals:
        if start < lowest:
            gaps.append((start, lowest - 1))
        start = highest + 1
    if start <= domain[1]:
        gaps.append((start, domain[1]))
    return gaps


def _cost(intervals: list[Interval], domain: Interval) -> int:
    """How many comparisons describe the intervals."""
    return sum(
        1 if lowest == highest or lowest == domain[0] or highest == domain[1] else 2
        for lowest, highest in intervals
    )


def _include(compare: Compare, interval: Interval, domain: Interval) -> Expression:
    lowest, highest = interval
    if lowest == highest:
        return compare(Operator.EQ, lowest)
    if lowest == domain[0]:
        return compare(Operator.LE, highest)
    if highest == domain[1]:
        return compare(Operator.GE, lowest)
    return And((compare(Operator.GE, lowest), compare(Operator.LE, highest)))


def _exclude(compare: Compare, interval: Interval, domain: Interval) -> Expression:
    lowest, highest = interval
    if lowest == highest:
        return compare(Operator.NE, lowest)
    if lowest == domain[0]:
        return compare(Operator.GT, highest)
    if highest == domain[1]:
        return compare(Operator.LT, lowest)
    return Or((compare(Operator.LT, lowest), compare(Operator.GT, highest)))


def _join(kind: type[And | Or], terms: list[Expression]) -> Expression:
    return terms[0] if len(terms) == 1 else kind(tuple(terms))


def _whole_domain(field: Field, index: int, domain: Interval) -> Expression:
    """True if the field is there."""
    if field.indexed:
        # "packet[9] >= 0" would be folded to true, and this is not.
        equal = Comparison(field, index, Operator.EQ, domain[0])
        return Or((equal, Comparison(field, index, Operator.NE, domain[0])))
    if field.header is Header.NONE:
        return Constant(True)
    return Comparison(PRESENCE[field.header], 0, Operator.NE, 0)
