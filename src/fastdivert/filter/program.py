# SPDX-License-Identifier: MIT
"""The compiled filter: struct fd_program of driver/abi/program.h as an immutable object."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .fields import ZERO, Field
from .notation import comparison_text

if TYPE_CHECKING:
    from fastdivert.enums import Layer


class Operator(enum.IntEnum):
    """enum fd_operator."""

    EQ = 0
    NE = 1
    LT = 2
    LE = 3
    GT = 4
    GE = 5

    @property
    def negated(self) -> Operator:
        """The operator that holds of a field's value where this one does not."""
        return _NEGATED[self]

    def holds(self, value: int, constant: int) -> bool:
        match self:
            case Operator.EQ:
                return value == constant
            case Operator.NE:
                return value != constant
            case Operator.LT:
                return value < constant
            case Operator.LE:
                return value <= constant
            case Operator.GT:
                return value > constant
            case Operator.GE:
                return value >= constant


_NEGATED: Final = {
    Operator.EQ: Operator.NE,
    Operator.NE: Operator.EQ,
    Operator.LT: Operator.GE,
    Operator.LE: Operator.GT,
    Operator.GT: Operator.LE,
    Operator.GE: Operator.LT,
}

TESTS_MAX: Final = 256
"""FD_PROGRAM_TESTS_MAX"""
ACCEPT: Final = 0x7FFE
"""FD_PROGRAM_ACCEPT: the target of a jump that ends with a match."""
REJECT: Final = 0x7FFF
"""FD_PROGRAM_REJECT: the target of a jump that ends without one."""

_HEADER: Final = struct.Struct("=II")
_TEST: Final = struct.Struct("=HBBHHiI4I")
_WORD: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Test:
    """Compare a field with a constant, and go on where the result says.

    Attributes:
        field: what is compared; ``field.id`` is its number in the ABI.
        op: how.
        constant: with what, sign included; IPv4 addresses are ::ffff-mapped.
        success: the next test, ``ACCEPT`` or ``REJECT``, if the comparison holds.
        failure: the same if it does not, or if the packet does not have the field.
        index: byte index of ``packet[]`` and ``Payload[]`` fields, below zero from the end.
    """

    __test__ = False  # pytest: no test class

    field: Field
    op: Operator
    constant: int
    success: int
    failure: int
    index: int = 0

    @property
    def negative(self) -> bool:
        return self.constant < 0

    def to_bytes(self) -> bytes:
        magnitude = abs(self.constant)
        return _TEST.pack(
            self.field.id,
            self.op,
            self.negative,
            self.success,
            self.failure,
            self.index,
            0,
            magnitude & _WORD,
            magnitude >> 32 & _WORD,
            magnitude >> 64 & _WORD,
            magnitude >> 96,
        )


@dataclass(frozen=True, slots=True)
class Program:
    """Tests with forward jumps; two filters that mean the same tests have equal programs.

    Every test is reachable and decides something, and the tests stand in one
    order (reverse postorder, success before failure), except for the single
    test of a program that always or never matches: ``zero = 0`` with equal
    targets.
    """

    layer: Layer
    tests: tuple[Test, ...]

    @classmethod
    def of_constant(cls, layer: Layer, result: bool) -> Program:
        """The program that always or never matches."""
        target = ACCEPT if result else REJECT
        return cls(layer, (Test(ZERO, Operator.EQ, 0, target, target),))

    @property
    def constant(self) -> bool | None:
        """True or False if the program always or never matches, else None."""
        first = self.tests[0]
        if first.field is not ZERO:
            return None
        return first.success == ACCEPT

    def __len__(self) -> int:
        return len(self.tests)

    def to_bytes(self) -> bytes:
        """struct fd_program without the unused tests: 8 bytes and 32 a test, native order."""
        header = _HEADER.pack(len(self.tests), self.layer)
        return header + b"".join(test.to_bytes() for test in self.tests)

    def dump(self) -> str:
        """A listing for people: a line for each test, with both of its jumps."""
        texts = [
            comparison_text(test.field, test.index, test.op, test.constant, self.layer)
            for test in self.tests
        ]
        width = max(map(len, texts))
        lines = [
            f"{number:3}  {text:{width}}  true: {_target_text(test.success):6}"
            f"  false: {_target_text(test.failure)}"
            for number, (text, test) in enumerate(zip(texts, self.tests, strict=True))
        ]
        return "\n".join(lines)


def _target_text(target: int) -> str:
    return {ACCEPT: "accept", REJECT: "reject"}.get(target, str(target))
