"""Packets to descriptors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.contest import LIMIT, OURS, Contest, Contestant, few
from benchmarks.peers import dpkt_peer, limit, numpy_alone, ours, pydivert_peer, scapy_peer
from benchmarks.traffic import Traffic, traffic

Maker = Callable[[Traffic], Contestant]

#: Who, how, and on how many packets.
CONTESTANTS: dict[str, tuple[Maker, int]] = {
    LIMIT: (limit.parse, 4096),
    OURS: (ours.parse, 4096),
    f"{OURS}, without descriptors": (ours.parse_alone, 4096),
    "numpy": (numpy_alone.parse, 4096),
    "dpkt": (dpkt_peer.parse, 1024),
    "pydivert": (pydivert_peer.parse, 1024),
    "scapy": (scapy_peer.parse, 256),
}


@pytest.mark.parametrize("name", CONTESTANTS)
@pytest.mark.parametrize("size", [64, 512, 1500])
def bench_parse(contest: Contest, size: int, name: str) -> None:
    make, count = CONTESTANTS[name]
    packets = traffic(size, few(4096)).first(count)
    _time(contest, "parse", f"{size} B", name, make, packets)


@pytest.mark.parametrize("name", [LIMIT, OURS])
@pytest.mark.parametrize("count", [64, 1024, 4096, 65536])
def bench_parse_batches(contest: Contest, count: int, name: str) -> None:
    packets = traffic(64, few(count))
    _time(contest, "parse, by batch size (64 B)", f"{count}", name, CONTESTANTS[name][0], packets)


def _time(contest: Contest, work: str, case: str, name: str, make: Maker, packets: Traffic) -> None:
    names = ("protocol", "source_port", "destination_port")
    right = np.stack([packets.truth[column] for column in names])
    contest.time(work, case, name, make(packets), len(packets), right)
