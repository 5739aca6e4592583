# SPDX-License-Identifier: MIT
"""The extensions: _core over driver/core and the batch engine, _linux over driver/linux,
_windows over driver/windows/user.

Everything else about the project stands in pyproject.toml. In the environment:

    FASTDIVERT_ABI3=0   build for the running Python alone
    FASTDIVERT_DEBUG=1  keep symbols and debug information, for gdb and perf
    FASTDIVERT_LINUX=1  fail without clang, instead of leaving the Linux driver out
    FASTDIVERT_DRIVER=FILE  put this fastdivert.sys into the package (./dev driver makes it)
    FASTDIVERT_WINDOWS_PYTHON=FOLDER  build for Windows with mingw's gcc, for the x64
                        CPython of that folder (its include and libs)
"""

import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
CORE = ("driver/abi", "driver/core", "src/fastdivert/engine")
LINUX = ("driver/abi", "driver/core", "driver/linux")
WINDOWS = ("driver/abi", "driver/core", "driver/windows/user")
CLANGS = ("clang-19", "clang-20", "clang-21", "clang")


def files(folders: tuple[str, ...], suffix: str) -> list[str]:
    found = (path for folder in folders for path in (HERE / folder).glob(f"*{suffix}"))
    return sorted(path.relative_to(HERE).as_posix() for path in found)


# One wheel serves every CPython from 3.11 on; free-threaded ones have no stable ABI.
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
ABI3 = os.environ.get("FASTDIVERT_ABI3", "1") == "1" and not FREE_THREADED
DEBUG = os.environ.get("FASTDIVERT_DEBUG", "0") == "1"
CROSS = os.environ.get("FASTDIVERT_WINDOWS_PYTHON")

GNU_COMPILE = ["-O3", "-std=gnu11", "-Wall", "-Wextra", "-fvisibility=hidden"]
# gcc lays 32-byte vectors on a stack that Windows aligns to 16: move them unaligned.
MINGW_COMPILE = [*GNU_COMPILE, "-Wa,-muse-unaligned-vector-move"]
MINGW = "x86_64-w64-mingw32-gcc"
WINDOWS_TARGETS = {"win-amd64": "x86_64-pc-windows-msvc", "win-arm64": "arm64-pc-windows-msvc"}


class BuildCore(build_ext):
    """Flags by compiler: the C is for gcc and clang, so under MSVC's tools clang-cl compiles it."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if CROSS:
            os.environ["CC"] = MINGW
            self.compiler = "mingw32"
            self.include_dirs = [f"{CROSS}/include"]
            self.library_dirs = [f"{CROSS}/libs"]
            self.libraries = ["python3"]

    def get_ext_filename(self, fullname: str) -> str:
        if CROSS:
            return os.path.join(*fullname.split(".")) + ".pyd"
        return super().get_ext_filename(fullname)

    def build_extensions(self) -> None:
        if self.compiler.compiler_type == "msvc":
            flags, link = self._use_clang_cl(), []
        elif CROSS:
            flags = [*MINGW_COMPILE, "-g" if DEBUG else "-g0"]
            link = ["-static-libgcc"]
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


class BuildPackage(build_py):
    """With the Windows driver in it, if there is one."""

    def run(self) -> None:
        super().run()
        driver = os.environ.get("FASTDIVERT_DRIVER")
        if driver:
            self.copy_file(
                driver, os.path.join(self.build_lib, "fastdivert/windows/fastdivert.sys")
            )


def extension(name: str, sources: list[str], folders: tuple[str, ...]) -> Extension:
    macros: list[tuple[str, str | None]] = [("_GNU_SOURCE", None)]
    if ABI3:
        macros.append(("Py_LIMITED_API", "0x030B0000"))
    return Extension(
        name,
        sources,
        include_dirs=["driver", *folders[2:]],
        depends=files(folders, ".h"),
        define_macros=macros,
        py_limited_api=ABI3,
    )


def linux_object() -> str | None:
    """The eBPF programs as C, made by clang; None where there is no clang."""
    clang = next(filter(shutil.which, CLANGS), None)
    if clang is None:
        if os.environ.get("FASTDIVERT_LINUX") == "1":
            raise SystemExit("building the Linux driver needs clang (Debian: clang-19)")
        print("no clang here: fastdivert is built without the Linux driver", file=sys.stderr)
        return None
    spec = importlib.util.spec_from_file_location(
        "build_object", HERE / "driver/linux/build_object.py"
    )
    build_object = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = build_object
    spec.loader.exec_module(build_object)
    generated = HERE / "build/linux/divert_object.c"
    generated.parent.mkdir(parents=True, exist_ok=True)
    generated.write_text(build_object.build(clang))
    return generated.relative_to(HERE).as_posix()


def extensions() -> list[Extension]:
    found = [extension("fastdivert._core", ["src/fastdivert/_core.pyx", *files(CORE, ".c")], CORE)]
    divert_object = linux_object() if sys.platform == "linux" and not CROSS else None
    if divert_object is not None:
        sources = ["src/fastdivert/linux/_linux.pyx", *files(LINUX, ".c"), divert_object]
        found.append(extension("fastdivert.linux._linux", sources, LINUX))
    if sys.platform == "win32" or CROSS:
        sources = ["src/fastdivert/windows/_windows.pyx", *files(WINDOWS, ".c")]
        windows = extension("fastdivert.windows._windows", sources, WINDOWS)
        windows.libraries.append("advapi32")  # services
        windows.define_macros.append(("_WIN32_WINNT", "0x0A00"))
        found.append(windows)
    return found


def options() -> dict[str, dict[str, str]]:
    wheel = {"py_limited_api": "cp311"} if ABI3 else {}
    if not CROSS:
        return {"bdist_wheel": wheel}
    if not ABI3:
        raise SystemExit("a build for Windows is for every CPython from 3.11 on")
    # A folder of its own: both systems' files have the same names there.
    wheel |= {"plat_name": "win_amd64", "bdist_dir": "build/windows-wheel/bdist"}
    return {"bdist_wheel": wheel, "build": {"build_base": "build/windows-wheel"}}


setup(
    cmdclass={"build_ext": BuildCore, "build_py": BuildPackage},
    ext_modules=cythonize(extensions(), compiler_directives={"language_level": 3}),
    options=options(),
)
