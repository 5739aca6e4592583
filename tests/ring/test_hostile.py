"""A producer that rewrites the ring while the consumer works: errors are fine, crashes are not."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import fastdivert as fd
from tests.ring.layout import Peer, take
from tests.traffic import tcp, tcp6, udp

_FILTER = "tcp.DstPort == 80 or udp.Payload[3] == 7 or ipv6.HopLimit > 3 or packet32[-4b] == 1"


def evaluate(batch: fd.Batch) -> None:
    """Everything that reads or writes packets, on bytes that change meanwhile."""
    batch.match(_FILTER)
    batch.parse()
    batch.checksums("verify")
    batch.checksums()
    batch.hash()
    batch.decrement_ttl()
    batch["tcp.DstPort"] = 443
    batch["udp.Payload[3]"] = 7
    batch["ipv6.SrcAddr"] = "::1"
    for row in range(0, len(batch), 7):
        if batch.has("ip")[row]:
            try:
                batch.replace_payload(row, b"x" * row)
            except ValueError:
                continue
    batch.copy().match(_FILTER)
    batch[::-1].addresses.tobytes()
    bytes(batch[0])


class Scribbler(threading.Thread):
    """Overwrites a part of a region with random bytes until it is stopped."""

    def __init__(self, region: np.ndarray, seed: int) -> None:
        super().__init__(daemon=True)
        self._region, self._random = region, np.random.default_rng(seed)
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            size = int(self._random.integers(1, 200))
            at = int(self._random.integers(0, len(self._region) - size))
            self._region[at : at + size] = self._random.integers(0, 256, size, np.uint8)

    def stop(self) -> None:
        self._stopped.set()
        self.join(10)
        assert not self.is_alive()


@pytest.mark.parametrize("target", ["bytes", "descriptors", "header"])
def test_scribbling_is_survived(target):
    end = time.monotonic() + 2
    rounds = errors = 0
    while time.monotonic() < end:
        peer = Peer(count=64)
        ring = peer.attach()
        region = {
            "bytes": peer.byte_region[:8192],
            "descriptors": peer.descriptor_region[4096:],
            "header": peer.descriptor_region[64:320],
        }[target]
        scribbler = Scribbler(region, rounds)
        scribbler.start()
        try:
            for number in range(64):
                packet = (tcp, udp, tcp6)[number % 3](number, 80, bytes(number))
                peer.put(packet, l2=bytes(number % 20), publish=False)
            peer.publish()
            for _ in range(20):
                batch = take(ring, 40)
                if batch is not None:
                    evaluate(batch)
        except fd.RingError:
            errors += 1
        finally:
            scribbler.stop()
        rounds += 1

    assert rounds > 0
    assert errors <= rounds


@pytest.mark.parametrize("seed", range(20))
def test_a_random_descriptor_region_is_refused_or_empty_of_harm(seed):
    random = np.random.default_rng(seed)
    peer = Peer()
    ring = peer.attach()
    peer.byte_region[:] = random.integers(0, 256, len(peer.byte_region), np.uint8)
    peer.descriptor_region[64:] = random.integers(
        0, 256, len(peer.descriptor_region) - 64, np.uint8
    )
    peer.header["descriptor_head"] = random.integers(0, 65)
    peer.header["byte_head"] = random.integers(0, 1025) * 64

    for _ in range(10):
        try:
            batch = take(ring)
        except fd.RingError:
            break
        if batch is not None:
            evaluate(batch)


@pytest.mark.parametrize("seed", range(30))
def test_one_random_byte_in_one_descriptor_is_survived(seed):
    random = np.random.default_rng(seed)
    for _ in range(40):
        peer = Peer(count=32)
        ring = peer.attach()
        for number in range(8):
            peer.put(tcp(number, 80, bytes(number)), publish=False)
        raw = peer.descriptor_region[4096 : 4096 + 8 * 64]
        raw[int(random.integers(len(raw)))] = random.integers(256)
        peer.publish()
        try:
            while (batch := take(ring)) is not None:
                evaluate(batch)
        except fd.RingError:
            continue
