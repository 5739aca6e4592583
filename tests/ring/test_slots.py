"""Slots go back in order, once nobody looks at them any more, and not before."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import fastdivert as fd
from fastdivert import _core
from tests.ring.layout import Peer, take
from tests.traffic import numbered, numbers

ALL = fd.compile("true", fd.Layer.NETWORK).core_program
_NEVER = -(1 << 63)


def produce(ring: _core.Ring, batch: fd.Batch, *, wait: bool = True) -> int:
    return ring.produce(ALL, batch._packets, 0, wait, False, 0, np.zeros(len(batch), np.uint8))


def test_a_batch_holds_its_slots_until_it_is_released():
    ring = _core.Ring.create(32, 65536)
    produce(ring, numbered(10))
    batch = take(ring)
    assert (ring.waiting, ring.held) == (0, 10)
    batch.release()

    assert ring.held == 0


def test_a_batch_that_is_forgotten_releases_its_slots():
    ring = _core.Ring.create(32, 65536)
    produce(ring, numbered(10))
    take(ring)
    gc.collect()

    assert ring.held == 0


@pytest.mark.parametrize(
    "view",
    [
        lambda batch: batch.headers,
        lambda batch: batch.verdicts[3:4],
        lambda batch: batch[5].raw,
        lambda batch: batch.payload(9),
        lambda batch: batch[2:4],
        lambda batch: memoryview(batch.payload(0)),
    ],
)
def test_a_view_holds_the_slots_of_its_batch(view):
    ring = _core.Ring.create(32, 65536)
    produce(ring, numbered(10))
    batch = take(ring)
    kept = view(batch)
    batch.release()
    del batch
    assert ring.held == 10
    del kept

    assert ring.held == 0


def test_columns_and_copies_hold_nothing():
    ring = _core.Ring.create(32, 65536)
    produce(ring, numbered(10))
    batch = take(ring)
    kept = [batch["ip.TTL"], batch.copy(), batch.addresses, batch.parse(), batch.match("tcp")]
    batch.release()

    assert ring.held == 0
    assert len(kept) == 5


def test_held_slots_are_not_written_again():
    ring = _core.Ring.create(32, 65536)
    produce(ring, numbered(8))
    first = take(ring)
    view, headers = first.payload(3), first.headers
    before = view.tobytes(), headers.tobytes()
    first.release()
    for start in range(100, 400, 8):
        produce(ring, numbered(8, first=start))
        later = take(ring)
        if later is not None:
            later["ip.TTL"] = 1
            later.release()

    assert (view.tobytes(), headers.tobytes()) == before


def test_a_full_ring_takes_no_more_until_slots_come_back():
    ring = _core.Ring.create(32, 65536)
    assert produce(ring, numbered(40)) == 32
    batch = take(ring)
    assert produce(ring, numbered(1)) == 0
    batch.release()

    assert produce(ring, numbered(40)) == 32


def test_released_out_of_order_the_slots_come_back_in_order():
    ring = _core.Ring.create(32, 65536)
    produce(ring, numbered(32))
    first, second, third = (take(ring, 8) for _ in range(3))
    third.release()
    second.release()
    assert ring.held == 24
    first.release()

    assert ring.held == 0
    assert ring.waiting == 8


@pytest.mark.parametrize("seed", range(5))
def test_random_takes_and_releases_lose_nothing(seed):
    random = np.random.default_rng(seed)
    ring = _core.Ring.create(32, 65536)
    produced = 0
    seen: list[int] = []
    held: list[tuple[fd.Batch, list[int]]] = []
    for _ in range(400):
        match random.integers(3):
            case 0:
                produced += produce(ring, numbered(int(random.integers(1, 12)), first=produced))
            case 1:
                batch = take(ring, int(random.integers(1, 10)))
                if batch is not None:
                    held.append((batch, numbers(batch)))
                    seen += held[-1][1]
            case 2 if held:
                batch, expected = held.pop(int(random.integers(len(held))))
                assert numbers(batch) == expected
                batch.release()
        assert ring.held + ring.waiting <= 32
    seen += [number for batch in iter(lambda: take(ring), None) for number in numbers(batch)]

    assert seen == list(range(produced))


def test_a_take_ends_where_the_descriptors_wrap():
    ring = _core.Ring.create(32, 65536)
    produce(ring, numbered(20))
    take(ring)
    produce(ring, numbered(20, first=20))

    assert [len(take(ring)), len(take(ring))] == [12, 8]


def test_large_packets_wrap_in_the_byte_region():
    ring = _core.Ring.create(32, 65536)
    got = []
    for start in range(0, 60, 3):
        produce(ring, numbered(3, first=start, size=15000))
        for batch in iter(lambda: take(ring), None):
            assert {len(packet) for packet in batch} == {15040}
            got += numbers(batch)
            batch.release()

    assert got == list(range(60))


def test_what_has_waited_too_long_is_passed_over_and_counted():
    ring = _core.Ring.create(32, 65536)
    batch = numbered(10)
    batch["timestamp"] = np.arange(10)
    produce(ring, batch)
    left = take(ring, 100, 4)

    assert numbers(left) == list(range(4, 10))
    assert ring.counters()["dropped"]["queue_time"] == 4
    left.release()
    assert ring.held == 0


def test_when_all_has_expired_nothing_is_held():
    ring = _core.Ring.create(32, 65536)
    produce(ring, numbered(32))

    assert take(ring, 100, 1) is None
    assert (ring.waiting, ring.held) == (0, 0)
    assert produce(ring, numbered(32)) == 32


def test_the_tails_in_the_header_follow():
    peer = Peer()
    ring = peer.attach()
    for number in range(4):
        peer.put(bytes([0x45, number]).ljust(40, b"\0"))
    batch = take(ring)
    assert peer.header["descriptor_tail"] == 0
    batch.release()

    assert (peer.header["descriptor_tail"], peer.header["byte_tail"]) == (4, 256)
    assert peer.header["delivered"] == 4


@pytest.mark.parametrize("most", [0])
def test_a_take_of_nothing_is_none(most):
    ring = _core.Ring.create(32, 65536)
    produce(ring, numbered(3))

    assert ring.take(most, _NEVER) is None
    assert ring.waiting == 3


@pytest.mark.parametrize("keep", ["batch", "headers", "payload", "selection"])
def test_a_ring_in_a_cycle_outlives_its_leases(keep):
    for _ in range(20):
        ring = _core.Ring.create(32, 65536)
        produce(ring, numbered(10))
        batch = take(ring)
        views = {
            "batch": batch,
            "headers": batch.headers,
            "payload": batch.payload(3),
            "selection": batch[2:],
        }
        cycle = [ring, views[keep]]
        cycle.append(cycle)
        del ring, batch, views, cycle
        gc.collect()

    assert _core.live_objects()["leases"] == 0


def test_a_borrowed_ring_in_a_cycle_outlives_its_leases():
    for _ in range(20):
        peer = Peer()
        ring = peer.attach()
        peer.put(bytes([0x45]).ljust(40, b"\0"))
        cycle = [take(ring), ring, peer]
        cycle.append(cycle)
        del ring, peer, cycle
        gc.collect()

    assert _core.live_objects()["leases"] == 0
