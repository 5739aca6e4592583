# SPDX-License-Identifier: MIT
"""docs/filter-language.md says what is so."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import fastdivert
from fastdivert.filter import FIELDS, compile

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "filter-language.md").read_text(encoding="utf-8")


def test_the_field_table_is_current() -> None:
    script = runpy.run_path(str(DOCS / "generate_fields.py"))
    assert script["current"](PAGE) == PAGE, "run python docs/generate_fields.py"


def test_the_field_table_is_whole() -> None:
    names = re.findall(r"^\| `([\w.]+)(?:\[i\])?` \|", PAGE.partition("## Fields")[2], re.MULTILINE)
    assert names == [field.name for field in FIELDS]


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example, listing = re.findall(r"```(?:python|text)\n(.*?)```", PAGE, re.DOTALL)[:2]
    (tmp_path / "example.py").write_text(example)
    scope = runpy.run_path(str(tmp_path / "example.py"))
    assert capsys.readouterr().out == listing
    comment = re.search(r"f\.format\(\)  # '(.*)'", example)
    assert comment is not None
    assert isinstance(scope["f"], fastdivert.Filter)
    assert scope["f"].format() == comment[1]


@pytest.mark.parametrize(
    "text",
    [
        "tcp.DstPort in {80, 443, 8000-8100}",
        "localAddr in {fe80::/10, 127.0.0.0/8}",
        "not (tcp.DstPort in {80, 443})",
        "not tcp.DstPort in {80, 443}",
    ],
)
def test_the_extensions_that_it_shows_compile(text: str) -> None:
    assert f"`{text}`" in PAGE
    compile(text, extensions=True)
