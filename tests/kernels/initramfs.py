"""The first root file system of a guest: busybox, some modules, the two scripts that start it."""

from __future__ import annotations

import lzma
import stat
from pathlib import Path

from tests.kernels.packages import GuestError, Kernel, program

#: What must be loaded to see the host's files and to have a way back; whatever else the guest
#: needs, its kernel loads through modprobe, as on any Debian.
MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")

SCRIPTS = Path(__file__).parent / "guest"


def build(kernel: Kernel, settings: str, command: str) -> bytes:
    """A cpio archive; `settings` and `command` are shell scripts, read by those in guest/."""
    archive = Archive()
    for folder in ("bin", "dev", "host", "memory", "modules", "proc", "root", "sys"):
        archive.folder(folder)
    archive.file("bin/busybox", _busybox())
    for position, module in enumerate(_with_dependencies(kernel)):
        archive.file(f"modules/{position:02}-{_name(module)}.ko", _module(kernel.modules / module))
    archive.file("init", (SCRIPTS / "init").read_bytes())
    archive.file("start", (SCRIPTS / "start").read_bytes())
    archive.file("settings", settings.encode())
    archive.file("command", command.encode())
    return archive.finish()


class Archive:
    """A cpio archive of the kind "newc", the one that kernels unpack (initramfs documentation)."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._entries = 0

    def folder(self, path: str) -> None:
        self._add(path, stat.S_IFDIR | 0o755, b"")

    def file(self, path: str, content: bytes) -> None:
        self._add(path, stat.S_IFREG | 0o755, content)

    def finish(self) -> bytes:
        self._add("TRAILER!!!", 0, b"")
        return b"".join(self._parts)

    def _add(self, path: str, mode: int, content: bytes) -> None:
        self._entries += 1
        name = path.encode() + b"\0"
        # inode, mode, uid, gid, links, mtime, size, device (2), its own device (2), name, check
        fields = (self._entries, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self._parts += [head, bytes(-len(head) % 4), content, bytes(-len(content) % 4)]


def _busybox() -> bytes:
    content = Path(program("busybox")).read_bytes()
    if b"/ld-linux" in content:
        raise GuestError(
            "busybox is linked dynamically, and a guest starts without libraries; "
            "install Debian's busybox-static"
        )
    return content


def _with_dependencies(kernel: Kernel) -> list[str]:
    """The files of `MODULES`, each after those that it needs; none for what is built in."""
    needs: dict[str, list[str]] = {}
    for line in (kernel.modules / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[path] = others.split()
    paths = {_name(path): path for path in needs}
    built_in = {_name(p) for p in (kernel.modules / "modules.builtin").read_text().splitlines()}
    order: list[str] = []
    for wanted in MODULES:
        if wanted in paths:
            path = paths[wanted]
            # depmod lists the nearest first, and insmod wants the farthest first.
            order += [p for p in (*reversed(needs[path]), path) if p not in order]
        elif wanted not in built_in:
            raise GuestError(f"kernel {kernel.release} has no module {wanted}")
    return order


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1].split(".ko")[0].replace("-", "_")


def _module(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
