"""The queues of several CPUs, taken as one: in the order of timestamps, none lost, none twice."""

from __future__ import annotations

import random
import time

import pytest

import fastdivert as fd
from fastdivert import _core
from tests.ring.layout import Peer
from tests.ring.test_hostile import Scribbler
from tests.traffic import tcp

NEVER = -(1 << 63)


def attach(*peers: Peer) -> _core.Queues:
    return _core.Queues([(peer.descriptor_region, peer.byte_region) for peer in peers])


def put(peer: Peer, *times: int) -> None:
    """A packet for each, with its time as its mark and in its ports."""
    for each in times:
        peer.put(tcp(each, each), timestamp=each, mark=each)


def taken(queues: _core.Queues, most: int = 1000, expire_before: int = NEVER) -> list[int]:
    packets = queues.take(most, expire_before)
    if packets is None:
        return []
    batch = fd.Batch(packets)
    marks: list[int] = batch.headers["mark"].tolist()
    assert batch["tcp.DstPort"].tolist() == marks  # descriptor and bytes are of one packet
    return marks


def test_records_of_all_queues_come_in_the_order_of_their_timestamps():
    one, other, idle = Peer(), Peer(), Peer()
    queues = attach(one, other, idle)
    put(one, 1, 4, 5, 9)
    put(other, 2, 3, 6)

    assert queues.waiting == 7
    assert taken(queues) == [1, 2, 3, 4, 5, 6, 9]
    assert taken(queues) == []


def test_a_small_batch_takes_the_oldest_and_leaves_the_others():
    one, other = Peer(), Peer()
    queues = attach(one, other)
    put(one, 1, 4, 5)
    put(other, 2, 3, 6)

    assert [taken(queues, 2) for _ in range(4)] == [[1, 2], [3, 4], [5, 6], []]


def test_where_a_queue_goes_on_at_its_beginning_the_others_wait():
    one, other = Peer(count=32), Peer(count=64)
    queues = attach(one, other)
    put(one, *range(30))
    taken(queues)
    put(one, *range(100, 110))  # two lie at the end, eight at the beginning
    put(other, 101, 200)

    assert taken(queues) == [100, 101, 101]
    assert taken(queues) == [*range(102, 110), 200]


def test_records_of_one_queue_are_not_copied():
    one, other = Peer(), Peer()
    queues = attach(one, other)
    put(other, 1, 2)
    batch = fd.Batch(queues.take(10, NEVER))
    batch.drop()

    assert other.descriptors["verdict"][:2].tolist() == [fd.Verdict.DROP] * 2


def test_slots_go_back_with_the_batch():
    one, other = Peer(), Peer()
    queues = attach(one, other)
    put(one, 1, 3)
    put(other, 2)
    batch = fd.Batch(queues.take(10, NEVER))
    view = batch[1].raw

    assert queues.held == 3
    batch.release()
    assert queues.held == 3
    del view
    assert queues.held == 0
    assert (one.header["descriptor_tail"], other.header["descriptor_tail"]) == (2, 1)


def test_what_has_waited_too_long_is_passed_over_and_counted():
    one, other = Peer(), Peer()
    queues = attach(one, other)
    put(one, 1, 2, 30)
    put(other, 3, 4)

    assert taken(queues, expire_before=10) == [30]
    assert [ring.counters()["dropped"]["queue_time"] for ring in queues.rings] == [2, 2]


def test_a_broken_queue_says_so():
    one, other = Peer(), Peer()
    queues = attach(one, other)
    put(one, 1)
    other.header["descriptor_head"] = 1000

    with pytest.raises(fd.RingError):
        queues.take(10, NEVER)


def test_spinning_finds_what_has_come():
    one, other = Peer(), Peer()
    queues = attach(one, other)
    assert not queues.spin(10)
    put(other, 1)
    assert queues.spin(10)


def test_the_doorbell_is_asked_for_where_nothing_waits():
    one, other = Peer(), Peer()
    queues = attach(one, other)
    assert queues.arm()
    assert (one.header["sleeping"], other.header["sleeping"]) == (1, 1)
    queues.disarm()
    assert (one.header["sleeping"], other.header["sleeping"]) == (0, 0)
    put(other, 1)
    assert not queues.arm()


def test_any_interleaving_is_merged():
    chance = random.Random(7)
    peers = [Peer(count=64, size=65536) for _ in range(3)]
    queues = attach(*peers)
    sent = received = 0
    while received < 5000:
        for _ in range(chance.randrange(20)):
            peer = chance.choice(peers)
            if peer.head - int(peer.header["descriptor_tail"]) < 64:
                put(peer, sent & 0x7FFF)
                sent += 1
        marks = taken(queues, chance.randrange(1, 40))
        assert marks == [number & 0x7FFF for number in range(received, received + len(marks))]
        received += len(marks)


@pytest.mark.parametrize("target", ["descriptors", "header"])
def test_scribbling_is_survived(target):
    end = time.monotonic() + 1
    while time.monotonic() < end:
        peers = Peer(count=64), Peer(count=64)
        queues = attach(*peers)
        region = peers[0].descriptor_region
        region = region[4096:] if target == "descriptors" else region[64:320]
        for peer in peers:
            put(peer, *range(20))
        scribbler = Scribbler(region, 5)
        scribbler.start()
        try:
            while (packets := queues.take(7, NEVER)) is not None:
                fd.Batch(packets).match("tcp.DstPort == 3")
        except fd.RingError:
            pass
        finally:
            scribbler.stop()
