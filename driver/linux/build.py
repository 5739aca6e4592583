# SPDX-License-Identifier: MIT
"""Builds fastdivert.linux._linux in place, and, with --tests, the C test programs.

build.py [--tests FOLDER]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent.parent
sys.path.insert(0, str(HERE))

import build_object  # noqa: E402

C_FLAGS: Final = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]


def sources(folder: Path) -> list[str]:
    """The driver's C, with the eBPF object as C in folder."""
    generated = folder / "divert_object.c"
    generated.write_text(build_object.build())
    return [
        *map(str, sorted(HERE.glob("*.c"))),
        *map(str, sorted((HERE.parent / "core").glob("*.c"))),
        str(generated),
    ]


def build_tests(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    common = sources(folder)
    for test in sorted((HERE / "test").glob("*.c")):
        subprocess.run(
            [
                "gcc",
                *C_FLAGS,
                f"-I{HERE}",
                str(test),
                *common,
                "-o",
                str(folder / test.stem),
                "-lpthread",
            ],
            check=True,
        )


def build_extension(folder: Path) -> None:
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    pyx = folder / "_linux.pyx"
    shutil.copy(ROOT / "src/fastdivert/linux/_linux.pyx", pyx)
    extension = Extension(
        "fastdivert.linux._linux",
        [str(pyx), *sources(folder)],
        include_dirs=[str(HERE.parent), str(HERE)],
        define_macros=[("Py_LIMITED_API", "0x030B0000"), ("_GNU_SOURCE", None)],
        extra_compile_args=["-std=gnu11", "-O2", "-fvisibility=hidden"],
        extra_link_args=["-lpthread"],
        py_limited_api=True,
    )
    modules = cythonize(
        [extension], compiler_directives={"language_level": 3, "freethreading_compatible": True}
    )
    command = Distribution({"ext_modules": modules}).get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(folder / "lib"), str(folder / "temp")
    command.ensure_finalized()
    command.run()
    for built in (folder / "lib/fastdivert/linux").iterdir():
        shutil.copy(built, ROOT / "src/fastdivert/linux" / built.name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.tests:
        build_tests(arguments.tests)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        build_extension(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
