"""Several handles on one replay: who sees what, and in which state."""

from __future__ import annotations

import threading

import pytest

import fastdivert as fd
from tests.handle.replaying import assert_balanced, replay
from tests.traffic import Sink, numbered, numbers, tcp


def pump(handle: fd.Handle, edit=None) -> list[int]:
    """Receives all that there is, edits it, and sends it on."""
    seen = []
    for batch in handle:
        seen += numbers(batch)
        if edit is not None:
            edit(batch)
        handle.send(batch)
    return seen


def test_the_higher_priority_sees_a_packet_first():
    sink = Sink()
    host = fd.Replay(numbered(5), sink=sink)
    with replay(host, priority=-5) as low, replay(host, priority=5) as high:
        with pytest.raises(TimeoutError):
            low.recv(timeout=0)
        assert pump(high) == pump(low) == list(range(5))
    assert sink.numbers == list(range(5))


def test_at_one_priority_the_first_that_was_opened_comes_first():
    host = fd.Replay(numbered(5))
    with replay(host) as first, replay(host) as second:
        batch = first.recv()
        assert len(batch) == 5
        with pytest.raises(TimeoutError):
            second.recv(timeout=0)


def test_three_handles_see_each_packet_once():
    sink = Sink()
    host = fd.Replay(numbered(200), sink=sink)
    with (
        replay(host, priority=1) as second,
        replay(host, priority=9) as first,
        replay(host, priority=-9) as third,
    ):
        seen = [pump(handle) for handle in (first, second, third)]
    assert seen == [list(range(200))] * 3
    assert sink.numbers == list(range(200))


def test_what_a_higher_handle_drops_a_lower_one_never_sees():
    sink = Sink()
    host = fd.Replay(numbered(6), sink=sink)
    with replay(host, priority=1) as high, replay(host) as low:
        pump(high, lambda batch: batch.drop(batch["tcp.DstPort"] == 80))
        assert pump(low) == [1, 3, 5]
    assert sink.numbers == [1, 3, 5]


def test_edits_are_seen_downstream():
    sink = Sink()
    host = fd.Replay(numbered(6), sink=sink)
    with (
        replay(host, priority=1) as high,
        replay(host, "tcp.DstPort == 8080 and ip.TTL == 9") as low,
    ):
        pump(high, lambda batch: batch.set("tcp.DstPort", 8080) or batch.set("ip.TTL", 9))
        assert pump(low, lambda batch: batch.set("ip.TTL", 5)) == list(range(6))
    assert sink.batches[0]["ip.TTL"].tolist() == [5] * 6


def test_a_sent_packet_is_an_impostor_below():
    host = fd.Replay(numbered(4))
    with replay(host, "tcp.DstPort == 80", priority=1) as high, replay(host) as low:
        pump(high)
        marks = {
            packet["tcp.Payload32[0]"]: packet["impostor"] for batch in low for packet in batch
        }
    assert marks == {0: True, 1: False, 2: True, 3: False}


def test_a_sniffer_sees_all_and_keeps_none():
    sink = Sink()
    host = fd.Replay(numbered(6), sink=sink)
    with (
        replay(host, priority=1, flags=fd.Flag.SNIFF | fd.Flag.RECV_ONLY) as sniffer,
        replay(host) as diverter,
    ):
        sniffed = [(numbers(batch), batch.headers["flags"].tolist()) for batch in sniffer]
        assert pump(diverter) == list(range(6))
    assert sniffed[0][0] == list(range(6))
    assert all(flags & fd.HeaderFlag.SNIFFED for flags in sniffed[0][1])
    assert sink.numbers == list(range(6))


def test_what_was_sniffed_above_is_not_sniffed_below():
    host = fd.Replay(numbered(3))
    with (
        replay(host, priority=1, flags=fd.Flag.SNIFF) as sniffer,
        replay(host) as diverter,
    ):
        list(sniffer)
        assert not (diverter.recv().headers["flags"] & fd.HeaderFlag.SNIFFED).any()


def test_sniffed_packets_that_are_edited_change_nothing():
    sink = Sink()
    with replay(numbered(3), flags=fd.Flag.SNIFF, sink=sink) as sniffer:
        for batch in sniffer:
            batch["ip.TTL"] = 1
            batch.drop()
    assert sink.batches[0]["ip.TTL"].tolist() == [64] * 3


def test_a_drop_handle_drops_and_counts():
    sink = Sink()
    host = fd.Replay(numbered(6), sink=sink)
    with (
        replay(host, "tcp.DstPort == 80", priority=1, flags=fd.Flag.DROP) as dropper,
        replay(host) as low,
    ):
        assert pump(low) == [1, 3, 5]
        with pytest.raises(fd.ShutdownError):
            dropper.recv()
        stats = dropper.stats()
        assert (stats["matched"], stats["dropped"]["flag"], stats["delivered"]) == (3, 3, 0)
        assert_balanced(stats)
    assert sink.numbers == [1, 3, 5]


def test_what_a_lower_handle_sends_a_higher_one_does_not_see():
    host = fd.Replay(numbered(1))
    with replay(host, priority=1) as high, replay(host) as low:
        pump(high)
        low.send(tcp(1, 2, b"made"))
        pump(low)
        with pytest.raises(fd.ShutdownError):
            high.recv()


def test_what_a_higher_handle_makes_a_lower_one_sees():
    host = fd.Replay([])
    with replay(host, priority=1) as high, replay(host) as low:
        high.send(tcp(1, 2, b"made"))
        batch = low.recv()
        assert bytes(batch[0]) == tcp(1, 2, b"made")
        assert batch["impostor"].tolist() == [True]


def test_a_lower_handle_waits_for_what_a_higher_one_holds():
    host = fd.Replay(numbered(3))
    with replay(host, priority=1) as high, replay(host) as low:
        batch = high.recv()
        with pytest.raises(TimeoutError):
            low.recv(timeout=0.02)
        threading.Timer(0.05, high.send, (batch,)).start()
        assert numbers(low.recv(timeout=5)) == [0, 1, 2]


def test_a_lower_handle_does_not_wait_for_what_is_released():
    host = fd.Replay(numbered(3))
    with replay(host, priority=1) as high, replay(host) as low:
        batch = high.recv()
        threading.Timer(0.05, batch.release).start()
        with pytest.raises(fd.ShutdownError):
            low.recv(timeout=5)


def test_a_lower_handle_waits_for_what_is_held_across_a_growing_queue():
    host = fd.Replay(numbered(3))
    with replay(host, priority=1, queue_length=32) as high, replay(host) as low:
        batch = high.recv()
        high.set_param(fd.Param.QUEUE_LENGTH, 64)
        with pytest.raises(fd.ShutdownError):
            high.recv(timeout=0)
        with pytest.raises(TimeoutError):
            low.recv(timeout=0.05)
        high.send(batch)
        assert numbers(low.recv(timeout=5)) == [0, 1, 2]


def test_the_queue_of_a_closing_handle_goes_to_the_next():
    sink = Sink()
    host = fd.Replay(numbered(6), sink=sink)
    with replay(host) as low:
        with replay(host, priority=1) as high:
            high.recv(2).release()
            with pytest.raises(TimeoutError):
                low.recv(timeout=0)
        assert pump(low) == [2, 3, 4, 5]
    assert sink.numbers == [2, 3, 4, 5]


def test_a_handle_that_comes_late_sees_what_comes_after():
    host = fd.Replay([numbered(3), numbered(3, first=3)])
    with replay(host) as first:
        first.send(first.recv())
        with replay(host, priority=-1) as second:
            first.send(first.recv())
            assert pump(second) == [3, 4, 5]


def test_a_replay_that_is_over_cannot_be_joined():
    host = fd.Replay(numbered(3))
    replay(host).close()
    with pytest.raises(ValueError, match="over"):
        replay(host)


def test_full_queues_below_hold_those_above_back_but_lose_nothing():
    sink = Sink()
    host = fd.Replay(numbered(1000), sink=sink)
    with (
        replay(host, priority=1, queue_length=32) as high,
        replay(host, queue_length=32) as low,
    ):
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.extend(pump(low)))
        thread.start()
        assert pump(high) == list(range(1000))
        thread.join(10)
        assert not thread.is_alive()
        assert seen == list(range(1000))
        assert_balanced(high.stats())
        assert_balanced(low.stats())
    assert sink.numbers == list(range(1000))
