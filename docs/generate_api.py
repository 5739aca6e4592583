# SPDX-License-Identifier: MIT
"""Write api.md, the reference of the public names, from their docstrings.

python docs/generate_api.py          # rewrite the page
python docs/generate_api.py --check  # exit with 1 if the page is not current
"""

from __future__ import annotations

import enum
import inspect
import re
import sys
from pathlib import Path

import numpy as np

import fastdivert

PAGE = Path(__file__).with_name("api.md")

HEAD = """# The Python interface

`import fastdivert as fd`. Every public name, from the docstrings
(`docs/generate_api.py` writes this page).
"""


def signature(name: str, value: object) -> str:
    try:
        found = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return name
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in found.parameters.values()
        if parameter.name not in ("self", "cls")
    ]
    plain = found.replace(parameters=bare, return_annotation=inspect.Signature.empty)
    # Enum defaults as one writes them: Layer.NETWORK, not <Layer.NETWORK: 0>.
    return name + re.sub(r"<(\w+\.\w+): -?\d+>", r"\1", str(plain))


def quoted(text: str) -> str:
    """A docstring as markdown: its sections as paragraphs, what is indented as code."""
    return text.replace("``", "`")


def document(value: object) -> str:
    return quoted(inspect.getdoc(value) or "")


def members(kind: type) -> list[str]:
    lines = []
    for name, value in vars(kind).items():
        if name.startswith("_") and name not in ("__getitem__", "__setitem__"):
            continue
        plain = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        text = document(plain)
        if not text or not (callable(plain) or isinstance(plain, property)):
            continue
        title = name if isinstance(plain, property) else signature(name, plain)
        lines += [f"#### `{kind.__name__}.{title}`\n", block(text)]
    return lines


def block(text: str) -> str:
    """Google sections keep their shape as preformatted text; the rest is prose."""
    head, *sections = text.split("\n\n")
    parts = [head]
    for section in sections:
        first = section.split("\n", 1)[0]
        keeps_shape = first.endswith(":") and "\n    " in section
        parts.append(f"```text\n{section}\n```" if keeps_shape else section)
    return "\n\n".join(parts) + "\n"


def describe(name: str) -> list[str]:
    value = getattr(fastdivert, name)
    if isinstance(value, np.dtype):
        fields = value.fields or {}
        rows = [f"| `{key}` | {entry[1]} | `{entry[0]}` |" for key, entry in fields.items()]
        return [f"### `{name}`\n", "| field | offset | type |", "|---|---|---|", *rows, ""]
    if isinstance(value, type) and issubclass(value, enum.Enum):
        items = ", ".join(f"`{key}` = {int(item)}" for key, item in value.__members__.items())
        return [f"### `{name}`\n", block(document(value)), f"{items}\n"]
    if isinstance(value, type):
        return [f"### class `{name}`\n", block(document(value)), *members(value)]
    if callable(value):
        return [f"### `{signature(name, value)}`\n", block(document(value))]
    return [f"### `{name}` = {value!r}\n"]


def render() -> str:
    groups: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors": [], "Constants": []}
    for name in fastdivert.__all__:
        if name == "__version__":
            continue
        value = getattr(fastdivert, name)
        if isinstance(value, type) and issubclass(value, Exception):
            group = "Errors"
        elif isinstance(value, (np.dtype, int)) or (
            isinstance(value, type) and issubclass(value, enum.Enum)
        ):
            group = "Constants"
        else:
            group = "Classes" if isinstance(value, type) else "Functions"
        groups[group] += describe(name)
    lines = [HEAD]
    for group, texts in groups.items():
        lines += [f"## {group}\n", *texts]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    text = render()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text)
        return 0
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    print(f"{PAGE.name} is not current: run ./dev docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
