"""Lies in indexes and descriptors: the good records first, then RingError, never a crash."""

from __future__ import annotations

import pytest

import fastdivert as fd
from tests.ring.layout import Peer, take
from tests.traffic import tcp, udp

GOOD = 3


def peer_with_good_records() -> Peer:
    peer = Peer()
    for number in range(GOOD):
        peer.put(tcp(number, 80, b"good"))
    return peer


def assert_dead_after_the_good_ones(peer: Peer, ring, what: str) -> None:
    batch = take(ring)
    assert batch is not None
    assert batch["tcp.SrcPort"].tolist() == list(range(GOOD))
    for _ in range(2):
        with pytest.raises(fd.RingError, match=what) as raised:
            take(ring)
        assert "close the handle and open it again" in str(raised.value)
    assert batch["tcp.Payload32[0]"].tolist() == [int.from_bytes(b"good", "big")] * GOOD


@pytest.mark.parametrize(
    ("lie", "what"),
    [
        ({"offset": 0}, "offset"),
        ({"offset": 64 * GOOD + 16}, "offset"),
        ({"offset": 64 * GOOD - 64}, "offset"),
        ({"offset": 0xFFFFFFC0}, "offset"),
        ({"offset": 0x7FFFFFFF}, "offset"),
        ({"captured": 0xFFFFFFFF}, "captured"),
        ({"captured": 524289}, "captured"),
        ({"captured": 524288}, "captured"),
        ({"l2_length": 65}, "L2 length"),
        ({"l2_length": 255}, "L2 length"),
        ({"l2_length": 1}, "offset|L2 length"),
        ({"layer": 5}, "layer"),
        ({"layer": 255}, "layer"),
        ({"event": 10}, "event"),
        ({"event": 255}, "event"),
        ({"link": 7}, "link"),
        ({"link": 255}, "link"),
        ({"layer": fd.Layer.FLOW}, "captured"),
        ({"layer": fd.Layer.REFLECT, "captured": 63}, "captured"),
    ],
)
def test_a_descriptor_that_lies_kills_the_ring(lie, what):
    peer = peer_with_good_records()
    ring = peer.attach()
    peer.put(tcp(9, 9), **lie)
    peer.put(tcp(10, 10))

    assert_dead_after_the_good_ones(peer, ring, what)


@pytest.mark.parametrize("head", [65, 128, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_head_beyond_the_ring_kills_it(head):
    peer = peer_with_good_records()
    ring = peer.attach()
    peer.header["descriptor_head"] = head

    with pytest.raises(fd.RingError, match="descriptor index"):
        take(ring)
    with pytest.raises(fd.RingError, match="descriptor index"):
        ring.waiting  # noqa: B018


def test_a_head_that_goes_back_kills_the_ring():
    peer = peer_with_good_records()
    ring = peer.attach()
    batch = take(ring)
    peer.header["descriptor_head"] = GOOD - 1

    with pytest.raises(fd.RingError, match="descriptor index"):
        take(ring)
    assert len(batch) == GOOD


@pytest.mark.parametrize("byte_head", [1, 63, 64 * GOOD + 8, 65536 + 64, 1 << 40, (1 << 64) - 64])
def test_a_byte_head_out_of_range_or_misaligned_kills_the_ring(byte_head):
    peer = peer_with_good_records()
    ring = peer.attach()
    peer.header["byte_head"] = byte_head

    with pytest.raises(fd.RingError, match="byte index"):
        take(ring)


@pytest.mark.parametrize("byte_head", [0, 64, 128])
def test_records_beyond_the_byte_head_are_not_read(byte_head):
    peer = peer_with_good_records()
    ring = peer.attach()
    peer.header["byte_head"] = byte_head

    if byte_head:
        assert len(take(ring)) == byte_head // 64
    with pytest.raises(fd.RingError, match="captured"):
        take(ring)


def test_a_head_that_is_raised_over_stale_descriptors_kills_the_ring():
    peer = peer_with_good_records()
    ring = peer.attach()
    peer.header["descriptor_head"] = GOOD + 5

    assert_dead_after_the_good_ones(peer, ring, "captured|offset")


def test_a_held_slot_counts_against_the_head():
    peer = Peer(count=32)
    ring = peer.attach()
    for number in range(32):
        peer.put(udp(number, 1))
    batch = take(ring)
    peer.header["descriptor_head"] = 33  # into the slots that the batch holds

    with pytest.raises(fd.RingError, match="descriptor index"):
        take(ring)
    assert batch["udp.SrcPort"].tolist() == list(range(32))


def test_layers_are_not_mixed_in_one_batch():
    peer = Peer()
    ring = peer.attach()
    peer.put(tcp(1, 2))
    peer.put(bytes(64), layer=fd.Layer.FLOW, event=fd.Event.FLOW_ESTABLISHED)
    peer.put(tcp(3, 4))
    layers = []
    try:
        while (batch := take(ring)) is not None:
            layers.append((batch.layer, len(batch)))
    except fd.RingError:
        layers.append("refused")

    assert layers in (
        [(fd.Layer.NETWORK, 1), (fd.Layer.FLOW, 1), (fd.Layer.NETWORK, 1)],
        [(fd.Layer.NETWORK, 1), "refused"],
    )


def test_one_dead_ring_harms_no_other():
    bad, good = peer_with_good_records(), peer_with_good_records()
    dead, alive = bad.attach(), good.attach()
    bad.header["descriptor_head"] = 1000
    with pytest.raises(fd.RingError):
        take(dead)

    assert len(take(alive)) == GOOD


def test_what_the_descriptor_says_later_changes_nothing():
    peer = peer_with_good_records()
    ring = peer.attach()
    batch = take(ring)
    peer.descriptors["offset"] = 0xFFFFFF00
    peer.descriptors["captured"] = 0xFFFFFFFF
    peer.descriptors["l2_length"] = 255
    peer.descriptors["layer"] = fd.Layer.REFLECT

    assert [bytes(packet) for packet in batch] == [tcp(n, 80, b"good") for n in range(GOOD)]
    assert [bytes(packet) for packet in batch.copy()] == [tcp(n, 80, b"good") for n in range(GOOD)]
    assert batch.match("tcp.PayloadLength == 4").all()


def test_a_verdict_that_the_producer_set_is_only_a_value():
    peer = Peer()
    ring = peer.attach()
    peer.put(tcp(), verdict=200)

    assert take(ring).verdicts.tolist() == [200]
