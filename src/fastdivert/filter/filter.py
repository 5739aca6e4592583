# SPDX-License-Identifier: MIT
"""``fastdivert.compile`` and the filter that it gives."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, SupportsIndex

from fastdivert import _core
from fastdivert.enums import Layer

from .analysis import may_match
from .compiler import compile_program

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    from .program import Program


class Filter:
    """A compiled filter; immutable, equal to any other with the same program.

    Attributes:
        text: its source, also ``str()``.
        layer: the layer that it was compiled for.
        extensions: whether ``text`` may use our extensions of the language.
        program: what it was compiled to.
    """

    __slots__ = ("_core_program", "extensions", "layer", "program", "text")

    text: str
    layer: Layer
    extensions: bool
    program: Program
    _core_program: Any

    def __init__(self, text: str, layer: Layer, program: Program, *, extensions: bool) -> None:
        set_attribute = super().__setattr__
        set_attribute("text", text)
        set_attribute("layer", layer)
        set_attribute("program", program)
        set_attribute("extensions", extensions)
        set_attribute("_core_program", None)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Filter is immutable: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Filter is immutable: {name!r} cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.text, self.layer, self.program, self.extensions)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        extensions = ", extensions=True" if self.extensions else ""
        return f"fastdivert.compile({self.text!r}, Layer.{self.layer.name}{extensions})"

    def __eq__(self, other: object) -> bool:
        return self.program == other.program if isinstance(other, Filter) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.program)

    @property
    def core_program(self) -> _core.Program:
        """The program as drivers and batches run it: verified, made at first use."""
        if self._core_program is None:
            made = _core.Program(self.program.to_bytes())
            super().__setattr__("_core_program", made)
            return made
        program: _core.Program = self._core_program
        return program

    def format(self) -> str:
        """The canonical text, in the language without extensions.

        It compiles to an equal filter. Where no text within the language's
        limits does, it is the filter object ``@WinDiv_...``, and where not even
        that has room for a constant, ``FilterError``.
        """
        from .formatter import format_program

        return format_program(self.program)

    def may_match(self, **values: SupportsIndex) -> bool:
        """False if no packet or event with these values of fields can match.

        ``f.may_match(inbound=1, outbound=0)``, ``f.may_match(event=Event.SOCKET_BIND)``.
        True does not promise that one can.
        """
        return may_match(self.program, values)

    def match(self, batch: Any) -> numpy.typing.NDArray[numpy.bool_]:
        """Which packets or events of a ``Batch`` match: a bool for each."""
        mask: numpy.typing.NDArray[numpy.bool_] = batch.match(self)
        return mask


def _restore(text: str, layer: Layer, program: Program, extensions: bool) -> Filter:
    return Filter(text, layer, program, extensions=extensions)


def compile(text: str, layer: Layer | int = Layer.NETWORK, *, extensions: bool = False) -> Filter:
    """Compile a filter of WinDivert's language, or a filter object (``@WinDiv_...``).

    Args:
        text: the filter.
        layer: whose fields and events it may name.
        extensions: allow ``not (...)`` over any expression, and sets:
            ``tcp.DstPort in {80, 443, 8000-8100}``, ``ip.SrcAddr in {10.0.0.0/8}``.

    Raises:
        FilterError: the text is no filter; it says what is wrong and where.
        ValueError: there is no such layer.
        TypeError: an argument has the wrong type.
    """
    if not isinstance(text, str):
        raise TypeError(f"a filter is a str, not {type(text).__name__}")
    try:
        number = operator.index(layer)
    except TypeError:
        raise TypeError(f"a layer is a Layer or an int, not {type(layer).__name__}") from None
    try:
        layer = Layer(number)
    except ValueError:
        known = ", ".join(f"{one.name} ({one.value})" for one in Layer)
        raise ValueError(f"there is no layer {number}; there are {known}") from None
    program = compile_program(text, layer, extensions=bool(extensions))
    return Filter(text, layer, program, extensions=bool(extensions))
