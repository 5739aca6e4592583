# SPDX-License-Identifier: MIT
"""What a filter text says, as a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .fields import Field
    from .program import Operator


@dataclass(frozen=True, slots=True)
class Constant:
    """``true``, ``false``, or a comparison of one of these."""

    value: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """``tcp.DstPort == 80``; false for a packet that does not have the field."""

    field: Field
    index: int
    operator: Operator
    constant: int


@dataclass(frozen=True, slots=True)
class And:
    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Logical negation; ``not`` of one comparison is another comparison instead."""

    term: Expression


@dataclass(frozen=True, slots=True)
class Conditional:
    """``(condition? then: otherwise)``"""

    condition: Expression
    then: Expression
    otherwise: Expression


Expression: TypeAlias = Constant | Comparison | And | Or | Not | Conditional
