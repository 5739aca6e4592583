# SPDX-License-Identifier: MIT
"""Packets of several CPUs' queues come, and go back, in the order in which the host had them."""

from __future__ import annotations

import os
import sys
import threading
import time

import numpy as np
import pytest

import fastdivert as fd
from tests.live.namespaces import Namespace
from tests.live.traffic import received_numbers, receiver

HOST = "10.1.0.2"

#: A sender that moves to another CPU every few packets.
WANDERER = """
import os, socket, struct, sys
cpus = sorted(os.sched_getaffinity(0))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
    made.connect((sys.argv[1], 5001))
    for number in range(int(sys.argv[2])):
        if number % 7 == 0:
            os.sched_setaffinity(0, {cpus[number // 7 % len(cpus)]})
        made.send(struct.pack("!I", number))
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU has one queue")
@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
@pytest.mark.parametrize("most", [5, 1024])
def test_a_sender_that_changes_cpus_is_received_in_order(
    pair: tuple[Namespace, Namespace], side: int, most: int
) -> None:
    count = 20_000
    with pair[side].entered():
        handle = fd.open("udp.DstPort == 5001", queue_length=65536, queue_size=64 << 20)
    seen: list[np.ndarray] = []

    def serve() -> None:
        handle.max_batch = most
        for batch in handle:
            seen.append(batch["udp.Payload32[0]"].copy())
            handle.send(batch)

    with handle, receiver(pair[1], HOST) as sink:
        thread = threading.Thread(target=serve)
        thread.start()
        sender = pair[0].start(sys.executable, "-c", WANDERER, HOST, str(count))
        _, complaint = sender.communicate(timeout=60)
        assert sender.returncode == 0, complaint
        time.sleep(0.3)
        handle.shutdown(fd.Shutdown.RECV)
        thread.join(30)
        stats = handle.stats()
        delivered = received_numbers(sink)
    assert sum(stats["dropped"].values()) == 0
    assert np.concatenate(seen).tolist() == list(range(count))
    assert delivered == list(range(count))
