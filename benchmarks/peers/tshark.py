"""tshark: a process that prints one line for each packet."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.contest import Contestant


def capture(path: Path) -> Contestant:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    fields = ("ip.src", "ip.dst", "tcp.dstport", "udp.dstport")
    command = ["tshark", "-n", "-r", str(path), "-T", "fields"]
    command += [word for field in fields for word in ("-e", field)]

    def run() -> Any:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = done.stdout.splitlines()
        ports = 0
        for line in lines:
            *_, tcp, udp = line.split("\t")
            ports += int(tcp or udp or "0")
        return len(lines), ports

    return Contestant(run, np.array)
