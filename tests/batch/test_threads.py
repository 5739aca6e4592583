"""Several threads on one batch: right results, no crash, and the GIL is free meanwhile."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import fastdivert as fd
from tests.handle.test_threads import run_together
from tests.traffic import numbered, tcp

ROUNDS = 60


def test_readers_and_a_writer_see_old_or_new_values_and_nothing_else():
    batch = numbered(500)

    def write() -> None:
        for turn in range(ROUNDS):
            batch["tcp.DstPort"] = 1000 + turn % 2

    def read() -> None:
        for _ in range(ROUNDS):
            ports = np.unique(batch["tcp.DstPort"])
            assert set(ports.tolist()) <= {80, 443} or len(ports) == 1

    def match() -> None:
        for _ in range(ROUNDS):
            found = batch.match("tcp.DstPort >= 1000").sum()
            assert found in (0, 500)

    run_together(write, read, match, read)


def test_checksums_stay_right_while_many_threads_write():
    batch = numbered(500)
    batch.checksums()

    def write(name: str):
        def run() -> None:
            for turn in range(ROUNDS):
                batch[name] = turn

        return run

    run_together(write("ip.TTL"), write("tcp.Window"), write("ip.SrcAddr"), write("tcp.SeqNum"))
    sums = batch.checksums("verify")

    assert sums["ip_right"].all()
    assert sums["l4_right"].all()
    assert (batch["tcp.Window"] == ROUNDS - 1).all()


def test_selections_of_one_batch_in_many_threads_count_together():
    batch = fd.Batch.from_packets([tcp(ttl=255) for _ in range(100)])
    batch.checksums()
    selections = [batch[at::2] for at in range(2)] + [batch[:], batch[::-1]]

    def count_down(selection: fd.Batch):
        def run() -> None:
            for _ in range(50):
                assert selection.decrement_ttl().all()

        return run

    run_together(*[count_down(selection) for selection in selections])

    assert batch["ip.TTL"].tolist() == [255 - 150] * 100
    assert batch.checksums("verify")["ip_right"].all()


def test_payloads_replaced_in_many_threads_are_all_there():
    batch = numbered(80)

    def replace(begin: int):
        def run() -> None:
            for turn in range(20):
                for row in range(begin, begin + 20):
                    batch.replace_payload(row, bytes([row]) * (turn + row))

        return run

    run_together(*[replace(begin) for begin in range(0, 80, 20)], lambda: batch.copy().parse())

    for row in range(80):
        assert batch.payload(row).tobytes() == bytes([row]) * (19 + row)


@pytest.mark.parametrize("attempt", range(20))
def test_releasing_in_one_thread_ends_the_others_with_an_error(attempt):
    batch = numbered(300)
    view = batch.payload(5)

    def use() -> None:
        try:
            while True:
                batch.match("tcp.DstPort == 80")
                batch["ip.TTL"] = 3
                batch.copy()
        except fd.ReleasedError:
            return

    run_together(use, use, batch.release, batch.release)

    assert view.tobytes() == (5).to_bytes(4, "big")


def test_python_runs_while_a_large_batch_is_matched():
    batch = fd.Batch.from_packets([tcp(1, 80, bytes(60))] * 200_000)
    text = " or ".join(f"tcp.Payload[{at}] == 7" for at in range(40))
    batch.match(text)
    turns = 0
    done = threading.Event()

    def spin() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            time.sleep(0)

    spinner = threading.Thread(target=spin, daemon=True)
    spinner.start()
    while turns < 10:
        time.sleep(0.001)
    before, start = turns, time.perf_counter()
    out = np.empty(len(batch), np.bool_)
    program = fd.compile(text, fd.Layer.NETWORK).core_program
    packets = batch._packets
    before, start = turns, time.perf_counter()
    packets.match(program, out)
    during, seconds = turns - before, time.perf_counter() - start
    done.set()
    spinner.join(5)

    # One call into the extension: with the GIL held, no turn but a switch at its ends.
    assert during > 5, f"{during} turns in {seconds:.3f} s"
