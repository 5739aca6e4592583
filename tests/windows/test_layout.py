# SPDX-License-Identifier: MIT
"""The driver is built with headers that are not Microsoft's. What they say of structures,
constants and keys is compared with Microsoft's metadata, for both machines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.windows import metadata
from tests.windows.conftest import DRIVER, ROOT, need

ARCHITECTURES = {"x64": "AMD64", "arm64": "ARM64"}

# What the driver's headers have no name for, because it has no use for it.
WITHOUT_NAME = {
    "FWP_VALUE0": {
        *("int8", "int16", "int32", "int64", "float32", "double64", "byteArray16", "byteArray6"),
        *("sid", "sd", "tokenInformation", "tokenAccessInformation", "unicodeString"),
    },
    "IRP": {"IoRingContext"},
}
STATUS = re.compile(r"\bSTATUS_[A-Z_]+\b")


@pytest.fixture(scope="session", params=sorted(ARCHITECTURES))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def statuses() -> list[str]:
    """Every NTSTATUS that the driver names."""
    names: set[str] = set()
    for source in DRIVER.glob("*.[ch]"):
        names |= set(STATUS.findall(source.read_text()))
    return sorted(names)


@pytest.fixture(scope="session")
def microsoft(machine: str, statuses: list[str]) -> dict[str, Any]:
    need(metadata.missing())
    output = subprocess.run(
        [sys.executable, "-m", "tests.windows.metadata", ARCHITECTURES[machine], *statuses],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stdout
    found: dict[str, Any] = json.loads(output)
    return found


def compile_with(builder: ModuleType, machine: str, lines: list[str], folder: Path) -> str:
    """What the compiler has to say of these declarations behind the driver's headers."""
    source = folder / "layout.c"
    source.write_text("\n".join(['#include "nt.h"', '#include "interface.h"', *lines, ""]))
    target = builder.MACHINES[machine]
    headers = str(builder.HEADERS)
    command = ["clang-19", f"--target={target.target}", *builder.C_FLAGS, *target.flags]
    command += ["-isystem", headers, "-isystem", f"{headers}/ddk", "-I.", "-fsyntax-only"]
    command += ["-ferror-limit=0", str(source)]
    return subprocess.run(command, capture_output=True, text=True, cwd=DRIVER).stderr


def wrong(errors: str) -> list[str]:
    """The texts of the assertions that failed; other errors as they are."""
    found = re.findall(r"error: (.*)", errors)
    return [re.sub(r'^static assertion failed.*: "?([^"]*)"?$', r"\1", text) for text in found]


def layout_asserts(layouts: dict[str, Any]) -> list[str]:
    lines = []
    for name, layout in layouts.items():
        lines.append(f'_Static_assert(sizeof({name}) == {layout["size"]}, "sizeof {name}");')
        for field, offset in layout["fields"].items():
            if field in WITHOUT_NAME.get(name, ()):
                continue
            there = f"__builtin_offsetof({name}, {field})"
            lines.append(f'_Static_assert({there} == {offset}, "{name}.{field}");')
    return lines


def test_structures_are_laid_out_as_microsofts(
    builder: ModuleType, machine: str, microsoft: dict[str, Any], tmp_path: Path
) -> None:
    lines = layout_asserts(microsoft["layouts"])
    assert len(lines) > 100
    errors = compile_with(builder, machine, lines, tmp_path)
    assert wrong(errors) == [], "\n".join(wrong(errors))


def test_a_wrong_offset_would_be_found(
    builder: ModuleType, machine: str, microsoft: dict[str, Any], tmp_path: Path
) -> None:
    layouts = {"FWPM_FILTER0": dict(microsoft["layouts"]["FWPM_FILTER0"])}
    layouts["FWPM_FILTER0"]["fields"] = {"layerKey": 4}
    errors = compile_with(builder, machine, layout_asserts(layouts), tmp_path)
    assert wrong(errors) == ["FWPM_FILTER0.layerKey"]


def test_constants_and_statuses_are_microsofts(
    builder: ModuleType,
    machine: str,
    microsoft: dict[str, Any],
    statuses: list[str],
    tmp_path: Path,
) -> None:
    constants = microsoft["constants"]
    assert set(statuses) <= constants.keys() and len(constants) > 30
    lines = [
        f'_Static_assert((unsigned)({name}) == {value & 0xFFFFFFFF}u, "{name}");'
        for name, value in constants.items()
    ]
    assert wrong(compile_with(builder, machine, lines, tmp_path)) == []


def test_control_codes_are_what_the_macro_of_the_ddk_makes(
    builder: ModuleType, machine: str, tmp_path: Path
) -> None:
    names = re.findall(r"#define FD_IOCTL_(\w+)", (DRIVER / "interface.h").read_text())
    assert len(names) == 10
    lines = [
        f"_Static_assert(FD_IOCTL_{name} == CTL_CODE(FILE_DEVICE_NETWORK, {0x900 + place},"
        f' METHOD_BUFFERED, FILE_READ_DATA | FILE_WRITE_DATA), "{name}");'
        for place, name in enumerate(names)
    ]
    assert wrong(compile_with(builder, machine, lines, tmp_path)) == []


def test_layer_keys_are_microsofts(microsoft: dict[str, Any]) -> None:
    text = (DRIVER / "wfp_kernel.h").read_text()
    found = re.findall(r"FD_LAYER_KEY\((FWPM_LAYER_\w+),([^)]*)\)", text)
    assert len(found) == 6
    for name, numbers in found:
        values = [int(number, 16) for number in numbers.replace("\n", "").split(",")]
        tail = "".join(f"{value:02x}" for value in values[3:])
        key = f"{values[0]:08x}-{values[1]:04x}-{values[2]:04x}-{tail[:4]}-{tail[4:]}"
        assert key == microsoft["keys"][name], name


def test_what_the_metadata_lacks_is_where_windows_has_it(
    builder: ModuleType, machine: str, tmp_path: Path
) -> None:
    """It has no NET_BUFFER, and does not know of POINTER_ALIGNMENT. These offsets are those of
    the public symbols of 64-bit Windows."""
    offsets = {
        "NET_BUFFER": {
            "Next": 0x00,
            "CurrentMdl": 0x08,
            "DataLength": 0x18,
            "MdlChain": 0x20,
            "DataOffset": 0x28,
        },
        "NET_BUFFER_LIST": {
            "Next": 0x00,
            "FirstNetBuffer": 0x08,
            "Status": 0x8C,
            "NetBufferListInfo": 0x90,
        },
        "IO_STACK_LOCATION": {
            "Parameters.DeviceIoControl.OutputBufferLength": 0x08,
            "Parameters.DeviceIoControl.InputBufferLength": 0x10,
            "Parameters.DeviceIoControl.IoControlCode": 0x18,
        },
    }
    lines = [
        f'_Static_assert(__builtin_offsetof({name}, {field}) == {offset}, "{name}.{field}");'
        for name, fields in offsets.items()
        for field, offset in fields.items()
    ]
    assert wrong(compile_with(builder, machine, lines, tmp_path)) == []
