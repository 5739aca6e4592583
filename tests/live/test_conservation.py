# SPDX-License-Identifier: MIT
"""Sent = delivered + dropped by cause, exactly, whatever a handle cannot keep up with."""

from __future__ import annotations

import itertools
import socket
import sys
import threading
import time

import pytest

import fastdivert as fd
from tests.live.namespaces import Namespace
from tests.live.traffic import open_socket, received_numbers, receiver, send_numbers

HOST = "10.1.0.2"
Pair = tuple[Namespace, Namespace]


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
@pytest.mark.parametrize(
    ("cause", "stall", "options"),
    [
        ("queue_length", 0.02, {"queue_length": 256, "queue_size": 64 << 20}),
        ("queue_size", 0.02, {"queue_length": 65536, "queue_size": 65536}),
        ("queue_time", 0.3, {"queue_length": 65536, "queue_size": 64 << 20, "queue_time": 100}),
    ],
)
def test_under_overload_every_packet_has_a_fate(
    pair: Pair, side: int, cause: str, stall: float, options: dict[str, int]
) -> None:
    """Every fifth is dropped by verdict, and one batch in some is slow."""
    left, right = pair
    count = 30_000
    with pair[side].entered():
        handle = fd.open("udp.DstPort == 5001", **options)
    seen: list[int] = []

    def serve() -> None:
        for number, batch in enumerate(handle):
            numbers = batch["udp.Payload32[0]"]
            seen.extend(numbers.tolist())
            batch.drop(numbers % 5 == 0)
            if number % 4 == 0:
                time.sleep(stall)
            handle.send(batch)

    with receiver(right, HOST) as sink, handle:
        server = threading.Thread(target=serve)
        server.start()
        send_numbers(left, HOST, count, size=150)
        time.sleep(0.5 + stall)
        handle.shutdown(fd.Shutdown.RECV)
        server.join(60)
        stats = handle.stats()
        delivered = received_numbers(sink)
    dropped = stats["dropped"]
    assert dropped[cause] > 0
    assert {name for name, number in dropped.items() if number} == {cause}
    assert stats["matched"] == count
    assert stats["waiting"] == stats["send_errors"] == 0
    assert stats["delivered"] == len(seen) == len(set(seen))
    assert stats["verdict_dropped"] == sum(number % 5 == 0 for number in seen)
    assert sorted(delivered) == sorted(number for number in seen if number % 5)
    assert count == len(delivered) + stats["verdict_dropped"] + dropped[cause]


TAGGER = """
import sys
import fastdivert as fd
digit = int(sys.argv[2])
with fd.open("udp.DstPort == 5001", priority=int(sys.argv[1])) as handle:
    print("ready", flush=True)
    for batch in handle:
        batch["udp.Payload[4]"] = batch["udp.Payload[4]"] * 10 + digit
        handle.send(batch)
"""


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
@pytest.mark.parametrize("order", list(itertools.permutations((0, 1, 2)))[1::2])
def test_processes_take_turns_by_priority_whichever_came_first(
    pair: Pair, side: int, order: tuple[int, ...]
) -> None:
    """Each writes its digit behind those before it: 123 is each once, highest first."""
    left, right = pair
    priorities = (100, 0, -100)
    processes = []
    try:
        for place in order:
            process = pair[side].start(
                sys.executable, "-c", TAGGER, str(priorities[place]), str(place + 1)
            )
            processes.append(process)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
        with receiver(right, HOST) as sink, open_socket(left, socket.SOCK_DGRAM, HOST) as source:
            for _ in range(200):
                source.sendto(bytes(8), (HOST, 5001))
            assert [sink.recv(100)[4] for _ in range(200)] == [123] * 200
    finally:
        for process in processes:
            process.kill()
            process.communicate()
