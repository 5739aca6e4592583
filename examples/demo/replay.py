# SPDX-License-Identifier: MIT
"""The demo on a recorded capture: filter, edit, drop, reinject. Needs no privilege.

A recorded HTTP session goes through the replay driver, which does with a capture
what a live driver does with a host: it evaluates the filter, puts what matches
into the ring, and sends what comes back, here into another capture file.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import fastdivert as fd

CAPTURE = Path(__file__).parents[2] / "tests" / "captures" / "http.pcap"
FILTER = "tcp and (tcp.DstPort == 8000 or tcp.SrcPort == 8000)"
DROPPED = "tcp.PayloadLength == 0 and not tcp.Syn and not tcp.Fin"
FAST_PACKETS = 1_000_000


def divert(source: Path | Iterator[fd.Batch], target: Path | None, batch_size: int) -> fd.Handle:
    """All of it: what the filter matches comes as numpy, is edited, and goes back."""
    with fd.open(FILTER, driver="replay", source=source, sink=target) as handle:
        handle.max_batch = batch_size
        for batch in handle:
            batch["ip.TTL"] = np.maximum(batch["ip.TTL"], 1) - 1  # a hop; checksums follow
            batch["tcp.Window"] = np.minimum(batch["tcp.Window"], 8192)
            batch.drop(batch.match(DROPPED))  # bare acknowledgements
            handle.send(batch)
    return handle


def show(path: Path, most: int) -> None:
    with fd.read_pcap(path) as reader:
        packets = (packet for batch in reader for packet in batch if packet["tcp"])
        for packet in itertools.islice(packets, most):
            print(f"  {packet}  TTL {packet['ip.TTL']}, window {packet['tcp.Window']}")


def repeated(path: Path, packets: int) -> Iterator[fd.Batch]:
    """The capture over and over, until that many packets have come."""
    with fd.read_pcap(path) as reader:
        for batch in itertools.cycle(list(reader)):
            if packets <= 0:
                return
            packets -= len(batch)
            yield batch


def diverted(folder: Path) -> None:
    """One pass over the capture, with the packets before and after."""
    target = folder / "diverted.pcap"
    print(f"{CAPTURE.name}, recorded between two hosts, begins:")
    show(CAPTURE, 4)
    stats = divert(CAPTURE, target, 1024).stats()
    print(
        f"\nfilter   {FILTER}\nedit     one off ip.TTL; tcp.Window at most 8192\ndrop     {DROPPED}"
    )
    print(f"seen {stats['seen']}, matched {stats['matched']}, ", end="")
    print(f"dropped {stats['verdict_dropped']}, sent {stats['sent']}; now it begins:")
    show(target, 4)


def measured(folder: Path) -> None:
    """The same over and over, from file to file, with the clock running."""
    source, target = folder / "long.pcap", folder / "diverted.pcap"
    packets = fd.write_pcap(source, repeated(CAPTURE, FAST_PACKETS))
    begin = time.perf_counter()
    stats = divert(source, target, 4096).stats()
    seconds = time.perf_counter() - begin
    print(f"\nthe same over and over, from file to file: {packets:,} packets in {seconds:.2f} s,")
    print(f"{packets / seconds / 1e6:.2f} million/s; {stats['matched']:,} were matched and edited,")
    print(f"{stats['verdict_dropped']:,} dropped, {stats['sent']:,} sent.")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        diverted(Path(folder))
        measured(Path(folder))
