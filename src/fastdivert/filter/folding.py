# SPDX-License-Identifier: MIT
"""Comparisons that the range of their field decides.

As in WinDivert, one that always holds is folded to the presence of the header
that the field needs, and one that never holds to ``false``. WinDivert folds
the latter to the *absence* of the header, so that there ``tcp.DstPort ==
70000`` matches whatever is not TCP.
"""

from __future__ import annotations

from .expression import Comparison, Constant
from .fields import PRESENCE, ZERO, Field, Header
from .program import Operator


def decided(field: Field, operator: Operator, constant: int) -> bool | None:
    """What the comparison gives for every value of the field, or None if it depends."""
    if field.bounds is None:
        return None
    lowest, highest = field.bounds
    match operator:
        case Operator.EQ:
            result = None if lowest <= constant <= highest else False
        case Operator.NE:
            result = None if lowest <= constant <= highest else True
        case Operator.LT:
            result = True if constant > highest else False if constant <= lowest else None
        case Operator.LE:
            result = True if constant >= highest else False if constant < lowest else None
        case Operator.GT:
            result = False if constant >= highest else True if constant < lowest else None
        case Operator.GE:
            result = False if constant > highest else True if constant <= lowest else None
    return result


def simplified(comparison: Comparison) -> Comparison | Constant:
    """The comparison, or what it comes to for every value of its field."""
    field = comparison.field
    if field is ZERO:
        return Constant(comparison.operator.holds(0, comparison.constant))
    result = decided(field, comparison.operator, comparison.constant)
    if result is None:
        return comparison
    if result and field.header is not Header.NONE:
        return Comparison(PRESENCE[field.header], 0, Operator.NE, 0)
    return Constant(result)
