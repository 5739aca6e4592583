"""A command under another kernel: QEMU without KVM, as root, on the host's own files.

The guest sees the host's root file system, read-only, below a layer in its memory: the checkout,
its virtual environment and the host's programs are where they always are, every write works, and
all of it is forgotten at the end. It has no network but what the command makes.
"""

from __future__ import annotations

import os
import secrets
import selectors
import shlex
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.kernels import initramfs
from tests.kernels.packages import CHECKOUT, GuestError, Kernel, exclusive, kernel, program

#: Called with "stdout" or "stderr" and what arrived there.
Listener = Callable[[str, bytes], None]

_PORTS = ("stdout", "stderr")
_CONSOLE_CHUNKS = 64


@dataclass(frozen=True, slots=True)
class GuestResult:
    """What a command left: its status and output, and how long it took, in seconds."""

    release: str
    status: int
    stdout: str
    stderr: str
    boot_seconds: float
    seconds: float
    """From the start of the command to its end."""


class GuestTimeout(GuestError):
    """The command did not end in time; the guest was killed. Carries what it had said."""

    def __init__(self, message: str, stdout: str, stderr: str) -> None:
        super().__init__(message)
        self.stdout = stdout
        self.stderr = stderr


def run_in_guest(
    version: str,
    command: Sequence[str],
    timeout: float = 120.0,
    *,
    cwd: str | Path = CHECKOUT,
    env: Mapping[str, str] | None = None,
    cpus: int = 1,
    memory_mib: int = 1024,
    wait: float = 1800.0,
    listener: Listener | None = None,
) -> GuestResult:
    """Boots Debian's kernel `version` ("6.1"), runs `command` in it as root, and ends it.

    `timeout` bounds the boot and the command together, `wait` the time that another guest may
    take before. `env` is added to a plain environment. A status other than 0 is no error here.
    """
    with exclusive(wait):
        booted = kernel(version)
        mark = secrets.token_hex(16)
        settings = f"release={booted.release}\nmark={mark}\n" + (
            f"modules={shlex.quote(str(booted.modules))}\n"
        )
        script = _script(command, str(cwd), env or {})
        files = initramfs.build(booted, settings, script)
        return _run(booted, files, mark.encode(), timeout, cpus, memory_mib, listener)


def _script(command: Sequence[str], cwd: str, env: Mapping[str, str]) -> str:
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())
    return f"cd {shlex.quote(cwd)} || exit 125\n{exports}exec {shlex.join(command)}\n"


def _run(
    booted: Kernel,
    files: bytes,
    mark: bytes,
    timeout: float,
    cpus: int,
    memory_mib: int,
    listener: Listener | None,
) -> GuestResult:
    start = time.monotonic()
    deadline = start + timeout
    ports = {name: _Port(name, mark, listener) for name in _PORTS}
    console: deque[bytes] = deque(maxlen=_CONSOLE_CHUNKS)
    with _machine(booted, files, cpus, memory_mib) as pipes, selectors.DefaultSelector() as waiting:
        for name, pipe in pipes.items():
            waiting.register(pipe, selectors.EVENT_READ, name)
        while not all(port.status is not None for port in ports.values()):
            ready = waiting.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise _late(ports, console, booted, timeout)
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                if not data and key.data in ports:
                    raise GuestError(f"{_died(booted, ports)}{_tail(console)}")
                if not data:
                    waiting.unregister(key.fileobj)
                elif key.data in ports:
                    ports[key.data].feed(data)
                else:
                    console.append(data)
            if time.monotonic() > deadline:
                raise _late(ports, console, booted, timeout)
    end = time.monotonic()
    stdout, stderr = ports["stdout"], ports["stderr"]
    assert stdout.began is not None and stdout.status is not None
    return GuestResult(
        release=booted.release,
        status=stdout.status,
        stdout=stdout.text(),
        stderr=stderr.text(),
        boot_seconds=stdout.began - start,
        seconds=end - stdout.began,
    )


class _Port:
    """One stream of the command. Ahead of it stands the mark, and behind it mark and status."""

    def __init__(self, name: str, mark: bytes, listener: Listener | None) -> None:
        self.name = name
        self.status: int | None = None
        self.began: float | None = None
        self._mark = mark
        self._listener = listener
        self._said: list[bytes] = []
        self._pending = b""

    def text(self) -> str:
        return b"".join(self._said).decode(errors="replace")

    def feed(self, data: bytes) -> None:
        if self.status is not None:
            return  # of a process that outlives the command
        self._pending += data
        if self.began is None:
            before, opening, after = self._pending.partition(self._mark + b"\n")
            if not opening:
                return
            self.began, self._pending = time.monotonic(), after
        said, ending, status = self._pending.partition(self._mark)
        if not ending:
            held = self._held()
            said, self._pending = said[: len(said) - held], said[len(said) - held :]
        elif b"\n" in status:
            self.status = int(status.partition(b"\n")[0])
        else:
            return  # the status is still to come
        if said:
            self._said.append(said)
            if self._listener is not None:
                self._listener(self.name, said)

    def _held(self) -> int:
        """How many of the last bytes may be the head of the mark."""
        longest = min(len(self._pending), len(self._mark) - 1)
        return next((n for n in range(longest, 0, -1) if self._mark.startswith(self._pending[-n:])), 0)


@contextmanager
def _machine(
    booted: Kernel, files: bytes, cpus: int, memory_mib: int
) -> Iterator[dict[str, IO[bytes]]]:
    """The running machine's ports and console, to read from. Ends it, whatever happens."""
    with ExitStack() as stack:
        archive = os.memfd_create("initramfs")
        stack.callback(os.close, archive)
        with open(archive, "wb", closefd=False) as writing:
            writing.write(files)
        reading: dict[str, IO[bytes]] = {}
        passed: dict[str, int] = {}
        with ExitStack() as ours:  # the ends that the machine writes to, closed once it has them
            for name in ("console", *_PORTS):
                read, write = os.pipe()
                reading[name] = stack.enter_context(open(read, "rb", buffering=0))
                passed[name] = write
                ours.callback(os.close, write)
            process = subprocess.Popen(
                _command_line(booted, archive, passed, cpus, memory_mib),
                stdin=subprocess.DEVNULL,
                stdout=passed["console"],
                stderr=passed["console"],
                pass_fds=(archive, *passed.values()),
                start_new_session=True,
            )
        try:
            yield reading
        finally:
            process.kill()
            process.wait()


def _command_line(
    booted: Kernel, archive: int, passed: Mapping[str, int], cpus: int, memory_mib: int
) -> list[str]:
    # The parent-death signal ends the machine also where the runner itself is killed.
    command = ["nice", "-n", "15", program("setpriv"), "--pdeathsig", "KILL"]
    command += [program("qemu-system-x86_64"), "-nodefaults", "-no-user-config", "-no-reboot"]
    command += ["-display", "none", "-nic", "none", "-accel", "tcg,thread=multi"]
    command += ["-cpu", "max", "-smp", str(cpus), "-m", f"{memory_mib}M"]
    command += ["-kernel", str(booted.image), "-initrd", f"/proc/self/fd/{archive}"]
    command += ["-append", "console=ttyS0 quiet panic=-1 mitigations=off"]
    for name, write in passed.items():
        command += ["-chardev", f"file,id={name},path=/proc/self/fd/{write}"]
    command += ["-serial", "chardev:console"]
    command += ["-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"]
    command += ["-device", "virtio-9p-pci,fsdev=host,mount_tag=host", "-device", "virtio-serial-pci"]
    for name in _PORTS:
        command += ["-device", f"virtserialport,chardev={name},name={name}"]
    return command


def _late(
    ports: Mapping[str, _Port], console: deque[bytes], booted: Kernel, timeout: float
) -> GuestError:
    stdout, stderr = (ports[name] for name in _PORTS)
    if stdout.began is None:
        return GuestError(
            f"kernel {booted.release} did not come up within {timeout:g} s{_tail(console)}"
        )
    message = f"the command did not end within {timeout:g} s of the start; the guest was killed"
    return GuestTimeout(message + _tail(console), stdout.text(), stderr.text())


def _died(booted: Kernel, ports: Mapping[str, _Port]) -> str:
    when = "at boot" if ports["stdout"].began is None else "under the command"
    return f"the guest with kernel {booted.release} died {when}"


def _tail(console: deque[bytes]) -> str:
    lines = b"".join(console).decode(errors="replace").splitlines()
    return "".join(f"\n  console: {line}" for line in lines[-20:])
