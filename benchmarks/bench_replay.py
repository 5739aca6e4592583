"""A packet's whole way: filter, ring, recv, TTL set in numpy, send, sink.

The peers have no such way without a live network: beside it stand the Python
that one would write with them (take bytes, set the TTL, give bytes), and a C
loop that judges, copies and edits.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contest import LIMIT, OURS, Contest, few
from benchmarks.peers import dpkt_peer, limit, ours, pydivert_peer, scapy_peer
from benchmarks.traffic import mixed_sizes, traffic, write_capture

TTL = 33
CONTESTANTS = {
    LIMIT: (limit.replay, 65536),
    OURS: (ours.replay, 65536),
    "pydivert, edit alone": (pydivert_peer.edit, 1024),
    "dpkt, edit alone": (dpkt_peer.edit, 1024),
    "scapy, edit alone": (scapy_peer.edit, 256),
}


@pytest.mark.parametrize("name", CONTESTANTS)
@pytest.mark.parametrize("size", [64, 1500])
def bench_replay(contest: Contest, size: int, name: str) -> None:
    make, count = CONTESTANTS[name]
    packets = traffic(size, few(65536 if size == 64 else 16384)).first(count)
    contestant = make(packets, TTL)
    contest.time("replay", f"{size} B", name, contestant, len(packets), len(packets))


@pytest.mark.parametrize("sizes", ["64 B", "mixed sizes"])
def bench_replay_file(contest: Contest, tmp_path: Path, sizes: str) -> None:
    packets = traffic(64, few(100_000)) if sizes == "64 B" else mixed_sizes(few(100_000))
    source, target = tmp_path / "in.pcap", tmp_path / "out.pcap"
    write_capture(source, packets.packets)
    contestant = ours.replay_file(source, target, TTL)
    work = "replay, capture file to capture file"
    contest.time(work, sizes, OURS, contestant, len(packets), len(packets))
    source.unlink()
    target.unlink()
