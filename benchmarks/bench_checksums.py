"""IPv4, TCP and UDP checksums computed and written, of packets that were parsed."""

from __future__ import annotations

import pytest

from benchmarks.contest import LIMIT, OURS, Contest, few
from benchmarks.peers import dpkt_peer, limit, numpy_alone, ours, pydivert_peer, scapy_peer
from benchmarks.traffic import IPV4, traffic

CONTESTANTS = {
    LIMIT: (limit.checksums, 4096),
    OURS: (ours.checksums, 4096),
    "numpy": (numpy_alone.checksums, 4096),
    "WinDivert's C by ctypes": (pydivert_peer.checksums_by_ctypes, 1024),
    "dpkt": (dpkt_peer.checksums, 1024),
    "pydivert": (pydivert_peer.checksums, 1024),
    "scapy": (scapy_peer.checksums, 128),
}


@pytest.mark.parametrize("name", CONTESTANTS)
@pytest.mark.parametrize("size", [64, 512, 1500])
def bench_checksums(contest: Contest, size: int, name: str) -> None:
    make, count = CONTESTANTS[name]
    packets = traffic(size, few(4096), IPV4).first(count)
    contestant = make(packets)
    contest.time("checksums", f"{size} B", name, contestant, len(packets), packets.packets)
