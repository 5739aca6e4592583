# SPDX-License-Identifier: MIT
"""Builds fastdivert.sys for x64 and ARM64, with its PDB, on Debian.

    build.py OUT [--machine x64|arm64]... [--sign]

It needs clang-19, lld-19 and llvm-19, Debian's mingw-w64-common for the kernel's
headers, and for --sign openssl and osslsigncode. The same sources give the same
bytes, wherever and whenever: no path, time or id gets into the files.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
CORE: Final = HERE.parent / "core"
HEADERS: Final = Path("/usr/share/mingw-w64/include")
LLVM: Final = "19"
VERSION: Final = (1, 0, 0, 0)  # of the file; the interface's is in interface.h
FRAME_MOST: Final = 512  # a kernel stack has 12 or 24 KiB, and others are on it too


@dataclass(frozen=True)
class Machine:
    name: str  # as lld-link calls it
    target: str
    library: str  # as llvm-dlltool calls it
    flags: tuple[str, ...]


MACHINES: Final = {
    "x64": Machine("x64", "x86_64-w64-windows-gnu", "i386:x86-64", ("-mno-stack-arg-probe",)),
    # mingw's wdm.h knows no ARM64: what it does for ARM is right for it.
    "arm64": Machine(
        "arm64", "aarch64-w64-windows-gnu", "arm64", ("-D_M_ARM", "-Iarm64", "-mno-outline-atomics")
    ),
}

C_FLAGS: Final = (
    "-std=c11 -O2 -ffreestanding -fms-extensions -fshort-wchar -fno-stack-protector "
    "-fno-strict-aliasing -fasynchronous-unwind-tables -mguard=cf "
    "-g -gcodeview -gno-codeview-command-line "
    "-Wall -Wextra -Werror -Wno-#warnings -Wno-ignored-attributes -Wno-unknown-pragmas "
    f"-Wframe-larger-than={FRAME_MOST} -D_WIN32_WINNT=0x0A00 "
    # wdm.h and intrin.h both define these two, and -fms-extensions makes them meet.
    "-D__INTRINSIC_DEFINED_InterlockedBitTestAndSet "
    "-D__INTRINSIC_DEFINED_InterlockedBitTestAndReset "
    # The paths of this machine: relative to the sources, or gone.
    f"-no-canonical-prefixes -fdebug-compilation-dir=. -ffile-prefix-map={HEADERS}=ddk"
).split()

LINK_FLAGS: Final = [
    "/nologo",
    "/driver",
    "/subsystem:native,10.00",
    "/entry:DriverEntry",
    "/nodefaultlib",
    "/dynamicbase",
    "/highentropyva",
    "/nxcompat",
    "/guard:cf,nolongjmp",
    "/opt:ref",
    "/opt:icf",
    "/debug",
    "/pdbaltpath:fastdivert.pdb",
    "/pdbsourcepath:.",
    "/Brepro",
    "/release",
    "/errorlimit:0",
    "/WX",
]


def tool(name: str) -> str:
    found = shutil.which(f"{name}-{LLVM}")
    if found is None:
        raise SystemExit(f"build.py: {name}-{LLVM} is missing; ./dev driver installs it")
    return found


def run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True, cwd=HERE)


def compile_source(machine: Machine, source: Path, target: Path) -> None:
    include = ["-isystem", HEADERS, "-isystem", HEADERS / "ddk", "-I."]
    run(
        tool("clang"),
        f"--target={machine.target}",
        *C_FLAGS,
        *machine.flags,
        *include,
        "-Xclang",
        f"-object-file-name={target.name}",
        "-c",
        os.path.relpath(source, HERE),
        "-o",
        target,
    )


def compile_sources(machine: Machine, folder: Path) -> list[Path]:
    if not (HEADERS / "ddk" / "ntifs.h").exists():
        raise SystemExit("build.py: mingw-w64-common is missing; ./dev driver installs it")
    sources = [*sorted(HERE.glob("*.c")), *sorted(CORE.glob("*.c"))]
    objects = [folder / f"{source.stem}.o" for source in sources]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in [
            pool.submit(compile_source, machine, source, target)
            for source, target in zip(sources, objects, strict=True)
        ]:
            done.result()
    return objects


def import_libraries(machine: Machine, folder: Path) -> list[Path]:
    libraries = []
    for definition in sorted((HERE / "imports").glob("*.def")):
        library = folder / f"{definition.stem}.lib"
        run(tool("llvm-dlltool"), "-m", machine.library, "-d", definition, "-l", library)
        libraries.append(library)
    return libraries


def resource(folder: Path) -> Path:
    compiled = folder / "fastdivert.res"
    text = ".".join(map(str, VERSION))
    run(
        tool("llvm-rc"),
        "/D",
        f"FD_FILE_VERSION={','.join(map(str, VERSION))}",
        "/D",
        f'FD_FILE_VERSION_TEXT="{text}"',
        "/FO",
        compiled,
        "fastdivert.rc",
    )
    return compiled


def build(machine: Machine, out: Path) -> Path:
    """fastdivert.sys and fastdivert.pdb in out / machine.name; returns the former."""
    folder = (out / machine.name).resolve()
    objects = folder / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    inputs = [
        *compile_sources(machine, objects),
        *import_libraries(machine, objects),
        resource(objects),
    ]
    # Relative names: the PDB keeps them.
    subprocess.run(
        [
            tool("lld-link"),
            *LINK_FLAGS,
            f"/machine:{machine.name}",
            "/pdb:fastdivert.pdb",
            "/out:fastdivert.sys",
            *[os.path.relpath(path, folder) for path in inputs],
        ],
        check=True,
        cwd=folder,
    )
    return folder / "fastdivert.sys"


def facts(image: Path) -> str:
    """What a reviewer of the build wants to see of it."""
    report = subprocess.run(
        [tool("llvm-readobj"), "--file-headers", "--sections", "--coff-imports", "--unwind", image],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    sections = re.findall(r"Name: (\.\w+) .*?Characteristics \[ \((0x\w+)\)", report, re.DOTALL)
    return (
        f"{image}: {image.stat().st_size} bytes\n"
        f"  sha256 {hashlib.sha256(image.read_bytes()).hexdigest()}\n"
        f"  checksum {re.findall(r'CheckSum: (0x[0-9A-F]+)', report)[0]}, "
        f"{len(re.findall(r'^  Symbol: ', report, re.MULTILINE))} imports, "
        f"sections {', '.join(f'{name} {flags}' for name, flags in sections)}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--machine", choices=sorted(MACHINES), action="append")
    parser.add_argument("--sign", action="store_true", help="with a certificate made for it")
    arguments = parser.parse_args()
    for name in arguments.machine or sorted(MACHINES):
        image = build(MACHINES[name], arguments.out)
        if arguments.sign:
            sys.path.insert(0, str(HERE))
            import sign

            sign.sign(image, arguments.out)
        print(facts(image))
    return 0


if __name__ == "__main__":
    sys.exit(main())
