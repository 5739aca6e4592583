#!/usr/bin/env python3
"""Runs a command under one of Debian's stock kernels, in QEMU without KVM, and exits as it did.

- tests/kernels/run.py --install: packages, and both kernels into build/
- tests/kernels/run.py --kernel 6.1 -- uname -a
- tests/kernels/run.py --kernel 6.12 --timeout 300 -- .venv/bin/python -m pytest -m live
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.kernels.guest import GuestTimeoutError, run_in_guest
from tests.kernels.packages import KERNELS, GuestError, exclusive, install_packages, kernel


def main() -> int:
    arguments = parse()
    # As an exception, so that the machine is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        if arguments.install:
            return install(arguments.kernel)
        result = run_in_guest(
            arguments.kernel,
            arguments.command,
            arguments.timeout,
            cwd=Path.cwd(),
            cpus=arguments.cpus,
            memory_mib=arguments.memory,
            listener=show,
        )
    except GuestError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 124 if isinstance(error, GuestTimeoutError) else 125
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    if arguments.verbose:
        print(
            f"run.py: kernel {result.release}: booted in {result.boot_seconds:.1f} s, "
            f"ran {result.seconds:.1f} s",
            file=sys.stderr,
        )
    return result.status


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Runs a command under one of Debian's stock kernels, as root, and exits as it "
        "did; with 124 at the time limit, with 125 without a working guest.",
    )
    parser.add_argument("--kernel", choices=KERNELS, help="the series; --install: only this one")
    parser.add_argument(
        "--install", action="store_true", help="install packages and fetch the newest kernels"
    )
    parser.add_argument("--timeout", type=float, default=120, help="seconds, with the boot")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--memory", type=int, default=1024, help="MiB")
    parser.add_argument("--verbose", action="store_true", help="say how long it took")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    arguments = parser.parse_args()
    if arguments.command[:1] == ["--"]:
        del arguments.command[0]
    if arguments.install == bool(arguments.command):
        parser.error("name a command after --, or --install")
    if arguments.command and arguments.kernel is None:
        parser.error(f"name a kernel: --kernel {' or '.join(KERNELS)}")
    return arguments


def install(only: str | None) -> int:
    install_packages()
    for version in KERNELS if only is None else (only,):
        with exclusive(version, wait=600):
            print(f"{version}: {kernel(version, refresh=True).release}")
    return 0


def show(stream: str, data: bytes) -> None:
    out = getattr(sys, stream).buffer
    out.write(data)
    out.flush()


if __name__ == "__main__":
    sys.exit(main())
