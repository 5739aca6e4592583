# SPDX-License-Identifier: MIT
"""Builds the C programs of the driver's tests; setup.py builds the extension.

build.py --tests FOLDER
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", type=Path, metavar="FOLDER", required=True)
    build_tests(parser.parse_args().tests)
    return 0


if __name__ == "__main__":
    sys.exit(main())
