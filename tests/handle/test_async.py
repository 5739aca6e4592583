"""recv_async and async for: waiting in the event loop, in no thread."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import fastdivert as fd
from tests.handle.replaying import replay
from tests.traffic import Sink, numbered, numbers, stamped


def test_recv_async_gives_what_recv_gives():
    async def receive(handle: fd.Handle) -> list[int]:
        return numbers(await handle.recv_async(3)) + numbers(await handle.recv_async())

    with replay(numbered(5)) as handle:
        assert asyncio.run(receive(handle)) == list(range(5))


def test_async_iteration_ends_with_the_capture():
    sink = Sink()

    async def pump(handle: fd.Handle) -> list[int]:
        seen = []
        async for batch in handle:
            seen += numbers(batch)
            handle.send(batch)
            del batch
        return seen

    with replay(numbered(500), queue_length=32, sink=sink) as handle:
        assert asyncio.run(pump(handle)) == list(range(500))
    assert sink.numbers == list(range(500))


def test_other_tasks_run_while_one_waits():
    async def both(handle: fd.Handle) -> tuple[int, list[int]]:
        turns = 0

        async def spin() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.005)
                turns += 1

        spinning = asyncio.create_task(spin())
        seen = []
        async for batch in handle:
            seen += numbers(batch)
        spinning.cancel()
        return turns, seen

    with replay(stamped(5, 40_000_000), pace=True) as handle:
        turns, seen = asyncio.run(both(handle))
    assert seen == list(range(5))
    assert turns > 10


def test_no_thread_is_started():
    async def count(handle: fd.Handle) -> int:
        waiting = asyncio.create_task(handle.recv_async())
        await asyncio.sleep(0.02)
        threads = threading.active_count()
        handle.close()
        with pytest.raises(fd.HandleClosedError):
            await waiting
        return threads

    with replay(stamped(2, 10**15), pace=True) as handle:
        handle.recv()
        before = threading.active_count()
        assert asyncio.run(count(handle)) == before


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_nothing_in_time_is_a_timeout(timeout):
    with replay(stamped(2, 10**15), pace=True) as handle:
        handle.recv()
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            asyncio.run(handle.recv_async(timeout=timeout))
        assert timeout <= time.monotonic() - start < timeout + 0.5


@pytest.mark.parametrize(("most", "timeout"), [(0, None), (-1, None), (1, -1), (1, float("nan"))])
def test_wrong_arguments_are_refused(most, timeout):
    with replay(numbered(2)) as handle, pytest.raises(ValueError):
        asyncio.run(handle.recv_async(most, timeout))


def test_a_send_only_handle_receives_nothing():
    with replay([], flags=fd.Flag.SEND_ONLY) as handle, pytest.raises(fd.HandleError):
        asyncio.run(handle.recv_async())


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (lambda handle: handle.close(), fd.HandleClosedError),
        (lambda handle: handle.shutdown(), fd.ShutdownError),
    ],
)
@pytest.mark.parametrize("where", ["task", "thread"])
def test_a_task_that_waits_is_woken(end, error, where):
    async def wait(handle: fd.Handle) -> float:
        waiting = [asyncio.create_task(handle.recv_async()) for _ in range(3)]
        await asyncio.sleep(0.02)
        start = time.monotonic()
        thread = threading.Thread(target=end, args=(handle,))
        if where == "task":
            end(handle)
        else:
            thread.start()
        for task in waiting:
            with pytest.raises(error):
                await task
        took = time.monotonic() - start
        if where == "thread":
            thread.join(5)
        return took

    with replay(stamped(2, 10**15), pace=True) as handle:
        handle.recv()
        assert asyncio.run(wait(handle)) < 1


def test_a_task_that_is_cancelled_loses_no_packets():
    async def wait(handle: fd.Handle) -> list[int]:
        waiting = asyncio.create_task(handle.recv_async())
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return numbers(await handle.recv_async())

    with replay(stamped(2, 60_000_000), pace=True) as handle:
        handle.recv()
        assert asyncio.run(wait(handle)) == [1]


def test_a_receiver_below_wakes_when_one_above_sends():
    async def wait(high: fd.Handle, low: fd.Handle) -> list[int]:
        batch = high.recv()
        waiting = asyncio.create_task(low.recv_async(timeout=5))
        await asyncio.sleep(0.02)
        high.send(batch)
        return numbers(await waiting)

    host = fd.Replay(numbered(3))
    with replay(host, priority=1) as high, replay(host) as low:
        assert asyncio.run(wait(high, low)) == [0, 1, 2]


def test_closing_the_event_loop_while_a_task_waits_breaks_nothing():
    handle = replay(stamped(2, 10**15), pace=True)
    handle.recv()
    loop = asyncio.new_event_loop()
    task = loop.create_task(handle.recv_async())
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    handle.close()
    with pytest.raises(fd.HandleClosedError):
        handle.recv()
    task._log_destroy_pending = False  # it was left pending on purpose


def test_a_queue_that_views_hold_full_says_so():
    async def wait(handle: fd.Handle) -> None:
        await handle.recv_async()

    with replay(numbered(100), queue_length=32, queue_time=100) as handle:
        kept = [handle.recv(), handle.recv()]
        with pytest.raises(fd.HandleError, match="held"):
            asyncio.run(asyncio.wait_for(wait(handle), 5))
        assert [len(batch) for batch in kept] == [32, 32]
