# SPDX-License-Identifier: MIT
"""Does an installed fastdivert work? Needs nothing but the package and its dependencies.

A capture goes through a handle: filtered, edited, dropped in part, written, read back.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

import fastdivert as fd


def tcp(port: int, payload: bytes) -> bytes:
    """An IPv4 packet without checksums."""
    ends = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
    length = 40 + len(payload)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 1, 0, 64, 6, 0, *ends)
    return header + struct.pack("!HHIIBBHHH", 1024, port, 1, 0, 0x50, 0x18, 512, 0, 0) + payload


def check(what: str, truth: object) -> None:
    if not truth:
        raise SystemExit(f"smoke test: {what}: no")


def through_a_handle(folder: Path) -> None:
    batch = fd.Batch.from_packets([tcp(80 if k % 2 else 443, b"x" * (k % 50)) for k in range(5000)])
    check("checksums can be computed", batch.checksums().all())
    before, after = folder / "before.pcap", folder / "after.pcapng"
    fd.write_pcap(before, batch)
    with fd.open("tcp.DstPort == 443", driver="replay", source=before, sink=after) as handle:
        for taken in handle:
            taken["ip.TTL"] = np.full(len(taken), 9)
            taken.drop(taken["ip.Length"] == 40)
            handle.send(taken)
        stats = handle.stats()
    check("the filter matched half", stats["matched"] == stats["delivered"] == 2500)
    packets = 0
    with fd.read_pcap(after) as reader:
        for written in reader:
            packets += len(written)
            found = written.checksums("verify")
            check("checksums are right", found["ip_right"].all() and found["l4_right"].all())
            edited = written["tcp.DstPort"] == 443
            check("the edit shows", ((written["ip.TTL"] == 9) == edited).all())
    check("the dropped are missing", packets == 5000 - 100)


def refusal() -> None:
    try:
        fd.compile("tcp.DstPort == 80 and")
    except fd.FilterError as error:
        check("the error has a position", error.position > 0)
    else:
        check("a bad filter is refused", False)


def command_line() -> None:
    command = [sys.executable, "-m", "fastdivert", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    check("the command line says its version", fd.__version__ in done.stdout)


def main() -> None:
    check("the versions agree", version("fastdivert") == fd.__version__)
    with tempfile.TemporaryDirectory() as folder:
        through_a_handle(Path(folder))
    refusal()
    command_line()
    print(f"smoke test of fastdivert {fd.__version__} on Python {sys.version.split()[0]}: passed")


if __name__ == "__main__":
    main()
