# SPDX-License-Identifier: MIT
"""What taking costs by the number of queues, one for each CPU that the host may have.

This machine has a few; the others are made here, and filled as the eBPF
programs fill theirs. In the kernel a packet costs the same, however many there are.
"""

from __future__ import annotations

import statistics
import time

import fastdivert as fd
from fastdivert._core import Queues
from tests.ring.layout import Peer
from tests.traffic import udp

BATCH = 1024
_NEVER = -(1 << 63)


def take(queues: int, rounds: int) -> dict[str, float]:
    """ns a packet of a batch that lies in all of so many queues, and of a batch of one."""
    peers = [Peer(count=2 * BATCH, size=BATCH * 256) for _ in range(queues)]
    merged = Queues([(peer.descriptor_region, peer.byte_region) for peer in peers])
    many = [_time(peers, merged, BATCH) for _ in range(rounds)]
    one = [_time(peers, merged, 1) for _ in range(10 * rounds)]
    return {"take": statistics.median(many) / BATCH, "take_one": statistics.median(one)}


def _time(peers: list[Peer], merged: Queues, count: int) -> int:
    """Of taking so many packets, in turn from each queue, and giving their slots back."""
    for number in range(count):
        peer = peers[number % len(peers)]
        peer.put(udp(1, 2), publish=False, timestamp=number)
    for peer in peers:
        peer.publish()
    begin = time.perf_counter_ns()
    packets = merged.take(count, _NEVER)
    found = 0 if packets is None else len(packets)
    batch = None if packets is None else fd.Batch(packets)
    del packets
    if batch is not None:
        batch.release()
    took = time.perf_counter_ns() - begin
    if found != count:
        raise RuntimeError(f"{found} of {count} packets were taken")
    return took
