"""Debian's kernels, fetched with apt and unpacked under build/kernels; nothing is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = CHECKOUT / "build" / "kernels"

#: The stock kernels of the tiers: 6.1 has clsact and no tcx, 6.12 has tcx.
KERNELS = ("6.1", "6.12")

#: A program that a guest or its making needs, and the Debian package that has it.
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "depmod": "kmod",
    "setpriv": "util-linux",
    "ip": "iproute2",
    "tc": "iproute2",
    "bpftool": "bpftool",
    "ping": "iputils-ping",
    "gcc": "gcc",
}

#: Folders of modules for hardware that a guest has not: four fifths of a kernel package.
HARDWARE = (
    "sound",
    "drivers/ata",
    "drivers/comedi",
    "drivers/gpu",
    "drivers/hid",
    "drivers/hwmon",
    "drivers/iio",
    "drivers/infiniband",
    "drivers/input",
    "drivers/md",
    "drivers/media",
    "drivers/net/ethernet",
    "drivers/net/wireless",
    "drivers/platform",
    "drivers/scsi",
    "drivers/staging",
    "drivers/usb",
)

_PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


class GuestError(RuntimeError):
    """A guest could not be made, did not come up, or did not end in time."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel: its release (`uname -r`), its image, and its /lib/modules/RELEASE."""

    release: str
    image: Path
    modules: Path


def program(name: str) -> str:
    """The path of a program of `PROGRAMS`."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise GuestError(
            f"{name} is missing; install Debian's {PROGRAMS[name]}: tests/kernels/run.py --install"
        )
    return found


def missing_packages() -> list[str]:
    return sorted(
        {package for name, package in PROGRAMS.items() if not shutil.which(name, path=_PATH)}
    )


def install_packages() -> None:
    """Installs what `PROGRAMS` names and this machine has not; needs root only for that."""
    packages = missing_packages()
    if not packages:
        return
    if os.geteuid() != 0:
        raise GuestError(f"install as root: apt-get install {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _apt("update", env=environment)
    _apt("install", "--yes", "--no-install-recommends", *packages, env=environment)


def kernel(version: str, refresh: bool = False) -> Kernel:
    """The newest stock kernel of a series ("6.1") that apt offers; unpacked at the first call.

    `refresh` looks for a newer one. Call it under `exclusive(version)`.
    """
    folder = BUILD / version
    if refresh or not folder.exists():
        partial = BUILD / f"{version}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            _unpack(_download(_newest(version), partial), partial)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    modules = next((folder / "lib" / "modules").iterdir())
    return Kernel(modules.name, folder / "boot" / f"vmlinuz-{modules.name}", modules)


@contextmanager
def exclusive(version: str, wait: float) -> Iterator[None]:
    """One guest, or one unpacking, of a kernel at a time: waits for another's end, at most `wait`
    seconds."""
    BUILD.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait
    with (BUILD / f"{version}.lock").open("a") as lock:
        while True:
            try:
                flock(lock, LOCK_EX | LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise GuestError(
                        f"another guest held {lock.name} for {wait:g} s; wait for its end"
                    ) from None
                time.sleep(0.1)
        yield  # closing the file lets go of the lock


def _apt(*arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    # Without the sandbox user: it may not write into a checkout.
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", *arguments]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise GuestError(f"{' '.join(command)} failed: {done.stderr.strip()}")


def _newest(version: str) -> str:
    """The package of a series' newest kernel; not those for clouds (few modules) or real time."""
    pattern = rf"^linux-image-{re.escape(version)}\.[0-9][0-9a-z.+~-]*-amd64$"
    listed = subprocess.run(
        ["apt-cache", "search", "--names-only", pattern], capture_output=True, text=True, check=True
    )
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    stock = [name for name in names if not name.endswith(("-cloud-amd64", "-rt-amd64"))]
    if not stock:
        raise GuestError(
            f"apt offers no linux-image-{version}.*-amd64; Debian 12 with its updates has it: "
            "look at /etc/apt/sources.list and run apt-get update"
        )
    return max(stock, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])


def _download(package: str, folder: Path) -> Path:
    _apt("download", package, cwd=folder)
    return next(folder.glob("*.deb"))


def _unpack(archive: Path, folder: Path) -> None:
    """Unpacks the image and the modules of a kernel package, and lists their dependencies."""
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as files,
        tarfile.open(fileobj=files.stdout, mode="r|") as tar,
    ):
        for member in tar:
            if _is_wanted(member.name.removeprefix("./")):
                tar.extract(member, folder, filter="tar")
    if files.returncode:
        raise GuestError(f"dpkg-deb cannot read {archive.name}; run tests/kernels/run.py --install")
    archive.unlink()
    release = next((folder / "lib" / "modules").iterdir()).name
    subprocess.run([program("depmod"), "-b", str(folder), release], check=True, timeout=300)


def _is_wanted(path: str) -> bool:
    if path.startswith("boot/vmlinuz-"):
        return True
    if not path.startswith("lib/modules/"):
        return False
    inside = path.split("/", 3)[3:]  # lib, modules, RELEASE, inside
    return not inside or not inside[0].startswith(tuple(f"kernel/{name}/" for name in HARDWARE))
