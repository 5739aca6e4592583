"""A capture file (Ethernet, packets of 64, 512 and 1500 B, in the page cache) to descriptors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.contest import LIMIT, OURS, Contest, Contestant, few
from benchmarks.peers import dpkt_peer, libpcap, limit, numpy_alone, ours, scapy_peer, tshark
from benchmarks.traffic import mixed_sizes, write_capture

PACKETS = 100_000
CONTESTANTS: dict[str, tuple[Callable[[Path], Contestant], int]] = {
    LIMIT: (limit.capture, PACKETS),
    OURS: (ours.capture, PACKETS),
    "libpcap in C": (libpcap.capture, PACKETS),
    "numpy": (numpy_alone.capture, PACKETS),
    "pcapy-ng": (libpcap.pcapy_capture, PACKETS),
    "dpkt": (dpkt_peer.capture, 10_000),
    "tshark": (tshark.capture, PACKETS),
    "scapy": (scapy_peer.capture, 2000),
}
#: What takes seconds is timed once.
ONCE = {"tshark"}


@pytest.mark.parametrize("name", CONTESTANTS)
def bench_capture(contest: Contest, tmp_path: Path, name: str) -> None:
    make, count = CONTESTANTS[name]
    packets = mixed_sizes(few(PACKETS)).first(count)
    path = tmp_path / "traffic.pcap"
    write_capture(path, packets.packets)
    right = [len(packets), int(packets.truth["destination_port"].sum(dtype=int))]
    contestant = make(path)
    contest.time(
        "capture file to table", "mixed sizes", name, contestant, len(packets), right,
        once=name in ONCE,
    )  # fmt: skip
