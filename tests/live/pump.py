# SPDX-License-Identifier: MIT
"""The C user of the driver (driver/linux/test/pump.c) in a namespace."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import fastdivert as fd
from fastdivert.enums import Layer
from tests.live.namespaces import Namespace

CAUSES = (
    "queue_length",
    "queue_size",
    "queue_time",
    "oversize",
    "memory",
    "flag",
    "passed_by",
    "unreadable",
)


class Pump:
    """Takes what matches, and puts it back, until it is stopped."""

    def __init__(
        self,
        programs: Path,
        where: Namespace,
        text: str,
        layer: Layer = Layer.NETWORK,
        /,
        **settings: int,
    ) -> None:
        program = programs / f"filter-{id(self)}"
        program.write_bytes(fd.compile(text, layer).program.to_bytes())
        words = [f"{name}={value}" for name, value in settings.items()]
        self.process = where.start(str(programs / "pump"), str(program), *words)
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError(self.process.communicate()[1])
        program.unlink()

    def stop(self) -> dict[str, Any]:
        """Closes it as a handle is closed; what it counted."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, err
        counted: dict[str, Any] = json.loads(out)
        counted["dropped"] = dict(zip(CAUSES, counted["dropped"], strict=True))
        return counted

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)

    def __enter__(self) -> Pump:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        try:
            self.process.communicate(timeout=30)
        except ValueError:  # its pipes were closed by stop or kill
            subprocess.Popen.wait(self.process)


def conserves(counted: dict[str, Any]) -> bool:
    """Nothing vanished: all that matched was queued or dropped for a cause."""
    return bool(
        counted["matched"] == counted["queued"] + sum(counted["dropped"].values())
        and counted["queued"] == counted["taken"]
    )
