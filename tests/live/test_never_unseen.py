# SPDX-License-Identifier: MIT
"""What other diverters get wrong: packets that pass unseen, and handles that break.

Known of pydivert 4.0.1 on Linux, each with the test that it does not happen here:

* a full queue lets packets pass: ``test_a_full_queue_lets_nothing_pass``
* so does what is too long for a record: ``test_what_exceeds_a_packet_is_seen_to_the_last_byte``
* and what comes in fragments: ``test_no_fragment_passes_a_handle_that_drops``
* loopback with MTU 1500 breaks TCP: ``test_tcp_over_loopback_with_an_mtu_of_1500``
* order is lost under load: ``test_order_is_kept_under_load``, and ``test_order.py``
* Ctrl-C in ``recv`` hangs: ``test_lifetime.py``, ``test_ctrl_c_ends_a_waiting_recv_at_once``
* two threads on one handle corrupt packets: ``test_two_threads_on_one_handle``, and
  ``test_lifetime.py``, ``test_four_threads_share_a_handle``
* REFLECT fails without bpffs: that layer is not there yet; ``fastdivert handles`` needs no bpffs.
"""

from __future__ import annotations

import hashlib
import os
import threading

import numpy as np
import pytest

import fastdivert as fd
from tests.live.namespaces import Namespace
from tests.live.serving import nothing, received, send_udp, served, udp_sink
from tests.live.traffic import PORT, received_numbers, receiver, send_numbers, stream

Pair = tuple[Namespace, Namespace]

SIDES = {"argvalues": [0, 1], "ids": ["outbound", "inbound"]}
ROOM = {"queue_length": 16384, "queue_size": 32 << 20}


@pytest.mark.parametrize("side", **SIDES)
@pytest.mark.parametrize("size", [32, 4000], ids=["whole", "in fragments"])
def test_a_full_queue_lets_nothing_pass(pair: Pair, side: int, size: int) -> None:
    with receiver(pair[1], "10.1.0.2") as sink:
        with pair[side].entered():
            handle = fd.open(f"udp.DstPort == {PORT}", queue_length=32, queue_size=65535)
        with handle:
            send_numbers(pair[0], "10.1.0.2", 500, size=size)
            assert received_numbers(sink, quiet=0.3) == []  # nobody has received any
            stats = handle.stats()
            assert stats["matched"] == stats["waiting"] + sum(stats["dropped"].values())
            assert stats["dropped"]["queue_length"] + stats["dropped"]["queue_size"] > 0
            handle.shutdown(fd.Shutdown.RECV)
            sent = sum(handle.send(batch) for batch in handle)
            assert len(received_numbers(sink, quiet=0.3)) == sent > 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_exceeds_a_packet_is_seen_to_the_last_byte(alone: Namespace, host: str) -> None:
    """Loopback's MTU makes TCP buffers of two segments of 64 KiB, which no IP length can tell."""
    seen = 0

    def count(batch: fd.Batch) -> None:
        nonlocal seen
        seen += int(batch.parse(())["payload_length"].sum(where=batch["tcp.DstPort"] == PORT))

    with alone.entered():
        handle = fd.open("tcp", **ROOM)
    with handle:
        with served(handle, count):
            stream(alone, alone, host, 64)
        stats = handle.stats()
    assert stats["super_packets"] > 0
    assert seen >= 64 << 20
    assert sum(stats["dropped"].values()) == stats["malformed"] == 0


@pytest.mark.parametrize("side", **SIDES)
@pytest.mark.parametrize("host", ["10.1.0.2", "fd00:1::2"])
def test_no_fragment_passes_a_handle_that_drops(pair: Pair, side: int, host: str) -> None:
    """Ports are in the first fragment alone; the others must not get by without it."""
    with udp_sink(pair[1], host, 5000) as sink, pair[1].entered():
        behind = fd.open("true", priority=-1, flags=fd.Flag.SNIFF | fd.Flag.FRAGMENTS)
        with pair[side].entered():
            handle = fd.open("udp.DstPort == 5000")
        with handle, behind, served(handle, lambda batch: batch.drop()) as seen:
            send_udp(pair[0], host, 5000, [os.urandom(20000)] * 20)
            sink.settimeout(0.5)
            with pytest.raises(TimeoutError):
                sink.recv(65536)
            with pytest.raises(TimeoutError):  # not one of them has reached the next handle
                while True:
                    assert not behind.recv(timeout=0.1).match("inbound and fragment").any()
        assert seen[0] == 20


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_tcp_over_loopback_with_an_mtu_of_1500(alone: Namespace, host: str) -> None:
    alone.ip("link", "set", "lo", "mtu", "1500")
    with alone.entered():
        handle = fd.open("tcp", **ROOM)
    with handle, served(handle, nothing) as seen:
        stream(alone, alone, host, 64)  # compares digests
    assert seen[0] > 0


@pytest.mark.parametrize("side", **SIDES)
def test_order_is_kept_under_load(pair: Pair, side: int) -> None:
    with receiver(pair[1], "10.1.0.2") as sink:
        with pair[side].entered():
            handle = fd.open(f"udp.DstPort == {PORT}", **ROOM)
        with handle, served(handle, nothing):
            for first in range(0, 20000, 2000):
                send_numbers(pair[0], "10.1.0.2", 2000, first=first)
            arrived = received_numbers(sink)
            lost = sum(handle.stats()["dropped"].values())
    assert arrived == sorted(arrived)
    assert len(set(arrived)) == len(arrived) == 20000 - lost


def test_two_threads_on_one_handle(pair: Pair) -> None:
    """Every datagram says its own digest; none is changed, lost or doubled."""
    payloads = []
    for number in range(4000):
        body = number.to_bytes(4, "big") + os.urandom(60)
        payloads.append(body + hashlib.blake2b(body, digest_size=16).digest())
    seen: list[int] = []
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            handle = fd.open("udp.DstPort == 5000", **ROOM)

        def serve() -> None:
            for batch in handle:
                seen.append(len(batch))
                batch["ip.TTL"] = np.full(len(batch), 33)
                handle.send(batch)

        with handle:
            threads = [threading.Thread(target=serve) for _ in range(2)]
            for thread in threads:
                thread.start()
            for first in range(0, len(payloads), 500):
                send_udp(pair[0], "10.1.0.2", 5000, payloads[first : first + 500])
            arrived = received(sink, len(payloads))
            handle.shutdown(fd.Shutdown.RECV)
            for thread in threads:
                thread.join(10)
    assert sum(seen) == len(payloads)
    assert sorted(arrived) == sorted(payloads)
