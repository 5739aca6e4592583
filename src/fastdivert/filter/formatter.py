# SPDX-License-Identifier: MIT
"""A program to its canonical text, which always compiles back to that program.

The graph of tests is folded up into one expression, from its end to its start.
A block is an expression with two exits; two blocks become one where nothing
but the first leads to the second and they share an exit. The rules and their
order are WinDivert's, so that the text is too. Where they leave a block that
several others lead to, WinDivert writes it several times, which is another
program; we have one rule more for that, branches of a conditional whose exits
are exchanged: ``(a? (b? false: true): c) and d``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fastdivert.errors import FilterError

from .compiler import compile_program
from .expression import And, Comparison, Conditional, Constant, Expression, Not, Or
from .lexer import WORD_MAX
from .notation import comparison_text
from .program import ACCEPT, REJECT, Operator, Program
from .windivert_object import encode

if TYPE_CHECKING:
    from fastdivert.enums import Layer

_TRUE: Final = Constant(True)
_FALSE: Final = Constant(False)


def format_program(program: Program) -> str:
    """The canonical text.

    Several forms are tried, and the first that compiles back to the program is
    given: WinDivert's; that with the additional rule; each of them without
    needless words, where those exceed the limit of tokens; and the filter object
    ``@WinDiv_...``, for programs that came as one and whose jumps no expression
    has. ``FilterError`` if none does: then the program is above the limits of a
    filter text and has a constant that a filter object has no room for.
    """
    for compact in (False, True):
        for exchange in (False, True):
            expression = expression_of(program, exchange=exchange)
            if expression is not None:
                text = expression_text(expression, program.layer, compact=compact)
                if _compiles_to(text, program):
                    return text
    text = encode(program)
    if not _compiles_to(text, program):
        raise FilterError("the program cannot be written as a filter text")
    return text


def _compiles_to(text: str, program: Program) -> bool:
    try:
        return compile_program(text, program.layer) == program
    except FilterError:
        return False


@dataclass(slots=True)
class _Block:
    """An expression, where it leads, and how many jumps lead to it."""

    expression: Expression
    success: int
    failure: int
    references: int = 0


def expression_of(program: Program, *, exchange: bool = False) -> Expression | None:
    """An expression whose program this is, or None if there is none by the rules."""
    if program.constant is not None:
        return Constant(program.constant)
    blocks = [
        _Block(
            Comparison(test.field, test.index, test.op, test.constant), test.success, test.failure
        )
        for test in program.tests
    ]
    for block in blocks:
        for target in (block.success, block.failure):
            if target < len(blocks):
                blocks[target].references += 1
    for block in reversed(blocks):
        while _absorb(block, blocks, exchange=exchange):
            pass
    return _unfolded(blocks)


def _unfolded(blocks: list[_Block]) -> Expression | None:
    """The blocks that are left, as a tree of conditionals; None if they are no tree."""
    left = {0}
    for number, block in enumerate(blocks):
        if number in left:
            if block.references > 1:
                return None
            left.update((block.success, block.failure))
    expressions: dict[int, Expression] = {ACCEPT: _TRUE, REJECT: _FALSE}
    for number in range(len(blocks) - 1, -1, -1):
        block = blocks[number]
        if number not in left:
            continue
        if (block.success, block.failure) == (ACCEPT, REJECT):
            expressions[number] = block.expression
        else:
            expressions[number] = Conditional(
                block.expression, expressions[block.success], expressions[block.failure]
            )
    return expressions[0]


def _absorb(block: _Block, blocks: list[_Block], *, exchange: bool) -> bool:
    """Join the block with one or both that it leads to; False if it cannot be."""
    then = _sole(block.success, blocks)
    otherwise = _sole(block.failure, blocks)
    if then is not None:
        if then.failure == block.failure:
            _join(block, And(_terms(And, block.expression, then.expression)), then, blocks)
            return True
        if then.success == block.failure:
            _join(block, Conditional(block.expression, then.expression, _TRUE), then, blocks)
            return True
    if otherwise is not None:
        if otherwise.success == block.success:
            _join(block, Or(_terms(Or, block.expression, otherwise.expression)), otherwise, blocks)
            return True
        if otherwise.failure == block.success:
            _join(
                block,
                Conditional(block.expression, _FALSE, otherwise.expression),
                otherwise,
                blocks,
            )
            return True
    if then is None or otherwise is None:
        return False
    if exchange and (then.success, then.failure) == (otherwise.failure, otherwise.success):
        _invert(otherwise if then.success == ACCEPT or then.failure == REJECT else then)
    if (then.success, then.failure) != (otherwise.success, otherwise.failure):
        return False
    block.expression = Conditional(block.expression, then.expression, otherwise.expression)
    block.success, block.failure = then.success, then.failure
    _release(then.success, blocks)
    _release(then.failure, blocks)
    return True


def _join(block: _Block, expression: Expression, absorbed: _Block, blocks: list[_Block]) -> None:
    """Both led to one exit, which has lost one of these jumps."""
    shared = block.failure if absorbed is _at(block.success, blocks) else block.success
    block.expression = expression
    block.success, block.failure = absorbed.success, absorbed.failure
    _release(shared, blocks)


def _at(target: int, blocks: list[_Block]) -> _Block | None:
    return blocks[target] if target < len(blocks) else None


def _sole(target: int, blocks: list[_Block]) -> _Block | None:
    """The block that a jump leads to, if it is the only one that does."""
    block = _at(target, blocks)
    return block if block is not None and block.references == 1 else None


def _release(target: int, blocks: list[_Block]) -> None:
    block = _at(target, blocks)
    if block is not None:
        block.references -= 1


def _invert(block: _Block) -> None:
    block.expression = Conditional(block.expression, _FALSE, _TRUE)
    block.success, block.failure = block.failure, block.success


def _terms(kind: type[And | Or], left: Expression, right: Expression) -> tuple[Expression, ...]:
    """The terms of left and right joined, without nesting one chain in another."""
    front = left.terms if isinstance(left, kind) else (left,)
    back = right.terms if isinstance(right, kind) else (right,)
    return front + back


def expression_text(expression: Expression, layer: Layer, *, compact: bool = False) -> str:
    """The expression as text.

    Compact: no ``!= 0``, no byte index where an element index does, and no
    parentheses around an ``and`` within an ``or``.
    """
    pieces: list[str] = []
    # Strings, and expressions with the operator that they are an operand of.
    pending: list[str | tuple[Expression, type[And | Or] | None]] = [(expression, None)]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            pieces.append(_colon_behind(pieces[-1]) if item == ": " else item)
            continue
        part, within = item
        match part:
            case Comparison(field, index, operator, constant):
                if compact:
                    pieces.append(_compact_comparison(part, layer))
                else:
                    pieces.append(comparison_text(field, index, operator, constant, layer))
            case Constant(value):
                pieces.append("true" if value else "false")
            case And(terms) | Or(terms):
                kind = type(part)
                word = " and " if kind is And else " or "
                bare = within in (None, kind) or (compact and kind is And)
                if not bare:
                    pieces.append("(")
                    pending.append(")")
                for term in reversed(terms[1:]):
                    pending.append((term, kind))
                    pending.append(word)
                pending.append((terms[0], kind))
            case Conditional(condition, then, otherwise):
                pieces.append("(")
                pending += (")", (otherwise, None), ": ", (then, None), "? ", (condition, None))
            case Not(term):
                pieces.append("(")
                pending += ("? false: true)", (term, None))
    return "".join(pieces)


def _colon_behind(piece: str) -> str:
    """The colon of a conditional, set off where it would become part of the word before it.

    So it would of an address with ``::`` at its end, and to the lexer a word of
    full length with a colon is too long. WinDivert's text does not compile there.
    """
    word = piece.rpartition(" ")[2]
    return " : " if word.endswith(":") or len(word) >= WORD_MAX else ": "


def _compact_comparison(comparison: Comparison, layer: Layer) -> str:
    field, index = comparison.field, comparison.index
    text = comparison_text(field, index, comparison.operator, comparison.constant, layer)
    if field.indexed and index % field.width == 0:
        text = text.replace(f"[{index}b]", f"[{index // field.width}]")
    if comparison.operator is Operator.NE and comparison.constant == 0:
        text = text.partition(" != ")[0]
    return text
