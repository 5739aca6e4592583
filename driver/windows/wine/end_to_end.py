# SPDX-License-Identifier: MIT
"""end_to_end.py [BATCHES]: the genuine driver, in Wine, under the genuine wheel.

Runs in Windows CPython: ./dev wine python driver/windows/wine/end_to_end.py. The
stand-in filter engine plays a host that sends datagrams; fastdivert.sys diverts
them into rings; numpy edits them here; the driver puts them back.
"""

from __future__ import annotations

import struct
import sys
import time
from pathlib import Path

import numpy as np

import fastdivert as fd

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.windows_live.standin import At, Standin

LISTS, BUFFERS = 16, 16  # packets of one classify call


def datagram(port: int, payload: bytes) -> bytes:
    """An IPv4 packet whose checksums are left to a network card."""
    ends = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
    length = 28 + len(payload)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 1, 0, 128, 17, 0, *ends)
    return head + struct.pack("!HHHH", 4000, port, 8 + len(payload), 0) + payload


def main(batches: int = 8) -> int:
    sent = LISTS * BUFFERS
    diverted = dropped = reinjected = arrived = 0
    with fd.open("outbound and udp.DstPort == 53") as handle, Standin() as host:
        begin = time.perf_counter()
        for number in range(batches):
            payload = number.to_bytes(4, "big") + bytes(96)
            # With every checksum for the card to compute; and one that no filter wants.
            assert host.offer(datagram(53, payload), lists=LISTS, buffers=BUFFERS, info=0b11001)
            assert not host.offer(datagram(80, payload))
            left = sent
            while left:
                batch = handle.recv(timeout=10)
                left -= len(batch)
                diverted += len(batch)
                batch["ip.TTL"] = 64
                batch["udp.SrcPort"] = 1024 + np.arange(len(batch)) % 100
                batch.drop(np.arange(len(batch)) % 4 == 3)
                dropped += int((batch.verdicts != 0).sum())
                reinjected += handle.send(batch)
        seconds = time.perf_counter() - begin

        while (through := host.take(0.5)) is not None:
            if not through.injected:
                assert through.packet[22:24] == (80).to_bytes(2, "big")
                continue
            found = fd.Batch.from_packets([through.packet])
            assert found["ip.TTL"][0] == 64 and through.at is At.OUTBOUND_V4
            checked = found.checksums("verify")
            assert checked["ip_right"].all() and checked["l4_right"].all()
            arrived += 1
        state, stats = host.state(), handle.stats()
    assert diverted == batches * sent == stats["matched"] == stats["delivered"]
    assert arrived == reinjected == diverted - dropped == stats["completed"]
    assert state.complaints == 0, state.complaint
    print(f"{diverted} packets diverted by fastdivert.sys, edited with numpy {np.__version__}")
    print(f"{dropped} dropped, {reinjected} reinjected; {arrived} got through, checksums right")
    print(f"{seconds:.2f} s; Python {sys.version.split()[0]} for {sys.platform}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
