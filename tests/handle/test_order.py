"""The sink gets the capture's packets in the capture's order, whatever was done to them."""

from __future__ import annotations

import numpy as np
import pytest

import fastdivert as fd
from tests.handle.replaying import replay
from tests.traffic import Sink, numbered, numbers, tcp


def sources(count: int = 8, size: int = 25) -> list[fd.Batch]:
    return [numbered(size, first=size * at) for at in range(count)]


def test_diverted_and_passed_packets_are_woven_together():
    sink = Sink()
    with replay(sources(), "tcp.DstPort == 80", sink=sink) as handle:
        for batch in handle:
            handle.send(batch)
    assert sink.numbers == list(range(200))


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_batches_may_be_sent_in_any_order(order):
    sink = Sink()
    with replay(sources(), "tcp.DstPort == 80", sink=sink) as handle:
        batches = [handle.recv(25) for _ in range(4)]
        for at in order:
            handle.send(batches[at])
        for batch in handle:
            handle.send(batch)
    assert sink.numbers == list(range(200))


def test_what_is_dropped_leaves_a_gap_and_no_disorder():
    sink = Sink()
    with replay(sources(), sink=sink) as handle:
        for batch in handle:
            batch.drop(np.array(numbers(batch)) % 3 == 0)
            handle.send(batch)
    assert sink.numbers == [number for number in range(200) if number % 3]


def test_batches_that_are_never_sent_hold_up_nothing_for_ever(monkeypatch):
    monkeypatch.setattr("fastdivert.replay.order.PACKETS_WAITING", 100)
    sink = Sink()
    with replay(sources(60, 5), sink=sink) as handle:
        kept = [handle.recv(5)]
        for batch in handle:
            handle.send(batch)
        assert len(sink.numbers) > 0
        expected = [number for number in range(300) if number not in numbers(kept)]
    assert sink.numbers == expected


def test_a_batch_sent_long_after_its_turn_still_leaves(monkeypatch):
    monkeypatch.setattr("fastdivert.replay.order.PACKETS_WAITING", 100)
    sink = Sink()
    with replay(sources(60, 5), sink=sink) as handle:
        late = handle.recv(5)
        for batch in handle:
            handle.send(batch)
        handle.send(late)
    assert sorted(sink.numbers) == list(range(300))
    assert [number for number in sink.numbers if number > 4] == list(range(5, 300))


def test_rows_sent_in_another_order_leave_in_that_of_the_capture():
    sink = Sink()
    with replay(numbered(10), sink=sink) as handle:
        handle.send(handle.recv()[::-1])
    assert sink.numbers == list(range(10))


def test_made_up_packets_do_not_wait():
    sink = Sink()
    with replay(numbered(10), sink=sink) as handle:
        batch = handle.recv()
        handle.send(tcp(1, 2, b"\xff\xff\xff\xff"))
        assert sink.numbers == [0xFFFFFFFF]
        handle.send(batch)
    assert sink.numbers[1:] == list(range(10))


@pytest.mark.parametrize("unmatched", ["pass", "discard"])
def test_unmatched_packets_pass_or_are_discarded(unmatched):
    sink = Sink()
    with replay(numbered(10), "tcp.DstPort == 80", sink=sink, unmatched=unmatched) as handle:
        for batch in handle:
            handle.send(batch)
    assert sink.numbers == (list(range(10)) if unmatched == "pass" else list(range(0, 10, 2)))


def test_discarded_packets_do_not_hold_up_the_rest():
    sink = Sink()
    with replay(sources(), "tcp.DstPort == 80", sink=sink, unmatched="discard") as handle:
        handle.send(handle.recv(13))
        assert sink.numbers == list(range(0, 25, 2))


def test_closing_writes_what_has_left():
    sink = Sink()
    handle = replay(sources(), "tcp.DstPort == 80", sink=sink)
    kept = handle.recv(5)
    handle.close()
    assert sink.numbers == [number for number in range(25) if number not in numbers(kept)]


@pytest.mark.parametrize("seed", range(8))
def test_random_handling_keeps_the_order(seed):
    random = np.random.default_rng(seed)
    sink, held, dropped = Sink(), [], set()
    with replay(
        sources(20, int(random.integers(1, 40))), "tcp.DstPort == 80", sink=sink, queue_length=64
    ) as handle:
        while True:
            if not held or (random.random() < 0.5 and handle.stats()["held"] < 32):
                try:
                    held.append(handle.recv(int(random.integers(1, 20)), timeout=0.01))
                except TimeoutError:
                    continue
                except fd.ShutdownError:
                    if not held:
                        break
            if held and random.random() < 0.6:
                batch = held.pop(int(random.integers(len(held))))
                mask = random.random(len(batch)) < 0.2
                dropped.update(np.array(numbers(batch))[mask].tolist())
                batch.drop(mask)
                handle.send(batch)
                del batch
        total = handle.stats()["seen"]
    assert sink.numbers == [number for number in range(total) if number not in dropped]
