# SPDX-License-Identifier: MIT
"""Tokens to an expression.

The parser keeps its own stack, so that depth is bounded by WinDivert's limit
and never by Python's. What counts against that limit is what WinDivert counts:
three for an open parenthesis, one for each ``or`` of a chain.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

from fastdivert.errors import FilterError

from .expression import And, Comparison, Conditional, Constant, Expression, Not, Or
from .fields import LENGTH_MAX, Field
from .lexer import Kind, Token, tokenize
from .program import Operator

if TYPE_CHECKING:
    from fastdivert.enums import Layer

DEPTH_MAX: Final = 1024
_DEPTH_OF_GROUP: Final = 3


class _Part(enum.Enum):
    """Where in ``(a)`` or ``(a? b: c)`` the parser is; the value is what may follow."""

    WHOLE = "'and', 'or' or the end of the filter"
    FIRST = "'and', 'or', ')' or '?'"
    THEN = "'and', 'or' or ':'"
    OTHERWISE = "'and', 'or' or ')'"


@dataclass(slots=True)
class _Group:
    """A parenthesis that is still open, or the whole filter."""

    opened: int
    depth: int
    part: _Part
    negated: bool = False
    condition: Expression | None = None
    then: Expression | None = None
    remaining: int = 0
    alternatives: list[Expression] = field(default_factory=list)
    chain: list[Expression] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.remaining = self.depth

    def next_alternative(self) -> None:
        self.alternatives.append(_joined(And, self.chain))
        self.chain = []
        self.remaining -= 1

    def take(self) -> Expression:
        """The expression read so far; the next part starts anew."""
        self.alternatives.append(_joined(And, self.chain))
        expression = _joined(Or, self.alternatives)
        self.chain = []
        self.alternatives = []
        self.remaining = self.depth
        return expression


def _joined(join: type[And | Or], terms: list[Expression]) -> Expression:
    return terms[0] if len(terms) == 1 else join(tuple(terms))


class Parser:
    """Reads the tokens of one filter; ``extensions`` parses sets with it too."""

    def __init__(self, text: str, layer: Layer, *, extensions: bool) -> None:
        self.text = text
        self.layer = layer
        self.extensions = extensions
        self._tokens = tokenize(text, layer, extensions=extensions)
        self._next = 0
        self.token = self._tokens[0]

    def advance(self) -> Token:
        """Take the current token."""
        token = self.token
        self._next += 1
        self.token = self._tokens[self._next]
        return token

    def found(self, token: Token) -> str:
        """The token as error messages name it."""
        if token.kind is Kind.END:
            return str(token.kind.value)
        return repr(self.text[token.position : token.end])

    def fail(self, message: str, token: Token | None = None) -> NoReturn:
        position = (self.token if token is None else token).position
        raise FilterError(message, position, self.text)

    def expect(self, kind: Kind, after: str) -> Token:
        if self.token.kind is not kind:
            self.fail(f"expected {kind.value} after {after}, found {self.found(self.token)}")
        return self.advance()

    def parse(self) -> Expression:
        group = _Group(0, DEPTH_MAX - 1, _Part.WHOLE)
        outer: list[_Group] = []
        while True:
            if group.remaining < 1:
                self.fail("the filter is nested too deeply")
            negated = self._negations()
            if self.token.kind is Kind.OPEN and (self.extensions or not self._after_not()):
                opened = self.advance().position
                outer.append(group)
                depth = group.remaining - _DEPTH_OF_GROUP
                group = _Group(opened, depth, _Part.FIRST, negated)
                continue
            group.chain.append(self._comparison(negated))
            while True:
                kind = self.token.kind
                if kind is Kind.AND:
                    self.advance()
                    break
                if kind is Kind.OR:
                    self.advance()
                    group.next_alternative()
                    break
                if kind is Kind.END and group.part is _Part.WHOLE:
                    return group.take()
                if kind is Kind.QUESTION and group.part is _Part.FIRST:
                    self.advance()
                    group.condition = group.take()
                    group.part = _Part.THEN
                    break
                if kind is Kind.COLON and group.part is _Part.THEN:
                    self.advance()
                    group.then = group.take()
                    group.part = _Part.OTHERWISE
                    break
                if kind is not Kind.CLOSE or group.part in (_Part.WHOLE, _Part.THEN):
                    self._unexpected(group)
                self.advance()
                closed = self._closed(group)
                group = outer.pop()
                group.chain.append(closed)

    def _closed(self, group: _Group) -> Expression:
        expression = group.take()
        if group.condition is not None and group.then is not None:
            expression = Conditional(group.condition, group.then, expression)
        return Not(expression) if group.negated else expression

    def _unexpected(self, group: _Group) -> NoReturn:
        found = self.found(self.token)
        if group.part is _Part.WHOLE and self.token.kind is Kind.CLOSE:
            self.fail("')' closes no '('")
        if group.part is _Part.WHOLE and self.token.kind is Kind.QUESTION:
            self.fail("a conditional needs its parentheses: (a? b: c)")
        where = ""
        if group.part is not _Part.WHOLE:
            where = f" within the '(' at position {group.opened}"
        self.fail(f"expected {group.part.value}{where}, found {found}")

    def _negations(self) -> bool:
        negated = False
        while self.token.kind is Kind.NOT:
            negated = not negated
            self.advance()
        return negated

    def _after_not(self) -> bool:
        return self._next > 0 and self._tokens[self._next - 1].kind is Kind.NOT

    def _comparison(self, negated: bool) -> Expression:
        subject = self.token
        if subject.kind is Kind.FIELD and subject.field is not None:
            self.advance()
            index = self._index(subject.field) if subject.field.indexed else 0
            if self.token.kind is Kind.IN:
                from .extensions import parse_set

                return parse_set(self, subject.field, index, negated=negated)
            operator, constant = self._operator_and_constant()
            if negated:
                operator = operator.negated
            return Comparison(subject.field, index, operator, constant)
        if subject.kind is Kind.BOOLEAN:
            self.advance()
            operator, constant = self._operator_and_constant()
            return Constant(operator.holds(subject.number, constant) != negated)
        return self._no_test(subject)

    def _no_test(self, token: Token) -> NoReturn:
        match token.kind:
            case Kind.OPEN:
                self.fail("'not' takes one test, not an expression, unless extensions=True")
            case Kind.NUMBER | Kind.IPV4 | Kind.IPV6 | Kind.FOREIGN_EVENT:
                self.fail(f"a test starts with a field, not with {self.found(token)}")
            case _:
                self.fail(f"expected a test, found {self.found(token)}")

    def _operator_and_constant(self) -> tuple[Operator, int]:
        if self.token.kind is not Kind.OPERATOR:
            return Operator.NE, 0
        operator = self.advance()
        return Operator(operator.number), self.constant(self.found(operator))

    def constant(self, after: str) -> int:
        """A number or address, with its sign."""
        negative = self.token.kind is Kind.MINUS
        if negative:
            self.advance()
        token = self.token
        if token.kind is Kind.FOREIGN_EVENT:
            self.fail(f"the event {self.found(token)} does not exist at layer {self.layer.name}")
        if token.kind not in (Kind.NUMBER, Kind.IPV4, Kind.IPV6):
            self.fail(f"expected a number or an address after {after}, found {self.found(token)}")
        self.advance()
        return -token.number if negative else token.number

    def _index(self, array: Field) -> int:
        """The byte index in ``[3]``, ``[-3]``, ``[3b]``, ``[-3b]``."""
        self.expect(Kind.SQUARE_OPEN, repr(array.name))
        negative = self.token.kind is Kind.MINUS
        if negative:
            self.advance()
        token = self.token
        # An address is a number here as everywhere: packet[::5] is packet[5].
        if token.kind not in (Kind.NUMBER, Kind.IPV4, Kind.IPV6):
            self.fail(f"expected an index, found {self.found(token)}")
        if token.number > LENGTH_MAX:
            self.fail(f"the index {self.found(token)} is above {LENGTH_MAX}")
        self.advance()
        index = token.number
        if self.token.kind is Kind.BYTES:
            self.advance()
        else:
            index *= array.width
        if negative and not array.width <= index <= 0xFFFF:
            self.fail(
                f"the index -{index}b is out of bounds: {array.name!r} goes from -65535b"
                f" to -{array.width}b from the end"
            )
        if not negative and index > 0xFFFF - array.width:
            self.fail(
                f"the index {index}b is out of bounds: {array.name!r} goes from 0b"
                f" to {0xFFFF - array.width}b"
            )
        self.expect(Kind.SQUARE_CLOSE, "the index")
        return -index if negative else index


def parse(text: str, layer: Layer, *, extensions: bool = False) -> Expression:
    """The expression of a filter text."""
    return Parser(text, layer, extensions=extensions).parse()
