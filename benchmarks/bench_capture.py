"""A capture file (Ethernet, in the page cache) to descriptors.

Of 64-byte packets it is 9 MB and stays in the cache of the CPU: what is timed
is the work. Of 64, 512 and 1500 bytes in turn it is 72 MB: what is timed is
mostly the memory, and the page table.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.contest import LIMIT, OURS, Contest, Contestant, few
from benchmarks.peers import dpkt_peer, libpcap, limit, numpy_alone, ours, scapy_peer, tshark
from benchmarks.traffic import mixed_sizes, traffic, write_capture

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
@pytest.mark.parametrize("sizes", ["64 B", "mixed sizes"])
def bench_capture(contest: Contest, tmp_path: Path, sizes: str, name: str) -> None:
    make, count = CONTESTANTS[name]
    if sizes == "64 B":
        packets = traffic(64, few(PACKETS)).first(count)
    else:
        packets = mixed_sizes(few(PACKETS)).first(count)
    path = tmp_path / "traffic.pcap"
    write_capture(path, packets.packets)
    right = [len(packets), int(packets.truth["destination_port"].sum(dtype=int))]
    contestant = make(path)
    work, once = "capture file to table", name in ONCE
    contest.time(work, sizes, name, contestant, len(packets), right, once=once)
    path.unlink()  # pytest keeps temporary folders, and these are large
