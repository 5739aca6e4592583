# SPDX-License-Identifier: MIT
"""Compare our compiler and formatter with the reference on one filter.

Every deviation that docs/filter-language.md lists is a ``Verdict`` here with a
precise condition: what the reference does instead is computed and compared,
not skipped. Anything else is an ``AssertionError``.
"""

from __future__ import annotations

import enum
import re
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Final

import fastdivert.filter
from fastdivert.enums import Layer
from fastdivert.errors import FilterError
from fastdivert.filter.compiler import compile_expression, compile_program
from fastdivert.filter.expression import (
    And,
    Comparison,
    Conditional,
    Constant,
    Expression,
    Not,
    Or,
)
from fastdivert.filter.fields import PRESENCE, Header, Source, Style
from fastdivert.filter.folding import decided, simplified
from fastdivert.filter.formatter import format_program
from fastdivert.filter.lexer import Kind, Token, tokenize
from fastdivert.filter.parser import parse
from fastdivert.filter.program import ACCEPT, REJECT, Operator, Program
from tests import oracle

if TYPE_CHECKING:
    from collections.abc import Iterator


class Verdict(enum.Enum):
    """How the two compare. The names from NEVER_EQUAL on are deviations."""

    SAME_TEXT = "both compile, same canonical text"
    SAME_ERROR = "both refuse, same position"
    NEVER_EQUAL = "a comparison that never holds is false, not the absence of a header"
    WHOLE_CONSTANT = "a constant is kept whole: its sign, its bits above 32"
    MINUS_ZERO = "-0 is 0"
    NO_ROUND_TRIP = "the reference's text is another program than its filter"
    DEAD_TESTS = (
        "tests that decide nothing do not show in the text; the reference's text is not final"
    )
    LONE_B = "a 'b' that is no byte suffix is an error"
    ADDRESS = "an address with a part above 2**32 or more than eight groups is an error"
    CRASH = "a syntax error before '?' is an error, the reference crashes or goes on"
    CHARACTER_POSITION = "an unexpected character is reported where it is, not one behind"
    COLON_POSITION = "a word with a ':' behind it is reported where it starts, not one before"
    GROUP_POSITION = "a syntax error in parentheses is reported where it is"
    SUFFIX_POSITION = "a byte suffix is reported where it is"
    OBJECT_POSITION = "a bad filter object is reported where it is bad, not at 0"


_WORD: Final = re.compile(r"(?:[A-Za-z0-9._]|:(?=:))[A-Za-z0-9._:]*")


def compare(text: str, layer: int = 0) -> Verdict:
    """Compile and format with both; how they agree, or which deviation explains it."""
    layer = Layer(layer)
    try:
        ours = fastdivert.filter.compile(text, layer)
    except FilterError as error:
        return _compare_error(text, layer, error)
    theirs = oracle.compile(text, layer)
    without = _without_lone_b(text)
    if without != text:
        # A suffix with a space before it: they must read the index as one of elements.
        assert theirs == oracle.compile(without, layer), (text, layer.name, theirs)
        assert oracle.format(text, layer) == oracle.format(without, layer), (text, layer.name)
        return Verdict.LONE_B
    assert theirs.ok, f"only the reference refuses {text!r} at {layer.name}: {theirs}"
    return _compare_text(text, layer, ours.program)


# -- both compile ---------------------------------------------------------------


def _compare_text(text: str, layer: Layer, program: Program) -> Verdict:
    their_text = oracle.format(text, layer)
    assert their_text is not None
    our_text = format_program(program)
    assert compile_program(our_text, layer) == program, (text, our_text)
    if our_text == their_text:
        return Verdict.SAME_TEXT
    if _has_minus_zero(tokenize(text, layer)):
        return Verdict.MINUS_ZERO
    return _compare_meaning(text, layer, program, our_text, their_text)


def _compare_meaning(
    text: str, layer: Layer, program: Program, our_text: str, their_text: str
) -> Verdict:
    """Where the texts differ: theirs must be what their reading of the filter explains."""
    where = (text, layer.name, our_text, their_text)
    never_equal, whole = _Reading(), _Reading()
    read = _read_as_windivert(parse(text, layer), never_equal, whole)
    their_program = compile_expression(read, layer)
    try:
        their_text_program = compile_program(their_text, layer)
    except FilterError:
        assert not oracle.compile(their_text, layer).ok, where
        return Verdict.NO_ROUND_TRIP
    if their_text_program == their_program:
        # Their text is good for their reading: then ours must be the same for it.
        canonical = format_program(their_program)
        if canonical != their_text:
            # Dead tests stand in the way of theirs; asked again, they agree.
            assert _leaves(read) > len(their_program), where
            assert _their_final_text(their_text, layer) == _without_set_off_colons(canonical), where
            if their_program == program:
                return Verdict.DEAD_TESTS
        assert their_program != program, where
        assert never_equal.used or whole.used, where
        return Verdict.NEVER_EQUAL if never_equal.used else Verdict.WHOLE_CONSTANT
    repeated = len(their_text_program) > len(their_program)
    assert repeated or _leaves(read) > len(their_program), where
    assert equivalent(their_text_program, their_program), where
    return Verdict.NO_ROUND_TRIP


def _their_final_text(text: str, layer: Layer) -> str:
    """Their text of their text, until it stays the same."""
    for _ in range(20):
        again = oracle.format(text, layer)
        if again is None or again == text:
            return text
        text = again
    raise AssertionError(f"the reference's text {text!r} does not settle")


def _without_set_off_colons(text: str) -> str:
    return text.replace(" : ", ": ")


class _Reading:
    used = False


def _read_as_windivert(part: Expression, never_equal: _Reading, whole: _Reading) -> Expression:
    """The expression with what WinDivert makes of its comparisons."""
    match part:
        case And(terms):
            return And(tuple(_read_as_windivert(term, never_equal, whole) for term in terms))
        case Or(terms):
            return Or(tuple(_read_as_windivert(term, never_equal, whole) for term in terms))
        case Conditional(a, b, c):
            a, b, c = (_read_as_windivert(term, never_equal, whole) for term in (a, b, c))
            return Conditional(a, b, c)
        case Comparison(field, index, operator, constant):
            if decided(field, operator, constant) is False and field.header is not Header.NONE:
                never_equal.used = True
                return Comparison(PRESENCE[field.header], 0, Operator.EQ, 0)
            if field.source in (Source.PACKET, Source.PAYLOAD) and field.bounds is None:
                whole.used |= not 0 <= constant < 1 << 32
                return Comparison(field, index, operator, abs(constant) & 0xFFFFFFFF)
            if field.style is Style.BOOL and field.bounds is None and constant == -1:
                whole.used |= operator in (Operator.EQ, Operator.NE)
                if operator in (Operator.EQ, Operator.NE):
                    return Comparison(field, index, operator, 1)
            return part
        case _:
            return part


def _leaves(expression: Expression) -> int:
    """Comparisons that are not folded: the tests that WinDivert makes."""
    count = 0
    pending = [expression]
    while pending:
        match pending.pop():
            case And(terms) | Or(terms):
                pending += terms
            case Not(term):
                pending.append(term)
            case Conditional(a, b, c):
                pending += (a, b, c)
            case Comparison() as comparison:
                count += not isinstance(simplified(comparison), Constant)
            case Constant():
                pass
    return count


def equivalent(left: Program, right: Program, trials: int = 200) -> bool:
    """Whether two programs decide alike for random outcomes of their comparisons."""
    rng = Random(0)
    atoms = sorted(
        {
            (test.field.id, test.op, test.constant, test.index)
            for program in (left, right)
            for test in program.tests
        }
    )
    for _ in range(trials):
        outcomes = {atom: rng.random() < 0.5 for atom in atoms}
        if _run(left, outcomes) != _run(right, outcomes):
            return False
    return True


def _run(program: Program, outcomes: dict[tuple[int, Operator, int, int], bool]) -> bool:
    position = 0
    while position not in (ACCEPT, REJECT):
        test = program.tests[position]
        outcome = outcomes[test.field.id, test.op, test.constant, test.index]
        position = test.success if outcome else test.failure
    return position == ACCEPT


def _has_minus_zero(tokens: list[Token]) -> bool:
    return any(
        first.kind is Kind.MINUS
        and second.kind in (Kind.NUMBER, Kind.IPV4, Kind.IPV6)
        and second.number == 0
        for first, second in pairwise(tokens)
    )


# -- we refuse ------------------------------------------------------------------


def _compare_error(text: str, layer: Layer, error: FilterError) -> Verdict:
    assert 0 <= error.position <= len(text), (text, error.position)
    assert error.text == text
    # Only a syntax error with a '?' behind it can crash the reference.
    may_crash = "?" in text and _is_syntax_error(text, layer)
    theirs = (oracle.compile_isolated if may_crash else oracle.compile)(text, layer)
    if theirs is not None and not theirs.ok and theirs.position == error.position:
        return Verdict.SAME_ERROR
    where = (text, layer.name, str(error), theirs)
    if text.startswith("@"):
        assert theirs == oracle.Compiled(False, 0, "Filter object is invalid"), where
        return Verdict.OBJECT_POSITION
    for rewrite, verdict in ((_without_lone_b, Verdict.LONE_B), (_lenient, Verdict.ADDRESS)):
        rewritten = rewrite(text)
        if rewritten != text:
            # They must read it as they read the rewritten filter. (A filter may
            # need both rewrites, or crash after one.)
            assert theirs is None or theirs.ok == _their_ok(rewritten, layer), where
            return verdict
    if theirs is None:
        assert _is_syntax_error(text, layer), where
        return Verdict.CRASH
    assert not theirs.ok, where
    return _compare_position(text, layer, error.position, theirs.position, where)


def _their_ok(text: str, layer: Layer) -> bool:
    """Whether the reference compiles it; a rewritten filter may be broken otherwise too."""
    theirs = oracle.compile_isolated(text, layer)
    return theirs is not None and theirs.ok


def _compare_position(text: str, layer: Layer, ours: int, theirs: int, where: object) -> Verdict:
    try:
        tokens = tokenize(text, layer)
    except FilterError:
        word = _WORD.match(text, ours)
        if word is None:
            assert theirs == ours + 1, where
            return Verdict.CHARACTER_POSITION
        assert word[0].endswith(":"), where
        assert theirs == (ours - 1) % (1 << 32), where
        return Verdict.COLON_POSITION
    place = next(i for i, token in enumerate(tokens) if token.position == ours)
    final = _position_after_groups(tokens, place)
    if final is None:
        return Verdict.CRASH
    if tokens[final].kind is Kind.BYTES:
        return Verdict.SUFFIX_POSITION
    assert theirs == tokens[final].position, where
    return Verdict.GROUP_POSITION


def _is_syntax_error(text: str, layer: Layer) -> bool:
    try:
        tokenize(text, layer)
    except FilterError:
        return False
    return True


def _position_after_groups(tokens: list[Token], place: int) -> int | None:
    """The token at which WinDivert reports a syntax error found at another.

    After an error in ``(a`` it looks for ``)`` or ``?`` as if there was none.
    None if it finds the latter: what it says then has to do with what follows.
    """
    parts: list[Kind] = []
    for token in tokens[:place]:
        if token.kind is Kind.OPEN:
            parts.append(Kind.OPEN)
        elif token.kind is Kind.CLOSE:
            parts.pop()
        elif token.kind in (Kind.QUESTION, Kind.COLON):
            parts[-1] = token.kind
    for part in reversed(parts):
        if part is not Kind.OPEN:
            continue
        if tokens[place].kind is Kind.QUESTION:
            return None
        if tokens[place].kind is not Kind.CLOSE:
            # From here on out the error is at this token.
            break
        place += 1
    return place


def _words(text: str) -> Iterator[re.Match[str]]:
    position = 0
    while position < len(text):
        match = _WORD.match(text, position)
        if match is None:
            position += 1
            continue
        yield match
        position = match.end()


def _rewritten(text: str, replace: dict[tuple[int, int], str]) -> str:
    pieces: list[str] = []
    position = 0
    for (start, end), instead in sorted(replace.items()):
        pieces += (text[position:start], instead)
        position = end
    pieces.append(text[position:])
    return "".join(pieces)


def _without_lone_b(text: str) -> str:
    return _rewritten(
        text,
        {(word.start(), word.start() + 1): " " for word in _words(text) if word[0] in ("b", "b:")},
    )


def _lenient(text: str) -> str:
    """The addresses that only WinDivert accepts, as it reads them."""
    return _rewritten(text, {word.span(): _lenient_word(word[0]) for word in _words(text)})


def _lenient_word(word: str) -> str:
    def low_bits(part: re.Match[str]) -> str:
        value = int(part[0])
        return str(value & 0xFFFFFFFF) if value >> 32 else part[0]

    if word.count(".") == 3:
        head, colon, tail = word.rpartition(":")
        return head + colon + re.sub(r"[0-9]+", low_bits, tail)
    groups = re.match(r"(?:::)?[0-9A-Fa-f]{1,4}(?:::?[0-9A-Fa-f]{1,4}){7}(?=:.)", word)
    if groups is not None:
        return groups[0]
    return word
