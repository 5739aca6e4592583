# SPDX-License-Identifier: MIT
"""Compiles the eBPF programs and turns the object into C that the loader links.

    build_object.py OUT.h [--clang clang-19]

What comes out is functions with their instructions, maps, and relocations by
name: see driver/linux/object.h. It needs clang and the kernel's user-space
headers; nothing of it is needed at run time.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
SOURCE: Final = HERE / "bpf" / "divert.bpf.c"

_SHT_REL: Final = 9
_STT_FUNC: Final = 2
_STB_WEAK: Final = 2
_LD_IMM64, _CALL = 0x18, 0x85
_CORE_KINDS: Final = {0: "OFFSET", 1: "SIZE", 2: "EXISTS", 4: "SHIFT_LEFT", 5: "SHIFT_RIGHT"}
_STRUCTS: Final = (4, 5)
_QUALIFIERS: Final = (8, 9, 10, 11, 18)  # typedef, volatile, const, restrict, type tag


@dataclass
class Section:
    name: str
    type: int
    info: int
    link: int
    data: bytes


@dataclass
class Symbol:
    name: str
    section: int
    kind: int
    weak: bool
    value: int
    size: int


@dataclass
class Function:
    name: str
    section: int
    begin: int  # byte offset in its section
    code: bytes
    relocations: list[str] = field(default_factory=list)


class Elf:
    """The sections and symbols of a 64-bit object."""

    def __init__(self, data: bytes) -> None:
        self.order = "<" if data[5] == 1 else ">"
        offset = self._unpack("Q", data, 40)[0]
        size, count, names = self._unpack("HHH", data, 58)
        raw = [self._unpack("IIQQQQIIQQ", data, offset + i * size) for i in range(count)]
        strings = data[raw[names][4] :]
        self.sections = [
            Section(
                _text(strings, entry[0]),
                entry[1],
                entry[7],
                entry[6],
                b"" if entry[1] == 8 else data[entry[4] : entry[4] + entry[5]],
            )
            for entry in raw
        ]
        table = self.section(".symtab")
        strings = self.sections[table.link].data
        self.symbols = [
            Symbol(_text(strings, name), section, info & 15, info >> 4 == _STB_WEAK, value, size)
            for name, info, _, section, value, size in struct.iter_unpack(
                self.order + "IBBHQQ", table.data
            )
        ]

    def _unpack(self, form: str, data: bytes, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(self.order + form, data, offset)

    def section(self, name: str) -> Section:
        return next(section for section in self.sections if section.name == name)

    def number(self, name: str) -> int:
        return self.sections.index(self.section(name))

    def relocations(self, section: int) -> Iterator[tuple[int, Symbol]]:
        for table in self.sections:
            if table.type == _SHT_REL and table.info == section:
                for offset, info in struct.iter_unpack(self.order + "QQ", table.data):
                    yield offset, self.symbols[info >> 32]


class Btf:
    """The object's types, for the names behind its CO-RE relocations."""

    _EXTRA: Final = {
        1: (4, 0),
        3: (12, 0),
        4: (0, 12),
        5: (0, 12),
        6: (0, 8),
        13: (0, 8),
        14: (4, 0),
        15: (0, 12),
        17: (4, 0),
        19: (0, 12),
    }

    def __init__(self, data: bytes, order: str) -> None:
        header, types, length, strings, _ = struct.unpack_from(order + "IIIII", data, 4)
        self._strings = data[header + strings :]
        self.types: list[tuple[int, str, int, list[tuple[str, int]]]] = [(0, "void", 0, [])]
        at, end = header + types, header + types + length
        while at < end:
            name, info, of = struct.unpack_from(order + "III", data, at)
            kind, count = info >> 24 & 31, info & 0xFFFF
            fixed, each = self._EXTRA.get(kind, (0, 0))
            members = []
            if kind in _STRUCTS:
                rows = struct.iter_unpack(order + "III", data[at + 12 : at + 12 + 12 * count])
                members = [(self.text(member), type_) for member, type_, _ in rows]
            self.types.append((kind, self.text(name), of, members))
            at += 12 + fixed + each * count

    def text(self, offset: int) -> str:
        return _text(self._strings, offset)

    def plain(self, number: int) -> int:
        while self.types[number][0] in _QUALIFIERS:
            number = self.types[number][2]
        return number

    def member(self, number: int, access: str) -> tuple[str, str]:
        """The struct and the member that an access string such as 0:3 names."""
        number = self.plain(number)
        struct_name, name = self.types[number][1], ""
        for index in [int(part) for part in access.split(":")][1:]:
            name, number = self.types[number][3][index]
            number = self.plain(number)
        return struct_name, name


def _text(strings: bytes, offset: int) -> str:
    return strings[offset : strings.index(b"\0", offset)].decode()


def compile_object(clang: str, to: Path) -> None:
    multiarch = subprocess.run(
        ["gcc", "-print-multiarch"], capture_output=True, text=True, check=False
    ).stdout.strip()
    includes = ["-idirafter", "/usr/include"]
    if multiarch:
        includes += ["-idirafter", f"/usr/include/{multiarch}"]
    subprocess.run(
        [
            clang,
            "--target=bpf",
            "-mcpu=v3",
            "-O2",
            "-g",
            "-std=c11",
            "-ffreestanding",
            "-Wall",
            "-Wextra",
            "-Werror",
            *includes,
            "-c",
            str(SOURCE),
            "-o",
            str(to),
        ],
        check=True,
    )


def functions_of(elf: Elf) -> list[Function]:
    return [
        Function(
            symbol.name,
            symbol.section,
            symbol.value,
            elf.sections[symbol.section].data[symbol.value : symbol.value + symbol.size],
        )
        for symbol in elf.symbols
        if symbol.kind == _STT_FUNC
    ]


def _relocation(at: int, kind: str, index: int = 0, name: str = "", member: str = "") -> str:
    texts = ", ".join(f'"{text}"' if text else "NULL" for text in (name, member))
    return f"{{{at}, FD_RELOCATE_{kind}, {index}, {texts}}}"


def _relocate_symbols(
    elf: Elf, function: Function, functions: list[Function], maps: list[str]
) -> None:
    map_section, data_section = elf.number("maps"), elf.number(".rodata")
    for offset, symbol in elf.relocations(function.section):
        at = (offset - function.begin) // 8
        if not 0 <= at < len(function.code) // 8:
            continue
        opcode = function.code[at * 8]
        immediate = struct.unpack_from(elf.order + "i", function.code, at * 8 + 4)[0]
        if symbol.section == map_section:
            entry = _relocation(at, "MAP", maps.index(symbol.name))
        elif symbol.section == data_section:
            entry = _relocation(at, "CONFIG", symbol.value + immediate)
        elif opcode == _CALL and symbol.section == 0:
            entry = _relocation(at, "KERNEL", int(symbol.weak), symbol.name)
        elif opcode == _CALL:
            target = symbol.value + (immediate + 1) * 8
            entry = _relocation(at, "FUNCTION", _starting_at(functions, symbol.section, target))
        else:
            raise SystemExit(f"{function.name}+{at}: cannot relocate {symbol.name}")
        function.relocations.append(entry)


def _starting_at(functions: list[Function], section: int, begin: int) -> int:
    return next(
        number
        for number, one in enumerate(functions)
        if (one.section, one.begin) == (section, begin)
    )


def _relocate_fields(elf: Elf, btf: Btf, functions: list[Function]) -> None:
    data = elf.section(".BTF.ext").data
    header = struct.unpack_from(elf.order + "I", data, 4)[0]
    begin, length = struct.unpack_from(elf.order + "II", data, 24)
    at, end = header + begin, header + begin + length
    size = struct.unpack_from(elf.order + "I", data, at)[0]
    at += 4
    while at < end:
        section, count = struct.unpack_from(elf.order + "II", data, at)
        number = elf.number(btf.text(section))
        at += 8
        for _ in range(count):
            offset, type_, access, kind = struct.unpack_from(elf.order + "IIII", data, at)
            at += size
            struct_name, member = btf.member(type_, btf.text(access))
            function = next(
                one
                for one in functions
                if one.section == number and one.begin <= offset < one.begin + len(one.code)
            )
            function.relocations.append(
                _relocation(
                    (offset - function.begin) // 8, _CORE_KINDS[kind], 0, struct_name, member
                )
            )


def map_rows(elf: Elf) -> tuple[list[str], list[str]]:
    number = elf.number("maps")
    symbols = sorted(
        (one for one in elf.symbols if one.section == number and one.name and one.kind == 1),
        key=lambda one: one.value,
    )
    rows = []
    for symbol in symbols:
        values = struct.unpack_from(elf.order + "5I", elf.sections[number].data, symbol.value)
        rows.append(f'{{"{symbol.name}", {", ".join(map(str, values))}}}')
    return [symbol.name for symbol in symbols], rows


def render(elf: Elf) -> str:
    functions = functions_of(elf)
    names, rows = map_rows(elf)
    for function in functions:
        _relocate_symbols(elf, function, functions, names)
    _relocate_fields(elf, Btf(elf.section(".BTF").data, elf.order), functions)

    lines = [
        "/* SPDX-License-Identifier: MIT */",
        "/* Made by build_object.py from bpf/divert.bpf.c. */",
        '#include "object.h"',
        "",
        "static const struct fd_object_map object_maps[] = {",
        *(f"    {row}," for row in rows),
        "};",
        "",
    ]
    for i, function in enumerate(functions):
        words = struct.unpack(f"{elf.order}{len(function.code) // 8}Q", function.code)
        lines.append(f"static const uint64_t code_{i}[] = {{ /* {function.name} */")
        lines += [
            "    " + ", ".join(f"{word:#x}" for word in words[k : k + 4]) + ","
            for k in range(0, len(words), 4)
        ]
        lines += ["};", ""]
        if function.relocations:
            lines.append(f"static const struct fd_relocation relocations_{i}[] = {{")
            lines += [f"    {entry}," for entry in function.relocations]
            lines += ["};", ""]
    lines.append("static const struct fd_object_function object_functions[] = {")
    for i, function in enumerate(functions):
        table = f"relocations_{i}" if function.relocations else "NULL"
        lines.append(
            f'    {{"{function.name}", code_{i}, {len(function.code) // 8}, '
            f"{len(function.relocations)}, {table}}},"
        )
    lines += [
        "};",
        "",
        "const struct fd_object fd_divert_object = {object_maps, object_functions, "
        f"{len(rows)}, {len(functions)}}};",
        "",
    ]
    return "\n".join(lines)


def build(clang: str = "clang-19") -> str:
    """The object as C."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "divert.o"
        compile_object(clang, path)
        return render(Elf(path.read_bytes()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--clang", default="clang-19")
    arguments = parser.parse_args()
    text = build(arguments.clang)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
