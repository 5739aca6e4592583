# SPDX-License-Identifier: MIT
"""WinDivert's serialized filters: ``@WinDiv_`` and a program in base 32.

    object  = "@WinDiv_" version length test*
    test    = "_" field operator negative word{1,4} [index] success failure
    target  = "A" (accept) | "X" (reject) | "L" number
    number  = digit* last-digit

A number is written in 5-bit digits, most significant first; the last one comes
from the second half of the alphabet. A constant has one 32-bit word, or two or
four where its field has 64 or 128 bits, least significant word first; an IPv4
address is its 32 bits. An index is offset by 65535.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from fastdivert.errors import FilterError

from .expression import Comparison, Constant
from .fields import FIELDS, IPV4_MAPPED, Field, Style
from .folding import simplified
from .graph import Node, Target, assemble
from .program import ACCEPT, REJECT, TESTS_MAX, Operator, Program, Test

if TYPE_CHECKING:
    from fastdivert.enums import Layer

MAGIC: Final = "@WinDiv_"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+="
_LAST: Final = 32
"""Digits from here on in the alphabet end a number."""
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}
_WORD: Final = 0xFFFFFFFF
_WORD_DIGITS: Final = 7
_INDEX_OFFSET: Final = 0xFFFF


def _words_of(field: Field) -> int:
    return {16: 4, 8: 2}.get(field.width, 1)


def encode(program: Program) -> str:
    """The filter object of a program.

    ``FilterError`` for a constant that the object has no room for: of the
    fields that are compared with 32 bits, ``tcp.SeqNum = 4294967296``.
    """
    parts = [MAGIC, _number(0), _number(len(program))]
    for test in program.tests:
        parts += ("_", _number(test.field.id), _number(test.op), _number(test.negative))
        parts += map(_number, _constant_words(test))
        if test.field.indexed:
            parts.append(_number(test.index + _INDEX_OFFSET))
        parts += (_target(test.success), _target(test.failure))
    return "".join(parts)


def _constant_words(test: Test) -> list[int]:
    words = _words_of(test.field)
    magnitude = abs(test.constant)
    if test.field.style is Style.IPV4:
        magnitude -= IPV4_MAPPED
    if magnitude >> 32 * words or magnitude < 0:
        raise FilterError(
            f"a filter object has no room for the constant {test.constant} of {test.field.name!r}"
        )
    return [magnitude >> 32 * word & _WORD for word in range(words)]


def _number(value: int) -> str:
    digits = _DIGITS[_LAST + (value & 31)]
    while value := value >> 5:
        digits = _DIGITS[value & 31] + digits
    return digits


def _target(target: int) -> str:
    return {ACCEPT: "A", REJECT: "X"}.get(target) or "L" + _number(target)


def decode(text: str, layer: Layer) -> Program:
    """The program of a filter object, checked in full.

    Tests that decide nothing or that no jump reaches are dropped, comparisons
    that never hold are folded: the program is the one of an equal filter text.
    """
    return _Decoder(text, layer).decode()


class _Decoder:
    def __init__(self, text: str, layer: Layer) -> None:
        self._text = text
        self._layer = layer
        self._position = 0

    def _fail(self, problem: str, position: int) -> NoReturn:
        raise FilterError(f"bad filter object: {problem}", position, self._text)

    def _take(self) -> str:
        if self._position >= len(self._text):
            self._fail("it ends early", len(self._text))
        self._position += 1
        return self._text[self._position - 1]

    def _take_number(self, digits: int, maximum: int, what: str) -> int:
        start = self._position
        value = 0
        for _ in range(digits):
            position = self._position
            digit = _VALUES.get(self._take())
            if digit is None:
                self._fail(f"{self._text[position]!r} is no digit", position)
            value = value << 5 | digit & 31
            if digit >= _LAST:
                if value > maximum:
                    self._fail(f"{what} {value} is above {maximum}", start)
                return value
        self._fail(f"the number of {what} does not end", start)

    def decode(self) -> Program:
        if not self._text.startswith(MAGIC):
            self._fail(f"it does not start with {MAGIC!r}", 0)
        self._position = len(MAGIC)
        self._take_number(4, 0, "version")
        start = self._position
        length = self._take_number(2, TESTS_MAX, "length")
        if length == 0:
            self._fail("it has no test", start)
        tests: list[tuple[Comparison | Constant, int, int]] = []
        for number in range(length):
            comparison = self._take_comparison()
            success = self._take_target(number, length)
            failure = self._take_target(number, length)
            tests.append((comparison, success, failure))
        if self._position != len(self._text):
            self._fail(f"text behind its {length} tests", self._position)
        places: dict[int, Target] = {ACCEPT: True, REJECT: False}
        # Jumps go forward: from the end, what a test leads to is known.
        for number in range(length - 1, -1, -1):
            comparison, success, failure = tests[number]
            if isinstance(comparison, Constant):
                places[number] = places[success if comparison.value else failure]
            else:
                node = Node(comparison)
                node.success, node.failure = places[success], places[failure]
                places[number] = node
        return assemble(places[0], self._layer)

    def _take_comparison(self) -> Comparison | Constant:
        start = self._position
        if self._take() != "_":
            self._fail("a test starts with '_'", start)
        start = self._position
        field = FIELDS[self._take_number(2, len(FIELDS) - 1, "field")]
        if not field.exists_at(self._layer):
            self._fail(f"{field.name!r} does not exist at layer {self._layer.name}", start)
        operator = Operator(self._take_number(2, max(Operator), "operator"))
        negative = self._take_number(1, 1, "sign")
        constant = 0
        for word in range(_words_of(field)):
            constant |= self._take_number(_WORD_DIGITS, _WORD, "constant") << 32 * word
        if field.style is Style.IPV4:
            constant |= IPV4_MAPPED
        index = 0
        if field.indexed:
            start = self._position
            index = self._take_number(_WORD_DIGITS, 2 * _INDEX_OFFSET, "index") - _INDEX_OFFSET
            if index > 0xFFFF - field.width:
                self._fail(f"the index {index} of {field.name!r} is out of bounds", start)
        comparison = Comparison(field, index, operator, -constant if negative else constant)
        # In an object an index out of bounds makes any test false, even "<= 255",
        # which a filter text folds to true: so nothing of an array is folded.
        return comparison if field.indexed else simplified(comparison)

    def _take_target(self, number: int, length: int) -> int:
        start = self._position
        match self._take():
            case "A":
                return ACCEPT
            case "X":
                return REJECT
            case "L":
                target = self._take_number(2, length - 1, "jump")
                if target <= number:
                    self._fail(f"the jump from test {number} to {target} is not forward", start)
                return target
            case other:
                self._fail(f"{other!r} is no jump", start)
