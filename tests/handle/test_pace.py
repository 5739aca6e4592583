"""A paced replay: packets come when the capture says, and do not wait for ever."""

from __future__ import annotations

import time

import pytest

import fastdivert as fd
from tests.handle.replaying import assert_balanced, replay
from tests.traffic import Sink, numbered, numbers, stamped


@pytest.mark.parametrize(("pace", "seconds"), [(True, 0.2), (1, 0.2), (2.0, 0.1), (0.5, 0.4)])
def test_packets_come_at_their_timestamps_times_the_factor(pace, seconds):
    with replay(stamped(5, 50_000_000), pace=pace) as handle:
        start = time.monotonic()
        assert numbers(handle) == list(range(5))
        assert seconds <= time.monotonic() - start < seconds + 0.5


def test_the_first_packet_comes_at_once_whatever_its_date():
    source = numbered(1)
    source["timestamp"] = 1_700_000_000 * 10**9
    with replay(source, pace=True) as handle:
        assert len(handle.recv(timeout=1)) == 1


def test_a_capture_whose_clock_goes_back_comes_to_its_end():
    source = numbered(4)
    source["timestamp"] = [10**9, 0, -(10**9), 10**9 + 1000]
    with replay(source, pace=True) as handle:
        assert numbers(handle) == [0, 1, 2, 3]


@pytest.mark.parametrize("stamps", [[-(1 << 63), 0, 1], [0, 1, (1 << 63) - 1]])
def test_timestamps_at_the_ends_of_their_range_do_not_break_the_clock(stamps):
    source = numbered(3)
    source["timestamp"] = stamps
    with replay(source, pace=True) as handle:
        assert numbers(handle.recv(timeout=1))[0] == 0
        with pytest.raises((TimeoutError, fd.ShutdownError)):
            while True:
                handle.recv(timeout=0.01)


def test_what_waits_longer_than_queue_time_is_lost_and_counted():
    with replay(stamped(40, 1_000_000), pace=1, queue_time=100) as handle:
        handle.recv(1, timeout=1)
        time.sleep(0.06)
        handle.recv(1, timeout=0)  # brings the rest into the queue
        time.sleep(0.2)
        with pytest.raises(fd.ShutdownError):
            handle.recv(timeout=0.5)
        stats = handle.stats()
        assert (stats["delivered"], stats["dropped"]["queue_time"]) == (2, 38)
        assert_balanced(stats)


def test_expired_packets_do_not_reach_the_sink():
    sink = Sink()
    with replay(stamped(10, 1000), pace=True, queue_time=100, sink=sink) as handle:
        got = handle.recv(3, timeout=1)
        time.sleep(0.01)
        got_too = handle.recv(1, timeout=1)
        seen = numbers([got, got_too])
        handle.send(got)
        handle.send(got_too)
        time.sleep(0.2)
        with pytest.raises(fd.ShutdownError):
            handle.recv(timeout=0)
    assert sink.numbers == seen


def test_queue_wait_says_how_long_packets_have_waited():
    with replay(stamped(3, 1), pace=True) as handle:
        handle.recv(1)
        time.sleep(0.05)
        handle.recv(1)
        assert 40_000_000 < handle.stats()["queue_wait_ns"] < 1_000_000_000


def test_packets_that_do_not_match_are_paced_too():
    sink = Sink()
    with replay(stamped(5, 40_000_000), "udp", pace=True, sink=sink) as handle:
        with pytest.raises(TimeoutError):
            handle.recv(timeout=0.05)
        assert 1 <= len(sink.numbers) + 1 <= 5
        start = time.monotonic()
        assert list(handle) == []
        assert time.monotonic() - start > 0.05
    assert sink.numbers == list(range(5))
