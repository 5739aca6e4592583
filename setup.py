"""The extension: Cython over the C of driver/core and of the batch engine.

Everything else about the project stands in pyproject.toml.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

HERE = Path(__file__).parent
C_SOURCES = sorted(
    path.relative_to(HERE).as_posix()
    for folder in ("driver/core", "src/fastdivert/engine")
    for path in (HERE / folder).glob("*.c")
)
HEADERS = sorted(
    path.relative_to(HERE).as_posix()
    for folder in ("driver/abi", "driver/core", "src/fastdivert/engine")
    for path in (HERE / folder).glob("*.h")
)

# One wheel serves every CPython from 3.11 on. FASTDIVERT_ABI3=0 builds for the
# running version alone (free-threaded builds have no stable ABI).
ABI3 = os.environ.get("FASTDIVERT_ABI3", "1") == "1"
MACROS: list[tuple[str, str | None]] = [("Py_LIMITED_API", "0x030B0000")] if ABI3 else []

if os.name == "nt" and "MSC" in os.environ.get("CC", "cl MSC"):
    COMPILE_ARGS = ["/O2", "/std:c11"]
else:
    COMPILE_ARGS = ["-O3", "-std=c11", "-Wall", "-Wextra", "-fvisibility=hidden"]

setup(
    ext_modules=cythonize(
        [
            Extension(
                "fastdivert._core",
                ["src/fastdivert/_core.pyx", *C_SOURCES],
                include_dirs=["driver", "src/fastdivert/engine"],
                depends=HEADERS,
                define_macros=MACROS,
                extra_compile_args=COMPILE_ARGS,
                py_limited_api=ABI3,
            )
        ],
        compiler_directives={"language_level": 3, "freethreading_compatible": True},
    ),
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
)
