# SPDX-License-Identifier: MIT
"""A program of a benchmark: started in a namespace, on a core if asked to, ended by pid."""

from __future__ import annotations

import atexit
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.native import COMPILER
from tests.live.namespaces import Namespace

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror")


class SkippedError(Exception):
    """A contestant cannot run here; the text says why."""


@cache
def built(name: str, *libraries: str) -> str:
    """The program c/<name>.c. Raises SkippedError without a compiler or its libraries."""
    if shutil.which(COMPILER) is None:
        raise SkippedError(f"there is no compiler {COMPILER}")
    target = Path(_folder()) / name
    command = [COMPILER, *_FLAGS, str(_HERE / "c" / f"{name}.c"), "-o", str(target), *libraries]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        if libraries and ("No such file" in done.stderr or "cannot find -l" in done.stderr):
            raise SkippedError(f"the headers of {' '.join(libraries)} are not installed")
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return str(target)


@cache
def _folder() -> str:
    folder = tempfile.mkdtemp(prefix="fastdivert-live-")
    atexit.register(shutil.rmtree, folder, True)
    return folder


def python(module: str, options: dict[str, Any]) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.live.diverters.{module}", json.dumps(options)]


class Program:
    """A running program that has said "ready"; leaving the block ends it, whatever happened.

    Raises SkippedError if it ends before it is ready: its last line of complaint is the reason.
    """

    def __init__(
        self, where: Namespace, command: list[str], core: int | None, *, patience: float = 20
    ) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__
        with where.entered():
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                text=True,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                cwd=_ROOT,
            )
        if core is not None:
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(self.process.pid, {cores[core % len(cores)]})
        try:
            self._await_ready(patience)
        except BaseException:
            self.end()
            raise

    def _await_ready(self, patience: float) -> None:
        output = self.process.stdout
        assert output is not None
        if not select.select([output], [], [], patience)[0]:
            raise SkippedError(f"{self.process.args!r:.80} is not ready after {patience:g} s")
        if output.readline() != "ready\n":
            self.process.wait(patience)
            raise SkippedError(self._complaint())

    def _complaint(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else f"it ended with {self.process.returncode}"

    def result(self, patience: float = 20) -> dict[str, Any]:
        """Closes its input, and gives what it reports in the end."""
        try:
            output, _ = self.process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{self.process.args!r:.80} does not end") from None
        if self.process.returncode:
            raise RuntimeError(f"{self.process.args!r:.80}: {self._complaint()}")
        figures: dict[str, Any] = json.loads(output)
        return figures

    def wait(self, patience: float = 30) -> dict[str, Any]:
        """The report of one that ends by itself."""
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{self.process.args!r:.80} does not end") from None
        return self.result()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
