# SPDX-License-Identifier: MIT
"""_windows.pyi says what _windows has: stubtest cannot load it, where it runs."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform != "win32", reason="_windows is built for Windows")
def test_the_stub_has_the_names_of_the_module() -> None:
    module = importlib.import_module("fastdivert.windows._windows")
    stub = ast.parse(Path(module.__file__ or "").with_name("_windows.pyi").read_text())
    for node in stub.body:
        if isinstance(node, ast.FunctionDef):
            assert callable(getattr(module, node.name))
        if isinstance(node, ast.ClassDef):
            found = getattr(module, node.name)
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and member.name != "__buffer__":
                    assert hasattr(found, member.name), f"{node.name}.{member.name}"
