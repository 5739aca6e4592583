"""QEMU without KVM as a process of ours: what it is given, what it writes to, that it ends."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import IO

from tests.kernels.packages import Kernel, program

#: The virtio ports that guest/start writes a command's streams to.
PORTS = ("stdout", "stderr")


@contextmanager
def machine(
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
            for name in ("console", *PORTS):
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
    command = [program("setpriv"), "--pdeathsig", "KILL"]
    command += [program("qemu-system-x86_64"), "-nodefaults", "-no-user-config", "-no-reboot"]
    command += ["-display", "none", "-nic", "none", "-accel", "tcg,thread=multi"]
    command += ["-cpu", "max", "-smp", str(cpus), "-m", f"{memory_mib}M"]
    command += ["-kernel", str(booted.image), "-initrd", f"/proc/self/fd/{archive}"]
    command += ["-append", "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable"]
    for name, write in passed.items():
        command += ["-chardev", f"file,id={name},path=/proc/self/fd/{write}"]
    command += ["-serial", "chardev:console"]
    command += ["-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"]
    command += ["-device", "virtio-9p-pci,fsdev=host,mount_tag=host"]
    command += ["-device", "virtio-serial-pci"]
    for name in PORTS:
        command += ["-device", f"virtserialport,chardev={name},name={name}"]
    return command
