# SPDX-License-Identifier: MIT
"""One comparison as canonical text, written as WinDivert writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastdivert.enums import Layer

from .address import format_ipv4, ipv6_to_text
from .fields import EVENT_CONSTANTS, Field, Style

if TYPE_CHECKING:
    from .program import Operator

_SYMBOLS: Final = ("=", "!=", "<", "<=", ">", ">=")
_EVENT_NAMES: Final = {
    layer: {int(event): name for name, event in names.items()}
    for layer, names in EVENT_CONSTANTS.items()
}
_LAYER_NAMES: Final = {int(layer): layer.name for layer in Layer}


def field_text(field: Field, index: int) -> str:
    """``tcp.DstPort``, ``packet16[2b]``."""
    return f"{field.name}[{index}b]" if field.indexed else field.name


def constant_text(field: Field, constant: int, layer: Layer) -> str:
    """The constant in the style of its field."""
    sign = "-" if constant < 0 else ""
    magnitude = abs(constant)
    match field.style:
        case Style.HEX:
            return f"{sign}{magnitude:#x}"
        case Style.IPV4 if constant >> 32 == 0xFFFF:
            return format_ipv4(constant & 0xFFFFFFFF)
        case Style.IPV4 | Style.IPV6:
            return sign + ipv6_to_text(magnitude)
        case Style.LAYER:
            return _LAYER_NAMES.get(constant, str(constant))
        case Style.EVENT:
            return _EVENT_NAMES[layer].get(constant, str(constant))
        case _:
            return str(constant)


def comparison_text(
    field: Field, index: int, operator: Operator, constant: int, layer: Layer
) -> str:
    """``tcp.DstPort = 80``, ``not tcp.Syn``."""
    symbol = _SYMBOLS[operator]
    if field.style is Style.BOOL and constant in (0, 1) and symbol in ("=", "!="):
        return field.name if (symbol == "=") == bool(constant) else f"not {field.name}"
    return f"{field_text(field, index)} {symbol} {constant_text(field, constant, layer)}"
