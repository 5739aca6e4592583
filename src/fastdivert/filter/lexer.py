# SPDX-License-Identifier: MIT
"""Filter text to tokens.

A word is resolved here, once: a field, a named constant, a number or an
address. As in WinDivert, the whole text is read before any of it is parsed,
so a bad word anywhere is reported before a bad structure.
"""

from __future__ import annotations

import enum
import re
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from fastdivert.enums import Layer
from fastdivert.errors import FilterError

from .address import AddressError, ipv6_from_text, parse_ipv4
from .fields import CONSTANTS, EVENT_CONSTANTS, FIELDS, IPV4_MAPPED, Field

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKENS_MAX: Final = 1277
"""Tokens of a filter; a number and its byte suffix ``b`` are two."""
WORD_MAX: Final = 39
"""Characters of a name, number or address."""
NUMBER_MAX: Final = (1 << 128) - 1


class Kind(enum.Enum):
    """What a token is; the value says it in error messages."""

    FIELD = "a field"
    BOOLEAN = "'true' or 'false'"
    NUMBER = "a number"
    IPV4 = "an IPv4 address"
    IPV6 = "an IPv6 address"
    FOREIGN_EVENT = "an event of another layer"
    BYTES = "'b'"
    OPERATOR = "a comparison"
    AND = "'and'"
    OR = "'or'"
    NOT = "'not'"
    OPEN = "'('"
    CLOSE = "')'"
    SQUARE_OPEN = "'['"
    SQUARE_CLOSE = "']'"
    MINUS = "'-'"
    QUESTION = "'?'"
    COLON = "':'"
    END = "the end of the filter"
    # Only with extensions:
    IN = "'in'"
    BRACE_OPEN = "'{'"
    BRACE_CLOSE = "'}'"
    COMMA = "','"
    SLASH = "'/'"


class Token(NamedTuple):
    """A token with the characters ``text[position:end]`` of its filter.

    ``number`` is the value of a NUMBER, IPV4, IPV6 or BOOLEAN, and the
    ``program.Operator`` of an OPERATOR; ``field`` is that of a FIELD.
    """

    kind: Kind
    position: int
    end: int
    number: int = 0
    field: Field | None = None


class _Word(NamedTuple):
    kind: Kind
    number: int = 0
    field: Field | None = None


_SYMBOLS: Final[Mapping[str, _Word]] = {
    "(": _Word(Kind.OPEN),
    ")": _Word(Kind.CLOSE),
    "[": _Word(Kind.SQUARE_OPEN),
    "]": _Word(Kind.SQUARE_CLOSE),
    "-": _Word(Kind.MINUS),
    "?": _Word(Kind.QUESTION),
    ":": _Word(Kind.COLON),
    "!": _Word(Kind.NOT),
    "&&": _Word(Kind.AND),
    "||": _Word(Kind.OR),
    "=": _Word(Kind.OPERATOR, 0),
    "==": _Word(Kind.OPERATOR, 0),
    "!=": _Word(Kind.OPERATOR, 1),
    "<": _Word(Kind.OPERATOR, 2),
    "<=": _Word(Kind.OPERATOR, 3),
    ">": _Word(Kind.OPERATOR, 4),
    ">=": _Word(Kind.OPERATOR, 5),
    "{": _Word(Kind.BRACE_OPEN),
    "}": _Word(Kind.BRACE_CLOSE),
    ",": _Word(Kind.COMMA),
    "/": _Word(Kind.SLASH),
}

# A colon starts a word only as the first of two (::1), else it is that of a
# conditional; within a word it belongs to an IPv6 address.
_PATTERN: Final = (
    r"[ \t\n\r\f\v]*"
    r"(?:((?:[A-Za-z0-9._]|:(?=:))[A-Za-z0-9._:]*)|(&&|\|\||[=!<>]=?|[()\[\]\-?:%s])|\Z)"
)
_BASE: Final = re.compile(_PATTERN % "")
_EXTENDED: Final = re.compile(_PATTERN % "{},/")
_SPACE: Final = re.compile(r"[ \t\n\r\f\v]*")

_DECIMAL: Final = re.compile(r"([0-9]+)(b?)")
_HEX: Final = re.compile(r"0x([0-9A-Fa-f]*)")


@cache
def _words(layer: Layer, extensions: bool) -> Mapping[str, _Word]:
    """Every word that means something at a layer."""
    words = {field.name: _Word(Kind.FIELD, 0, field) for field in FIELDS if field.exists_at(layer)}
    words.update({name: _Word(Kind.NUMBER, value) for name, value in CONSTANTS.items()})
    for events in EVENT_CONSTANTS.values():
        words.update({name: _Word(Kind.FOREIGN_EVENT) for name in events})
    words.update(
        {name: _Word(Kind.NUMBER, event) for name, event in EVENT_CONSTANTS[layer].items()}
    )
    words["and"] = _Word(Kind.AND)
    words["or"] = _Word(Kind.OR)
    words["not"] = _Word(Kind.NOT)
    words["true"] = _Word(Kind.BOOLEAN, 1)
    words["false"] = _Word(Kind.BOOLEAN, 0)
    words["b"] = _Word(Kind.BYTES)
    if extensions:
        words["in"] = _Word(Kind.IN)
    return words


def tokenize(text: str, layer: Layer, *, extensions: bool = False) -> list[Token]:
    """The tokens of a filter, the last one END."""
    tokens: list[Token] = []
    words = _words(layer, extensions)
    match_at = (_EXTENDED if extensions else _BASE).match
    position = 0
    while True:
        if len(tokens) > TOKENS_MAX:
            raise FilterError(
                f"the filter is too long: only {TOKENS_MAX} words, numbers and signs are allowed",
                position,
                text,
            )
        match = match_at(text, position)
        if match is None:
            _unexpected_character(text, position)
        position = match.end()
        word = match[1]
        if word is None:
            symbol = match[2]
            if symbol is None:
                tokens.append(Token(Kind.END, position, position))
                return tokens
            meaning = _SYMBOLS[symbol]
            tokens.append(Token(meaning.kind, position - len(symbol), position, meaning.number))
            continue
        start = match.start(1)
        if len(word) > WORD_MAX:
            raise FilterError(
                f"{word[:12]!r}... has {len(word)} characters, and no name, number or address"
                f" more than {WORD_MAX}",
                start,
                text,
            )
        if word[-1] == ":" and word[-2] != ":":
            # The colon of a conditional directly behind a word, (tcp? 1: 2).
            word = word[:-1]
            position -= 1
        meaning_or_none = words.get(word)
        if meaning_or_none is not None:
            kind, number, field = meaning_or_none
            tokens.append(Token(kind, start, position, number, field))
        else:
            _append_literal(tokens, word, start, layer, text)


def _append_literal(tokens: list[Token], word: str, start: int, layer: Layer, text: str) -> None:
    """Append the token of a number or address, or the two of a number and its ``b``."""
    end = start + len(word)
    match = _DECIMAL.fullmatch(word)
    if match is not None:
        value = int(match[1])
        if value > NUMBER_MAX:
            raise FilterError(f"the number {word} is above 2**128 - 1", start, text)
        digits_end = match.end(1) + start
        tokens.append(Token(Kind.NUMBER, start, digits_end, value))
        if match[2]:
            tokens.append(Token(Kind.BYTES, digits_end, end))
        return
    match = _HEX.fullmatch(word)
    if match is not None:
        # WinDivert reads a bare 0x as 0, and so do we.
        value = int(match[1] or "0", 16)
        if value > NUMBER_MAX:
            raise FilterError(f"the number {word} is above 2**128 - 1", start, text)
        tokens.append(Token(Kind.NUMBER, start, end, value))
        return
    if not ("0" <= word[0] <= "9" or ":" in word):
        _unknown_name(word, start, layer, text)
    try:
        if ":" in word:
            tokens.append(Token(Kind.IPV6, start, end, ipv6_from_text(word)))
        else:
            tokens.append(Token(Kind.IPV4, start, end, IPV4_MAPPED | parse_ipv4(word)))
    except AddressError as fault:
        problem = fault.problem
        if word.partition(":")[0] in _words(layer, False):
            problem = f"{word!r} is one word; the ':' of a conditional needs a space around it"
        elif "." not in word and ":" not in word:
            problem = f"{word!r} is neither a number nor a name"
        raise FilterError(problem, start, text) from None


def _unexpected_character(text: str, position: int) -> NoReturn:
    space = _SPACE.match(text, position)
    assert space is not None
    position = space.end()
    character = text[position]
    advice = ""
    if character in "&|":
        word = "and" if character == "&" else "or"
        advice = f"; write {character * 2!r} or {word!r}"
    elif character in "{},/":
        advice = "; sets and prefixes need extensions=True"
    raise FilterError(f"unexpected character {character!r}{advice}", position, text)


def _unknown_name(word: str, position: int, layer: Layer, text: str) -> NoReturn:
    for field in FIELDS:
        if field.name == word:
            layers = ", ".join(other.name for other in Layer if field.exists_at(other))
            raise FilterError(
                f"{word!r} does not exist at layer {layer.name}, only at {layers}", position, text
            )
    if word == "in":
        raise FilterError("'in' needs extensions=True", position, text)
    advice = ""
    close = _closest(word, list(_words(layer, False)))
    if close is not None:
        advice = f"; did you mean {close!r}?"
    raise FilterError(f"unknown name {word!r}{advice}", position, text)


def _closest(word: str, names: list[str]) -> str | None:
    """The name that is nearest to the word, letter case aside."""
    from difflib import get_close_matches  # only for errors: slow to import

    by_folded = {name.casefold(): name for name in names}
    matches = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None
