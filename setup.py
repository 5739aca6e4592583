# SPDX-License-Identifier: MIT
"""The extension: Cython over the C of driver/core and of the batch engine.

Everything else about the project stands in pyproject.toml. In the environment:

    FASTDIVERT_ABI3=0   build for the running Python alone
    FASTDIVERT_DEBUG=1  keep symbols and debug information, for gdb and perf
"""

import os
import shutil
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent
FOLDERS = ("driver/abi", "driver/core", "src/fastdivert/engine")


def files(suffix: str) -> list[str]:
    found = (path for folder in FOLDERS for path in (HERE / folder).glob(f"*{suffix}"))
    return sorted(path.relative_to(HERE).as_posix() for path in found)


# One wheel serves every CPython from 3.11 on; free-threaded ones have no stable ABI.
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
ABI3 = os.environ.get("FASTDIVERT_ABI3", "1") == "1" and not FREE_THREADED
DEBUG = os.environ.get("FASTDIVERT_DEBUG", "0") == "1"

GNU_COMPILE = ["-O3", "-std=c11", "-Wall", "-Wextra", "-fvisibility=hidden"]
WINDOWS_TARGETS = {"win-amd64": "x86_64-pc-windows-msvc", "win-arm64": "arm64-pc-windows-msvc"}


class BuildCore(build_ext):
    """Flags by compiler: the C is for gcc and clang, so under MSVC's tools clang-cl compiles it."""

    def build_extensions(self) -> None:
        if self.compiler.compiler_type == "msvc":
            flags, link = self._use_clang_cl(), []
        else:
            flags = [*GNU_COMPILE, "-g" if DEBUG else "-g0"]
            link = [] if DEBUG else ["-Wl,--strip-all"]
        for extension in self.extensions:
            extension.extra_compile_args = flags
            extension.extra_link_args = link
        super().build_extensions()

    def _use_clang_cl(self) -> list[str]:
        clang = shutil.which("clang-cl") or r"C:\Program Files\LLVM\bin\clang-cl.exe"
        if not Path(clang).exists():
            raise SystemExit("building fastdivert on Windows needs clang-cl, a part of LLVM")
        self.compiler.initialize(self.plat_name)
        self.compiler.cc = clang
        target = WINDOWS_TARGETS[self.plat_name]
        return ["/O2", "/clang:-O3", "/clang:-std=c11", f"--target={target}"]


setup(
    cmdclass={"build_ext": BuildCore},
    ext_modules=cythonize(
        [
            Extension(
                "fastdivert._core",
                ["src/fastdivert/_core.pyx", *files(".c")],
                include_dirs=["driver", "src/fastdivert/engine"],
                depends=files(".h"),
                define_macros=[("Py_LIMITED_API", "0x030B0000")] if ABI3 else [],
                py_limited_api=ABI3,
            )
        ],
        compiler_directives={"language_level": 3},
    ),
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
)
