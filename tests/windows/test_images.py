# SPDX-License-Identifier: MIT
"""What fastdivert.sys is as a file: what Windows' loader and a reviewer would look at."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.windows.conftest import DRIVER, need

MACHINES = {"x64": 0x8664, "arm64": 0xAA64}
WRITABLE, EXECUTABLE, CODE = 0x80000000, 0x20000000, 0x20
DYNAMIC_BASE, HIGH_ENTROPY, NX, GUARD_CF = 0x40, 0x20, 0x100, 0x4000
NATIVE = 1


@pytest.fixture(params=sorted(MACHINES))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def image(machine: str, images: dict[str, Path]) -> Path:
    return images[machine]


@pytest.fixture
def pe(image: Path) -> Any:
    try:
        import pefile
    except ImportError:
        need("pefile is not installed")
    return pefile.PE(str(image))


def allowed() -> dict[str, set[str]]:
    """The import allow-lists, by the name of the module."""
    lists = {}
    for path in (DRIVER / "imports").glob("*.def"):
        lines = [line.split(";")[0].strip() for line in path.read_text().splitlines()]
        module = next(line.split()[1] for line in lines if line.startswith("LIBRARY"))
        names = lines[lines.index("EXPORTS") + 1 :]
        lists[module] = {name.removesuffix(" DATA") for name in names if name}
    return lists


def test_it_is_a_native_image_for_its_machine(pe: Any, machine: str) -> None:
    assert pe.FILE_HEADER.Machine == MACHINES[machine]
    assert pe.OPTIONAL_HEADER.Subsystem == NATIVE
    assert pe.OPTIONAL_HEADER.AddressOfEntryPoint != 0


def test_it_imports_what_the_lists_allow_and_nothing_else(pe: Any) -> None:
    lists = allowed()
    imported = {
        entry.dll.decode(): {symbol.name.decode() for symbol in entry.imports}
        for entry in pe.DIRECTORY_ENTRY_IMPORT
    }
    assert imported.keys() == lists.keys()
    for module, names in imported.items():
        assert names <= lists[module]


def test_every_name_of_the_lists_is_used(images: dict[str, Path]) -> None:
    pefile = pytest.importorskip("pefile")
    used: dict[str, set[str]] = {}
    for image in images.values():
        for entry in pefile.PE(str(image)).DIRECTORY_ENTRY_IMPORT:
            names = used.setdefault(entry.dll.decode(), set())
            names |= {symbol.name.decode() for symbol in entry.imports}
    assert used == allowed()


def test_its_checksum_is_right(pe: Any) -> None:
    assert pe.OPTIONAL_HEADER.CheckSum != 0
    assert pe.verify_checksum()


def test_no_section_is_writable_and_executable(pe: Any) -> None:
    flags = {
        section.Name.rstrip(b"\0").decode(): section.Characteristics for section in pe.sections
    }
    assert any(flag & EXECUTABLE for flag in flags.values())
    assert not [name for name, flag in flags.items() if flag & WRITABLE and flag & EXECUTABLE]
    assert not [name for name, flag in flags.items() if flag & CODE and flag & WRITABLE]


def test_it_can_be_anywhere_and_no_data_is_run(pe: Any) -> None:
    wanted = DYNAMIC_BASE | HIGH_ENTROPY | NX | GUARD_CF
    assert pe.OPTIONAL_HEADER.DllCharacteristics & wanted == wanted


def test_control_flow_guard_knows_the_targets_of_indirect_calls(pe: Any) -> None:
    config = pe.DIRECTORY_ENTRY_LOAD_CONFIG.struct
    instrumented, table_present = 0x100, 0x400
    assert config.GuardFlags & (instrumented | table_present) == instrumented | table_present
    # Six callouts, four dispatch functions, unload, completion, process, notify; and the entry.
    assert config.GuardCFFunctionCount >= 15
    base = pe.OPTIONAL_HEADER.ImageBase
    pointer = pe.get_qword_at_rva(config.GuardCFCheckFunctionPointer - base)
    text = next(section for section in pe.sections if section.Name.startswith(b".text"))
    assert text.contains_rva(pointer - base)


def test_every_function_can_be_unwound(pe: Any, machine: str) -> None:
    """Leaf functions of x64 have no entry; ours that call something are over forty."""
    entry = {"x64": 12, "arm64": 8}[machine]
    assert pe.OPTIONAL_HEADER.DATA_DIRECTORY[3].Size // entry > 40


def test_it_names_its_pdb_without_a_path(pe: Any, image: Path) -> None:
    names = [
        entry.entry.PdbFileName.rstrip(b"\0")
        for entry in pe.DIRECTORY_ENTRY_DEBUG
        if hasattr(entry.entry, "PdbFileName")
    ]
    assert names == [b"fastdivert.pdb"]
    assert (image.parent / "fastdivert.pdb").read_bytes().startswith(b"Microsoft C/C++ MSF")


def test_it_says_its_version(pe: Any) -> None:
    strings = {
        key.decode(): value.decode()
        for info in pe.FileInfo[0]
        if hasattr(info, "StringTable")
        for table in info.StringTable
        for key, value in table.entries.items()
    }
    assert strings["OriginalFilename"] == "fastdivert.sys"
    assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+", strings["FileVersion"])


def test_the_kernel_registers_alone_are_used(images: dict[str, Path]) -> None:
    """Windows saves xmm for a driver, but not ymm and zmm."""
    text = subprocess.run(
        ["llvm-objdump-19", "--disassemble", "--no-show-raw-insn", str(images["x64"])],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "xmm" in text
    assert not re.search(r"%[yz]mm\d", text)


def test_the_same_sources_give_the_same_bytes(
    builder: ModuleType, images: dict[str, Path], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "another" / "folder"
    for name, first in images.items():
        second = builder.build(builder.MACHINES[name], elsewhere)
        assert second.read_bytes() == first.read_bytes()
        assert second.with_suffix(".pdb").read_bytes() == first.with_suffix(".pdb").read_bytes()


def test_no_path_of_this_machine_is_in_the_files(images: dict[str, Path]) -> None:
    for image in images.values():
        for path in (image, image.with_suffix(".pdb")):
            content = path.read_bytes()
            for secret in (str(DRIVER.parents[1]), str(image.parent)):
                assert secret.encode() not in content, path


def test_a_frame_that_is_too_large_does_not_compile(builder: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "large.c"
    source.write_text("void use(char *); void f(void) { char large[700]; use(large); }\n")
    target = builder.MACHINES["x64"]
    flags = [*builder.C_FLAGS, *target.flags, "-c", "-o", str(tmp_path / "large.o")]
    result = subprocess.run(
        ["clang-19", f"--target={target.target}", *flags, str(source)],
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert "stack frame size" in result.stderr
