# SPDX-License-Identifier: MIT
"""contents.py WHEEL SDIST: does each hold what it must, and nothing that it need not?"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from fnmatch import fnmatch

WHEEL_NEEDS = (
    "fastdivert/_core.abi3.so",
    "fastdivert/_core.pyi",
    "fastdivert/linux/_linux.abi3.so",
    "fastdivert/linux/_linux.pyi",
    "fastdivert/py.typed",
    "fastdivert/cli/__init__.py",
    "fastdivert/filter/parser.py",
    "fastdivert/replay/host.py",
    "*.dist-info/licenses/LICENSE",
    "*.dist-info/entry_points.txt",
)
WHEEL_REFUSES = ("*.c", "*.h", "*.pyx", "*.pxi", "tests/*", "fastdivert.libs/*")
SDIST_NEEDS = (
    "driver/abi/ring.h",
    "driver/abi/fields.h",
    "driver/core/packet.c",
    "src/fastdivert/engine/match.c",
    "src/fastdivert/cython/packets.pxi",
    "src/fastdivert/_core.pyx",
    "src/fastdivert/_core.pyi",
    "src/fastdivert/linux/_linux.pyx",
    "driver/linux/build_object.py",
    "driver/linux/bpf/divert.bpf.c",
    "setup.py",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "tests/captures/http.pcap",
)
SDIST_REFUSES = (
    "build/*",
    "src/fastdivert/linux/_linux.c",
    "src/fastdivert/_core.c",
    "*.so",
    "*.pyc",
    "*/.ruff_cache/*",
    ".venv/*",
)


def faults(names: list[str], needs: tuple[str, ...], refuses: tuple[str, ...]) -> list[str]:
    missing = [need for need in needs if not any(fnmatch(name, need) for name in names)]
    extra = [name for name in names if any(fnmatch(name, pattern) for pattern in refuses)]
    return [f"{name} is missing" for name in missing] + [f"{name} is not wanted" for name in extra]


def main(wheel: str, sdist: str) -> int:
    with zipfile.ZipFile(wheel) as archive:
        wheel_names = archive.namelist()
    with tarfile.open(sdist) as tar:
        # Without the folder NAME-VERSION/ that everything lies in.
        sdist_names = [name.partition("/")[2] for name in tar.getnames()]
    found = [f"wheel: {text}" for text in faults(wheel_names, WHEEL_NEEDS, WHEEL_REFUSES)]
    found += [f"sdist: {text}" for text in faults(sdist_names, SDIST_NEEDS, SDIST_REFUSES)]
    print("\n".join(found) or "wheel and sdist hold what they must, and nothing else")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
