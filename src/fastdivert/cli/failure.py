# SPDX-License-Identifier: MIT
"""How a command ends, and what it says if that is not well."""

from __future__ import annotations

from typing import Final

from fastdivert.errors import FilterError

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141

#: Columns of a filter that are shown around the place of an error.
_WINDOW: Final = 72


class UsageError(Exception):
    """The command line is wrong; nothing has been opened."""


def describe(error: BaseException) -> str:
    """What went wrong, for a person."""
    if isinstance(error, FilterError):
        return point_at(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return str(error) or "not enough memory"
    return str(error)


def point_at(error: FilterError) -> str:
    """The message, the filter under it, and a caret under the place of the error."""
    if not error.text:
        return error.message
    # One column a character, so that the caret stands where the eye looks for it.
    line = "".join(char if char.isprintable() else " " for char in error.text)
    position = min(error.position, len(line))
    begin = max(0, min(position - _WINDOW // 2, len(line) - _WINDOW))
    end = begin + _WINDOW
    before, after = "..." * (begin > 0), "..." * (end < len(line))
    caret = " " * (len(before) + position - begin) + "^"
    shown = f"{before}{line[begin:end]}{after}"
    return f"{error.message} (at position {error.position})\n  {shown}\n  {caret}"
