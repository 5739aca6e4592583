"""Several threads on one handle: nothing is lost, nothing comes twice."""

from __future__ import annotations

import threading
import time

import pytest

import fastdivert as fd
from tests.handle.replaying import assert_balanced, replay
from tests.traffic import Sink, numbered, numbers, tcp


def run_together(*functions) -> None:
    """Runs each in a thread of its own; raises what any of them raised."""
    raised: list[BaseException] = []

    def guarded(function) -> None:
        try:
            function()
        except BaseException as error:
            raised.append(error)

    threads = [
        threading.Thread(target=guarded, args=(function,), daemon=True) for function in functions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a thread hangs"
    if raised:
        raise raised.pop()


@pytest.mark.parametrize("count", [2, 5])
def test_threads_share_the_packets_of_a_handle(count):
    sink = Sink()
    seen: list[int] = []

    def pump() -> None:
        for batch in handle:
            mine = numbers(batch)
            batch["ip.TTL"] = 7
            handle.send(batch)
            seen.extend(mine)
            del batch

    source = [numbered(100, first=first) for first in range(0, 6000, 100)]
    with replay(source, sink=sink, queue_length=256) as handle:
        handle.max_batch = 17
        run_together(*[pump] * count)
        stats = handle.stats()
    assert_balanced(stats)
    assert sorted(seen) == list(range(6000))
    assert sorted(sink.numbers) == list(range(6000))
    assert all((batch["ip.TTL"] == 7).all() for batch in sink.batches)


def test_one_receives_and_another_sends():
    sink, ready = Sink(), []
    done = threading.Event()

    def receive() -> None:
        for batch in handle:
            ready.append(batch)
            del batch
        done.set()

    def send() -> None:
        while not done.is_set() or ready:
            if ready:
                handle.send(ready.pop(0))

    with replay(numbered(3000), sink=sink, queue_length=64) as handle:
        run_together(receive, send)
    assert sink.numbers == list(range(3000))


@pytest.mark.parametrize("attempt", range(20))
def test_one_batch_sent_by_many_threads_leaves_once(attempt):
    sink, refused, start = Sink(), [], threading.Barrier(4)
    with replay(numbered(50), sink=sink) as handle:
        batch = handle.recv()

        def send() -> None:
            start.wait()
            try:
                handle.send(batch)
            except fd.ReleasedError as error:
                refused.append(str(error))

        run_together(*[send] * 4)
        assert handle.stats()["sent"] == 50
    assert len(refused) == 3
    assert sink.numbers == list(range(50))


def test_two_handles_in_two_threads():
    sink = Sink()
    host = fd.Replay(numbered(3000), sink=sink)

    def pump(handle: fd.Handle) -> None:
        for batch in handle:
            handle.send(batch)

    with (
        replay(host, priority=1, queue_length=64) as high,
        replay(host, queue_length=64) as low,
    ):
        run_together(lambda: pump(high), lambda: pump(low))
    assert sink.numbers == list(range(3000))


@pytest.mark.parametrize("delay", [0, 0.001, 0.002, 0.005, 0.01])
def test_closing_while_others_work_ends_them_all(delay):
    sink, ended = Sink(), []
    handle = replay(numbered(20000), sink=sink, queue_length=64)

    def pump() -> None:
        try:
            while True:
                handle.send(handle.recv(9))
        except (fd.HandleClosedError, fd.ShutdownError) as error:
            ended.append(type(error))

    def close() -> None:
        time.sleep(delay)
        handle.close()

    run_together(pump, pump, pump, close)
    assert len(ended) == 3
    assert sink.closed == 1
    assert_balanced(handle.stats())
    assert len(sink.numbers) == len(set(sink.numbers))


def test_everything_at_once_is_survived():
    sink = Sink()
    with replay(numbered(4000), sink=sink, queue_length=128) as handle:
        done = threading.Event()

        def pump() -> None:
            for batch in handle:
                handle.send(batch)
                del batch
            done.set()

        def ask() -> None:
            while not done.is_set():
                assert_balanced(handle.stats())
                handle.get_param(fd.Param.QUEUE_LENGTH)

        def change() -> None:
            turn = 0
            while not done.is_set():
                handle.set_param(fd.Param.QUEUE_LENGTH, (64, 256, 128)[turn % 3])
                turn += 1
                time.sleep(0.001)

        def make() -> None:
            for _ in range(50):
                handle.send([tcp(1, 2, b"\xff\xff\xff\xff")] * 3)

        run_together(pump, ask, change, make)
    assert sorted(sink.numbers) == [*range(4000), *[0xFFFFFFFF] * 150]
