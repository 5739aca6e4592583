"""Queue parameters: limits, and what they bound."""

from __future__ import annotations

import time

import pytest

import fastdivert as fd
from tests.handle.replaying import assert_balanced, replay
from tests.traffic import Sink, numbered, numbers, stamped, tcp

LENGTH, TIME, SIZE = fd.Param.QUEUE_LENGTH, fd.Param.QUEUE_TIME, fd.Param.QUEUE_SIZE


@pytest.mark.parametrize(
    ("param", "value"),
    [
        (LENGTH, 4096),
        (TIME, 2000),
        (SIZE, 4194304),
        (fd.Param.VERSION_MAJOR, 2),
        (fd.Param.VERSION_MINOR, 2),
    ],
)
def test_the_defaults_are_windiverts(param, value):
    with replay(numbered(1)) as handle:
        assert handle.get_param(param) == value


@pytest.mark.parametrize(
    ("param", "value"), [(LENGTH, 32), (LENGTH, 16384), (TIME, 100), (TIME, 16000), (SIZE, 65535)]
)
def test_a_parameter_is_what_was_set(param, value):
    with replay(numbered(1)) as handle:
        handle.set_param(param, value)
        assert handle.get_param(param) == value


@pytest.mark.parametrize(
    ("param", "value"),
    [
        (LENGTH, 31),
        (LENGTH, -1),
        (LENGTH, 1 << 23),
        (TIME, 99),
        (TIME, 16001),
        (SIZE, 65534),
        (SIZE, 1 << 32),
        (fd.Param.VERSION_MAJOR, 3),
        (fd.Param.VERSION_MINOR, 3),
    ],
)
def test_a_parameter_out_of_range_is_refused_and_stays(param, value):
    with replay(numbered(1)) as handle:
        before = handle.get_param(param)
        with pytest.raises(ValueError, match=param.name):
            handle.set_param(param, value)
        assert handle.get_param(param) == before


@pytest.mark.parametrize("param", [5, -1, "QUEUE_LENGTH", None])
def test_a_parameter_that_does_not_exist_is_refused(param):
    with replay(numbered(1)) as handle:
        with pytest.raises(ValueError):
            handle.get_param(param)
        with pytest.raises(ValueError):
            handle.set_param(param, 100)


def test_parameters_can_be_given_by_number_as_in_windivert():
    with replay(numbered(1)) as handle:
        handle.set_param(0, 64)
        assert handle.get_param(0) == 64


@pytest.mark.parametrize("length", [32, 33, 50, 64, 100])
def test_no_more_than_queue_length_packets_wait(length):
    with replay(numbered(500), queue_length=length) as handle:
        handle.recv(1).release()
        stats = handle.stats()
        assert stats["waiting"] + stats["held"] == length - 1
        assert_balanced(stats)


def test_no_more_than_queue_size_bytes_wait():
    with replay(numbered(100, size=984), queue_size=65536) as handle:  # 1024 bytes each
        handle.recv(1).release()
        assert handle.stats()["waiting"] == 63


@pytest.mark.parametrize("size", [60000, 65000])
def test_a_packet_larger_than_a_small_queue_has_left_is_not_lost(size):
    with replay(numbered(5, size=size), queue_size=65535) as handle:
        assert numbers(handle) == list(range(5))


def test_a_packet_that_no_ring_can_hold_is_counted():
    sink = Sink()
    huge = tcp(1, 2, bytes(1000)).ljust(200_000, b"\0")
    source = fd.Batch.from_packets([tcp(1, 1), huge, tcp(3, 3)])
    with replay(source, queue_size=65536, sink=sink) as handle:
        ports = [port for batch in handle for port in batch["tcp.SrcPort"]]
        stats = handle.stats()
    assert ports == [1, 3]
    assert stats["dropped"]["oversize"] == 1
    assert stats["matched"] == 3
    assert_balanced(stats)


@pytest.mark.parametrize("grow", [{LENGTH: 4096}, {SIZE: 1 << 20}, {LENGTH: 64, SIZE: 131072}])
def test_a_queue_that_grows_while_full_loses_and_swaps_nothing(grow):
    with replay(numbered(2000), queue_length=32, queue_size=65536) as handle:
        first = handle.recv(5)
        for param, value in grow.items():
            handle.set_param(param, value)
        assert numbers(first) == list(range(5))
        first.release()
        assert numbers(handle) == list(range(5, 2000))
        assert_balanced(handle.stats())


def test_a_queue_that_grows_lets_more_in():
    with replay(numbered(2000), queue_length=32) as handle:
        kept = handle.recv()
        handle.set_param(LENGTH, 1024)
        assert numbers(handle.recv(2000)) == list(range(32, 1056))
        assert numbers(kept) == list(range(32))


def test_a_queue_that_shrinks_keeps_what_waits():
    with replay(numbered(200), queue_length=128) as handle:
        handle.recv(1).release()
        handle.set_param(LENGTH, 32)
        assert numbers(handle) == list(range(1, 200))


def test_growing_and_shrinking_again_and_again_loses_nothing():
    with replay(numbered(3000), queue_length=32) as handle:
        seen = []
        for turn in range(40):
            handle.set_param(LENGTH, (32, 256, 64, 1024)[turn % 4])
            seen += numbers(handle.recv(7))
        assert seen + numbers(handle) == list(range(3000))
        assert_balanced(handle.stats())


def test_a_paced_queue_overflows_and_says_by_which_cause():
    with replay(stamped(200, 1000), pace=True, queue_length=32, unmatched="discard") as handle:
        kept = handle.recv(timeout=1)
        time.sleep(0.05)
        with pytest.raises(fd.ShutdownError):
            while True:
                handle.recv(timeout=0)
        stats = handle.stats()
        assert len(kept) > 0
        assert stats["dropped"]["queue_length"] + stats["delivered"] == 200
        assert_balanced(stats)


def test_an_unpaced_queue_never_overflows():
    with replay(numbered(5000, size=200), queue_length=32, queue_size=65536) as handle:
        assert numbers(handle) == list(range(5000))
        assert sum(handle.stats()["dropped"].values()) == 0
