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
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.kernels import initramfs
from tests.kernels.machine import PORTS, machine
from tests.kernels.packages import CHECKOUT, GuestError, Kernel, exclusive, kernel
from tests.kernels.streams import Console, Listener, Stream


@dataclass(frozen=True, slots=True)
class GuestResult:
    """What a command left: its status and output, and how long it took, in seconds."""

    release: str
    status: int
    stdout: str
    stderr: str
    console: str
    """What the kernel warned of, and the traces of its faults."""
    boot_seconds: float
    seconds: float
    """From the start of the command to its end."""


class GuestLostError(GuestError):
    """The command did not end: its machine died. Carries what it had said until then."""

    def __init__(self, message: str, streams: Mapping[str, Stream]) -> None:
        super().__init__(message)
        self.stdout = streams["stdout"].text()
        self.stderr = streams["stderr"].text()


class GuestTimeoutError(GuestLostError):
    """The command did not end in time, and was killed with its machine."""


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

    `timeout` bounds the boot and the command together, `wait` the time that another guest of this
    kernel may take before; fetching a kernel at its first use is not counted. `env` is added to a
    plain environment. A status other than 0 is no error here.
    """
    with exclusive(version, wait):
        booted = kernel(version)
        mark = secrets.token_hex(16)
        settings = {"release": booted.release, "modules": str(booted.modules), "mark": mark}
        script = _script(command, str(cwd), env or {})
        files = initramfs.build(booted, _assignments(settings), script)
        with machine(booted, files, cpus, memory_mib) as pipes:
            return _follow(pipes, booted, mark.encode(), timeout, listener)


def _script(command: Sequence[str], cwd: str, env: Mapping[str, str]) -> str:
    exports = _assignments(env, "export ")
    return f"cd {shlex.quote(cwd)} || exit 125\n{exports}exec {shlex.join(command)}\n"


def _assignments(values: Mapping[str, str], prefix: str = "") -> str:
    return "".join(f"{prefix}{name}={shlex.quote(value)}\n" for name, value in values.items())


def _follow(
    pipes: Mapping[str, IO[bytes]],
    booted: Kernel,
    mark: bytes,
    timeout: float,
    listener: Listener | None,
) -> GuestResult:
    """Reads what a machine writes, until the command's end, its own, or the time limit."""
    start = time.monotonic()
    deadline = start + timeout
    console = Console()
    streams = {name: Stream(name, mark, listener) for name in PORTS}
    with selectors.DefaultSelector() as waiting:
        for name, pipe in pipes.items():
            waiting.register(pipe, selectors.EVENT_READ, name)
        while any(stream.status is None for stream in streams.values()):
            ready = waiting.select(max(0.0, deadline - time.monotonic()))
            if not ready or time.monotonic() > deadline:
                raise _late(streams, console, booted, timeout)
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                if not data:
                    # The machine alone holds the other ends: it is gone.
                    console.feed(pipes["console"].read())
                    raise _died(streams, console, booted)
                (console if key.data == "console" else streams[key.data]).feed(data)
    end = time.monotonic()
    stdout, stderr = streams["stdout"], streams["stderr"]
    assert stdout.began is not None and stdout.status is not None
    return GuestResult(
        release=booted.release,
        status=stdout.status,
        stdout=stdout.text(),
        stderr=stderr.text(),
        console=console.text(),
        boot_seconds=stdout.began - start,
        seconds=end - stdout.began,
    )


def _late(
    streams: Mapping[str, Stream], console: Console, booted: Kernel, timeout: float
) -> GuestError:
    what = "boot" if streams["stdout"].began is None else "end the command"
    message = f"kernel {booted.release} did not {what} within {timeout:g} s, and was killed"
    return GuestTimeoutError(message + console.tail(), streams)


def _died(streams: Mapping[str, Stream], console: Console, booted: Kernel) -> GuestError:
    when = "at boot" if streams["stdout"].began is None else "under the command"
    message = f"the guest with kernel {booted.release} died {when}"
    return GuestLostError(message + console.tail(), streams)
