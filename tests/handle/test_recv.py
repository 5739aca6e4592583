"""Receiving: how many, how long, and what ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import fastdivert as fd
from tests.handle.replaying import replay
from tests.traffic import Sink, numbered, numbers, stamped


@pytest.mark.parametrize(("most", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (99, [5])])
def test_a_batch_has_at_most_what_was_asked_for(most, sizes):
    with replay(numbered(5)) as handle:
        assert [len(handle.recv(most)) for _ in sizes] == sizes


def test_max_batch_is_the_default():
    with replay(numbered(5)) as handle:
        handle.max_batch = 2
        assert [len(batch) for batch in handle] == [2, 2, 1]


@pytest.mark.parametrize("most", [0, -1, -(1 << 40)])
def test_less_than_one_packet_is_refused(most):
    with replay(numbered(5)) as handle, pytest.raises(ValueError, match="at least 1"):
        handle.recv(most)


@pytest.mark.parametrize("most", [1.5, "3"])
def test_a_number_of_packets_is_whole(most):
    with replay(numbered(5)) as handle, pytest.raises(TypeError):
        handle.recv(most)


def test_a_huge_number_of_packets_is_just_all():
    with replay(numbered(5)) as handle:
        assert len(handle.recv(1 << 40)) == 5


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan")])
def test_a_negative_timeout_is_refused(timeout):
    with replay(numbered(5)) as handle, pytest.raises(ValueError, match="timeout"):
        handle.recv(timeout=timeout)


@pytest.mark.parametrize("timeout", [0, 0.0, 0.05])
def test_nothing_in_time_is_a_timeout(timeout):
    with replay(stamped(2, 10**12), pace=True) as handle:
        handle.recv(timeout=1)
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            handle.recv(timeout=timeout)
        assert timeout <= time.monotonic() - start < timeout + 0.5


@pytest.mark.parametrize("timeout", [1e9, float("inf"), 1e300])
def test_a_timeout_may_be_as_long_as_one_likes(timeout):
    with replay(numbered(5)) as handle:
        assert len(handle.recv(timeout=timeout)) == 5


@pytest.mark.parametrize("timeout", [1e9, float("inf"), 1e300])
def test_a_long_timeout_waits(timeout):
    with replay(stamped(2, 10**12), pace=True) as handle:
        handle.recv()
        threading.Timer(0.1, handle.close).start()
        with pytest.raises(fd.HandleClosedError):
            handle.recv(timeout=timeout)


def test_a_timeout_of_zero_takes_what_is_there():
    with replay(numbered(5)) as handle:
        assert len(handle.recv(timeout=0)) == 5


def test_the_end_of_the_capture_is_a_shutdown():
    with replay(numbered(5)) as handle:
        handle.recv()
        for _ in range(2):
            with pytest.raises(fd.ShutdownError, match="capture has ended"):
                handle.recv()


def test_an_empty_capture_ends_at_once():
    for source in (numbered(0), [], iter(())):
        with replay(source) as handle:
            assert list(handle) == []


def test_a_capture_in_which_nothing_matches_ends_too():
    sink = Sink()
    with replay(numbered(5), "udp", sink=sink) as handle:
        assert list(handle) == []
    assert sink.numbers == list(range(5))


def test_a_send_only_handle_receives_nothing():
    with (
        replay(numbered(5), flags=fd.Flag.SEND_ONLY) as handle,
        pytest.raises(fd.HandleError, match="SEND_ONLY"),
    ):
        handle.recv()


def test_received_packets_look_as_they_were_captured():
    source = numbered(3)
    source["timestamp"] = [5, 6, 7]
    source["ifIdx"] = [1, 2, 3]
    source["outbound"] = [True, False, True]
    with replay(source) as handle:
        batch = handle.recv()
        assert numbers(batch) == [0, 1, 2]
        assert batch["timestamp"].tolist() == [5, 6, 7]
        assert batch["ifIdx"].tolist() == [1, 2, 3]
        assert batch["outbound"].tolist() == [True, False, True]
        assert batch.headers["sequence"].tolist() == [0, 1, 2]


def test_the_source_batch_stays_as_it_was():
    source = numbered(3)
    before = source.headers.tobytes(), [bytes(packet) for packet in source]
    with replay(source) as handle:
        for batch in handle:
            batch["ip.TTL"] = 1
            handle.send(batch)

    assert (source.headers.tobytes(), [bytes(packet) for packet in source]) == before


def test_one_batch_can_be_replayed_twice():
    source = numbered(3)
    for _ in range(2):
        with replay(source) as handle:
            assert numbers(handle) == [0, 1, 2]


def test_one_batch_can_come_twice_in_a_source():
    source, sink = numbered(3), Sink()
    with replay([source, source, source], "tcp.DstPort == 443", sink=sink) as handle:
        for batch in handle:
            handle.send(batch)

    assert sink.numbers == [0, 1, 2] * 3


def test_headers_of_the_source_that_lie_harm_no_ring():
    source = numbered(3)
    source.headers["event"] = 200
    source.headers["link"] = 99
    source.headers["captured"] = 1 << 31
    source.headers["offset"] = 77
    source.headers["l2_length"] = 255
    with replay(source) as handle:
        assert numbers(handle.recv()) == [0, 1, 2]


def test_verdicts_of_the_source_are_not_those_of_the_batch():
    source = numbered(3)
    source.drop()
    with replay(source) as handle:
        assert handle.recv().verdicts.tolist() == [0, 0, 0]


def test_a_malformed_packet_never_matches_and_goes_on():
    sink = Sink()
    with replay(fd.Batch.from_packets([b"garbage", b""]), sink=sink) as handle:
        assert list(handle) == []
        assert handle.stats()["malformed"] == 2
    assert sum(len(batch) for batch in sink.batches) == 2


_INTERRUPTED = """
import sys, fastdivert as fd, numpy as np
source = fd.Batch.from_packets([b"\\x45\\0\\0\\x14" + bytes(16)] * 2)
source["timestamp"] = np.array([0, 10**15])
with fd.open("true", driver="replay", source=source, pace=True) as handle:
    handle.recv()
    print("waiting", flush=True)
    try:
        handle.recv()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(3)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill is no Ctrl-C on Windows")
def test_ctrl_c_ends_a_waiting_recv():
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.1)
        start = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(5) == 3
        assert time.monotonic() - start < 1
        assert process.stdout.read() == "interrupted\n"
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def test_iteration_holds_no_slots_between_batches():
    with replay(numbered(64), queue_length=32) as handle:
        held = []
        for batch in handle:
            handle.send(batch)
            del batch
            held.append(handle.stats()["held"])
    assert held == [0, 0]


def test_an_array_that_is_kept_is_never_overwritten():
    kept = []
    with replay([numbered(50, first=start) for start in range(0, 500, 50)]) as handle:
        for batch in handle:
            kept.append((batch.headers, [packet.raw for packet in batch], numbers(batch)))
            handle.send(batch)
    del handle, batch

    for headers, raws, expected in kept:
        found = [int.from_bytes(raw[40:44].tobytes(), "big") for raw in raws]
        assert found == expected == headers["sequence"].tolist()


def test_a_queue_that_views_hold_full_says_so():
    with replay(numbered(100), queue_length=32, queue_time=100) as handle:
        kept = [handle.recv().headers, handle.recv().headers]
        assert handle.stats()["held"] == 64
        with pytest.raises(fd.HandleError, match=r"64 packets are held .*copy\(\)"):
            handle.recv()
        assert kept[0]["sequence"].tolist() == list(range(32))
        del kept
        assert numbers(handle.recv()) == list(range(64, 96))


def test_a_batch_that_is_held_leaves_room_for_the_next():
    with replay(numbered(100), queue_length=32, queue_time=100) as handle:
        seen = [numbers(batch) for batch in handle]
    assert seen == [list(range(at, min(at + 32, 100))) for at in range(0, 100, 32)]


def test_slots_let_go_by_another_thread_wake_a_receiver():
    with replay(numbered(100), queue_length=32) as handle:
        kept = [handle.recv(), handle.recv()]
        threading.Timer(0.1, kept.clear).start()
        assert numbers(handle.recv()) == list(range(64, 96))


def test_every_packet_of_many_small_sources_comes_once():
    def source():
        first = 0
        for size in np.random.default_rng(3).integers(0, 70, 60).tolist():
            yield numbered(size, first=first)
            first += size

    with replay(source(), queue_length=64) as handle:
        seen = []
        for batch in handle:
            seen += numbers(batch)
    assert seen == list(range(len(seen)))
    assert len(seen) > 1000
