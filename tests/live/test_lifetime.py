# SPDX-License-Identifier: MIT
"""A handle under traffic: several threads, forks, filters that change, and every way to end."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import signal
import struct
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

import fastdivert as fd
from tests.live.namespaces import Namespace, join
from tests.live.traffic import received_numbers, receiver, send_numbers

HOST = "10.1.0.2"
FILTER = "udp.DstPort == 5001"
ROOM = {"queue_length": 65536, "queue_size": 64 << 20}
Pair = tuple[Namespace, Namespace]


def opened(where: Namespace, text: str = FILTER, **options: object) -> fd.Handle:
    with where.entered():
        return fd.open(text, **{**ROOM, **options})


@contextlib.contextmanager
def serving(handle: fd.Handle, threads: int = 1) -> Iterator[list[collections.Counter[int]]]:
    """Threads that receive and send back, and count what each of them got."""
    counts = [collections.Counter[int]() for _ in range(threads)]

    def serve(count: collections.Counter[int]) -> None:
        for batch in handle:
            count.update(batch["udp.Payload32[0]"].tolist())
            # An interface may go before its packets are back; without faults that raises.
            handle.send(batch, faults=np.empty(len(batch), np.int32))

    workers = [threading.Thread(target=serve, args=(count,)) for count in counts]
    for worker in workers:
        worker.start()
    try:
        yield counts
    finally:
        handle.shutdown(fd.Shutdown.RECV)
        for worker in workers:
            worker.join(20)
            assert not worker.is_alive()


# ---- threads, forks --------------------------------------------------------------


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
def test_four_threads_share_a_handle(pair: Pair, side: int) -> None:
    left, right = pair
    with receiver(right, HOST) as sink:
        handle = opened(pair[side])
        handle.max_batch = 16
        with handle, serving(handle, threads=4) as counts:
            send_numbers(left, HOST, 20_000, size=120)
            delivered = received_numbers(sink)
    assert sorted(delivered) == list(range(20_000))
    together = sum(counts, collections.Counter[int]())
    assert together == collections.Counter(range(20_000))  # each by one thread, once


def test_receiving_and_sending_may_be_different_threads(pair: Pair) -> None:
    left, right = pair
    between: collections.deque[fd.Batch] = collections.deque()
    with receiver(right, HOST) as sink, opened(left) as handle:
        done = threading.Event()

        def give() -> None:
            while not done.is_set() or between:
                if between:
                    handle.send(between.popleft())
                else:
                    time.sleep(0.001)

        giver = threading.Thread(target=give)
        giver.start()
        taker = threading.Thread(target=lambda: between.extend(handle))
        taker.start()
        send_numbers(left, HOST, 5000)
        time.sleep(0.3)
        handle.shutdown(fd.Shutdown.RECV)
        taker.join(10)
        done.set()
        giver.join(10)
        assert received_numbers(sink) == list(range(5000))


FORKER = """
import os, sys
import fastdivert as fd
handle = fd.open("udp.DstPort == 5001")
child = os.fork()
if child == 0:
    for attempt in (lambda: handle.recv(timeout=0), lambda: handle.send([b""]), handle.shutdown):
        try:
            attempt()
        except fd.HandleError as error:
            assert "belongs to the process that opened it" in str(error)
        else:
            os._exit(3)
    handle.close()
    sys.exit(0)  # with all that Python does at its end
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("ready", flush=True)
for batch in handle:
    handle.send(batch)
"""


def test_a_forked_child_cannot_use_the_handle_and_its_end_does_not_harm_it(pair: Pair) -> None:
    left, right = pair
    process = left.start(sys.executable, "-W", "error", "-c", FORKER)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        with receiver(right, HOST) as sink:
            send_numbers(left, HOST, 500)
            assert received_numbers(sink) == list(range(500))
    finally:
        process.kill()
        process.communicate()


# ---- filters that change -----------------------------------------------------------


def swap(handle: fd.Handle, filters: tuple[str, ...], stop: threading.Event) -> int:
    swaps = 0
    while not stop.is_set():
        handle.filter = filters[swaps % len(filters)]
        swaps += 1
    return swaps


@contextlib.contextmanager
def swapping(handle: fd.Handle, *filters: str) -> Iterator[list[int]]:
    stop, swaps = threading.Event(), [0]

    def run() -> None:
        swaps[0] = swap(handle, filters, stop)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield swaps
    finally:
        stop.set()
        thread.join(10)


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
def test_swapping_between_filters_that_match_loses_and_doubles_nothing(
    pair: Pair, side: int
) -> None:
    left, right = pair
    with receiver(right, HOST) as sink, opened(pair[side]) as handle:
        with (
            serving(handle) as (count,),
            swapping(handle, "udp and udp.DstPort != 1", FILTER) as swaps,
        ):
            send_numbers(left, HOST, 20_000, pause=1e-5)
            delivered = received_numbers(sink)
        stats = handle.stats()
    assert swaps[0] > 5
    assert delivered == list(range(20_000))
    assert count == collections.Counter(range(20_000))  # each was seen, once
    assert sum(stats["dropped"].values()) == 0


def test_while_filters_change_each_packet_is_judged_by_one_of_them(pair: Pair) -> None:
    """Even numbers match one, odd the other: whatever is not taken passes, and none twice."""
    left, right = pair
    even, odd = (f"{FILTER} and udp.Payload[3] {op} 128" for op in ("<", ">="))
    with (
        receiver(right, HOST) as sink,
        opened(left, even) as handle,
        serving(handle) as (count,),
        swapping(handle, odd, even) as swaps,
    ):
        send_numbers(left, HOST, 20_000, pause=1e-5)
        delivered = received_numbers(sink)
    assert swaps[0] > 5
    assert sorted(delivered) == list(range(20_000))
    assert max(count.values()) == 1
    assert 0 < len(count) < 20_000


def test_a_swap_does_not_disturb_other_handles(pair: Pair) -> None:
    left, right = pair
    with receiver(right, HOST) as sink:
        high, low = opened(left, priority=10), opened(left, priority=-10)
        with (
            high,
            low,
            serving(high) as (first,),
            serving(low) as (second,),
            swapping(high, FILTER, "false"),
        ):
            send_numbers(left, HOST, 10_000, pause=1e-5)
            delivered = received_numbers(sink)
    assert sorted(delivered) == list(range(10_000))
    assert second == collections.Counter(range(10_000))
    assert all(number == 1 for number in first.values())


# ---- waiting, and its ends ----------------------------------------------------------


def test_shutdown_from_another_thread_ends_a_waiting_recv_at_once(pair: Pair) -> None:
    with opened(pair[0]) as handle:
        threading.Timer(0.2, handle.shutdown).start()
        begin = time.monotonic()
        with pytest.raises(fd.ShutdownError):
            handle.recv()
        assert time.monotonic() - begin < 1
        with pytest.raises(fd.ShutdownError):
            handle.send(b"\x45" + bytes(19))


def test_shutdown_for_receiving_still_hands_out_what_waits(pair: Pair) -> None:
    left, right = pair
    with receiver(right, HOST) as sink, opened(left) as handle:
        send_numbers(left, HOST, 300)
        handle.shutdown(fd.Shutdown.RECV)
        send_numbers(left, HOST, 10, first=1000)  # these pass
        got = 0
        for batch in handle:
            got += len(batch)
            handle.send(batch)
        assert got == 300
        assert sorted(received_numbers(sink)) == [*range(300), *range(1000, 1010)]


@pytest.mark.parametrize("threads", [1, 3])
def test_close_from_another_thread_ends_every_waiting_thread(pair: Pair, threads: int) -> None:
    handle = opened(pair[0])
    ends: list[type[BaseException]] = []

    def wait() -> None:
        try:
            handle.recv()
        except fd.FastDivertError as error:
            ends.append(type(error))

    waiting = [threading.Thread(target=wait) for _ in range(threads)]
    for thread in waiting:
        thread.start()
    time.sleep(0.2)
    begin = time.monotonic()
    handle.close()
    for thread in waiting:
        thread.join(5)
    assert time.monotonic() - begin < 1
    assert ends == [fd.HandleClosedError] * threads


def test_a_timeout_is_kept(pair: Pair) -> None:
    with opened(pair[0]) as handle:
        for timeout in (0.0, 0.05, 0.3):
            begin = time.monotonic()
            with pytest.raises(TimeoutError):
                handle.recv(timeout=timeout)
            assert timeout <= time.monotonic() - begin < timeout + 0.3


SPINNER = """
import sys
import fastdivert as fd
with fd.open("udp.DstPort == 5001", busy_poll=float(sys.argv[1])) as handle:
    print("ready", flush=True)
    try:
        handle.recv()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize("busy_poll", ["0", "60"])
def test_ctrl_c_ends_a_waiting_recv_at_once(pair: Pair, busy_poll: str) -> None:
    process = pair[0].start(sys.executable, "-c", SPINNER, busy_poll)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.monotonic() - begin < 1
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def test_busy_poll_receives_without_a_doorbell(pair: Pair) -> None:
    """A consumer that never sleeps is never woken: the bell costs the sender nothing."""
    left, right = pair
    with receiver(right, HOST) as sink, opened(left, busy_poll=5.0) as handle, serving(handle):
        send_numbers(left, HOST, 2000, pause=1e-5)
        assert received_numbers(sink) == list(range(2000))
        assert handle.stats()["doorbells"] <= 2  # before the first spin, perhaps


def test_async_iteration_keeps_up_with_traffic_and_ends_with_the_handle(pair: Pair) -> None:
    left, right = pair

    async def serve(handle: fd.Handle) -> int:
        got = 0
        async for batch in handle:
            got += len(batch)
            handle.send(batch)
        return got

    async def main() -> int:
        with opened(left) as handle:
            task = asyncio.create_task(serve(handle))
            await asyncio.to_thread(send_numbers, left, HOST, 5000, pause=1e-5)
            await asyncio.sleep(0.3)
            handle.shutdown(fd.Shutdown.RECV)
            return await asyncio.wait_for(task, 5)

    with receiver(right, HOST) as sink:
        assert asyncio.run(main()) == 5000
        assert received_numbers(sink) == list(range(5000))


def test_a_task_that_waits_can_be_cancelled_and_the_handle_goes_on(pair: Pair) -> None:
    left, right = pair

    async def main(handle: fd.Handle) -> bytes:
        for _ in range(3):
            task = asyncio.create_task(handle.recv_async())
            await asyncio.sleep(0.05)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        send_numbers(left, HOST, 1, first=7)
        batch = await asyncio.wait_for(handle.recv_async(), 5)
        return bytes(batch.payload(0)[:4])

    with receiver(right, HOST), opened(left) as handle:
        assert asyncio.run(main(handle)) == struct.pack("!I", 7)


# ---- processes and interfaces that go -------------------------------------------------


HOLDER = """
import fastdivert as fd
with fd.open("udp.DstPort == 5001") as handle:
    print("ready", flush=True)
    for batch in handle:
        handle.send(batch)
"""


def test_after_a_kill_in_the_middle_of_traffic_the_rest_arrives(pair: Pair) -> None:
    left, right = pair
    process = left.start(sys.executable, "-c", HOLDER)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        with receiver(right, HOST) as sink:
            killer = threading.Timer(0.3, process.kill)
            killer.start()
            send_numbers(left, HOST, 20_000, pause=3e-5)
            killer.join()
            delivered = received_numbers(sink)
    finally:
        process.kill()
        process.communicate()
    assert len(set(delivered)) == len(delivered)
    # One gap at the most: what the process had, and what came until it was taken apart.
    gaps = [after for before, after in itertools.pairwise(delivered) if after != before + 1]
    assert len(gaps) <= 1
    assert delivered[-1] == 19_999


def test_an_interface_that_goes_in_the_middle_costs_only_its_own_packets(pair: Pair) -> None:
    left, right = pair
    join(left, "other0", right, "other1", 8)
    with receiver(right, HOST) as sink, receiver(right, "10.8.0.2") as other:
        with opened(left) as handle:
            with serving(handle) as (count,):

                def send_other() -> None:
                    with contextlib.suppress(OSError):
                        send_numbers(left, "10.8.0.2", 1_000_000, first=1 << 20, pause=1e-4)

                gone = threading.Thread(target=send_other)
                gone.start()
                steady = threading.Thread(
                    target=send_numbers, args=(left, HOST, 5000), kwargs={"pause": 1e-4}
                )
                steady.start()
                time.sleep(0.3)
                left.ip("link", "del", "other0")
                gone.join(10)
                steady.join(10)
                assert not gone.is_alive()
                delivered, elsewhere = received_numbers(sink), received_numbers(other)
            stats = handle.stats()
        assert delivered == list(range(5000))
        assert all(count[number] == 1 for number in range(5000))
        assert 0 < len(elsewhere) == len(set(elsewhere))
        assert stats["matched"] == stats["delivered"] == stats["sent"] + stats["send_errors"]
        assert stats["sent"] >= 5000 + len(elsewhere)
        assert stats["interfaces"] == 2  # lo and wire0


def test_a_handle_outlives_its_interfaces(pair: Pair) -> None:
    left, _ = pair
    with opened(left) as handle:
        left.ip("link", "del", "wire0")
        time.sleep(0.2)
        assert handle.stats()["interfaces"] == 1
        with pytest.raises(TimeoutError):
            handle.recv(timeout=0.1)
