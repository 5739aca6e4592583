"""A field of every packet read into an array, and written back with its checksums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import fastdivert as fd
from benchmarks.contest import LIMIT, OURS, Contest, few
from benchmarks.peers import dpkt_peer, limit, numpy_alone, ours, pydivert_peer
from benchmarks.traffic import TCP, Traffic, traffic

READERS = {
    LIMIT: (limit.read_column, 4096),
    OURS: (ours.read_column, 4096),
    "numpy": (numpy_alone.read_column, 4096),
    "dpkt": (dpkt_peer.read_column, 1024),
    "pydivert": (pydivert_peer.read_column, 1024),
}
WRITERS = {
    LIMIT: limit.write_column,
    OURS: ours.write_column,
    "numpy": numpy_alone.write_column,
}
_TRUTH: dict[str, Callable[[Any], Any]] = {
    "ip.TTL": lambda t: np.where(t["version"] == 4, t["ttl"], 0),
    "ip.SrcAddr": lambda t: t["source"],
    "tcp.DstPort": lambda t: np.where(t["protocol"] == TCP, t["destination_port"], 0),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("field", _TRUTH)
def bench_read(contest: Contest, field: str, name: str) -> None:
    make, count = READERS[name]
    packets = traffic(64, few(4096)).first(count)
    right = _TRUTH[field](packets.truth)
    contest.time("column, read (64 B)", field, name, make(packets, field), len(packets), right)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("field", ["ip.TTL", "ip.SrcAddr"])
def bench_write(contest: Contest, field: str, name: str) -> None:
    packets = traffic(64, few(4096))
    chance = np.random.default_rng(1)
    bits, dtype = (8, np.uint8) if field == "ip.TTL" else (32, np.uint32)
    values = chance.integers(1, 1 << bits, len(packets), dtype=dtype)
    contestant = WRITERS[name](packets, field, values)
    right = _rewritten(packets, field, values)
    contest.time("column, write (64 B)", field, name, contestant, len(packets), right)


def _rewritten(packets: Traffic, field: str, values: npt.NDArray[Any]) -> list[bytes]:
    """The packets with the field put in by hand, and every checksum computed anew."""
    at, width = {"ip.TTL": (8, 1), "ip.SrcAddr": (12, 4)}[field]
    edited = []
    for packet, value in zip(packets.packets, values.tolist(), strict=True):
        if packet[0] >> 4 == 4:
            packet = packet[:at] + value.to_bytes(width, "big") + packet[at + width :]
        edited.append(packet)
    batch = fd.Batch.from_packets(edited)
    batch.checksums()
    return [bytes(packet) for packet in batch]
