# SPDX-License-Identifier: MIT
"""Tests of the Windows driver that need no Windows: its build, its images, its layouts."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DRIVER = ROOT / "driver" / "windows"

TOOLS = ("clang-19", "lld-link-19", "llvm-dlltool-19", "llvm-rc-19", "llvm-objdump-19")
SIGNING = ("openssl", "osslsigncode")


def need(reason: str | None) -> None:
    """Skips, or fails where FASTDIVERT_WINDOWS=required."""
    if reason is None:
        return
    if os.environ.get("FASTDIVERT_WINDOWS") == "required":
        pytest.fail(f"tests of the Windows driver are required here, but {reason}")
    pytest.skip(reason)


def missing_tool(*tools: str) -> str | None:
    for tool in tools:
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None


def missing_headers() -> str | None:
    if not Path("/usr/share/mingw-w64/include/ddk/ntifs.h").exists():
        return "mingw-w64-common is not installed"
    return missing_tool(*TOOLS)


def load(name: str) -> ModuleType:
    """driver/windows/NAME.py as a module."""
    spec = importlib.util.spec_from_file_location(f"windows_driver_{name}", DRIVER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def builder() -> ModuleType:
    need(missing_headers())
    return load("build")


@pytest.fixture(scope="session")
def images(builder: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """fastdivert.sys by machine, its PDB beside it."""
    out = tmp_path_factory.mktemp("driver")
    return {name: builder.build(machine, out) for name, machine in builder.MACHINES.items()}
