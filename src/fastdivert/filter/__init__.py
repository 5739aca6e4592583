# SPDX-License-Identifier: MIT
"""The filter language: text to program and back.

A filter goes through these files in this order: ``lexer`` (text to tokens),
``parser`` (tokens to an ``expression``), ``folding`` and ``compiler``
(expression to a ``graph`` of tests), ``program`` (the graph as the ABI has it).
``formatter`` goes the way back. ``windivert_object`` reads and writes programs
as WinDivert serializes them.
"""

from __future__ import annotations

from .address import format_ipv4, format_ipv6, parse_ipv4, parse_ipv6
from .fields import FIELD_BY_NAME, FIELDS, Field
from .filter import Filter, compile
from .program import ACCEPT, REJECT, Operator, Program, Test

__all__ = [
    "ACCEPT",
    "FIELDS",
    "FIELD_BY_NAME",
    "REJECT",
    "Field",
    "Filter",
    "Operator",
    "Program",
    "Test",
    "compile",
    "format_ipv4",
    "format_ipv6",
    "parse_ipv4",
    "parse_ipv6",
]
