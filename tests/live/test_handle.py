# SPDX-License-Identifier: MIT
"""Handles on live traffic: what a user of fastdivert.open sees."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

import fastdivert as fd
from tests.live.namespaces import Namespace
from tests.live.serving import nothing, received, send_udp, served, udp_sink

Pair = tuple[Namespace, Namespace]


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
@pytest.mark.parametrize("address", ["10.1.0.2", "fd00:1::2"])
def test_every_datagram_passes_through_the_handle(pair: Pair, side: int, address: str) -> None:
    payloads = [b"datagram %d" % number for number in range(200)]
    with udp_sink(pair[1], address, 5000) as sink:
        with pair[side].entered():
            handle = fd.open("udp.DstPort == 5000")
        with handle, served(handle, nothing) as seen:
            send_udp(pair[0], address, 5000, payloads)
            assert received(sink, 200) == payloads
        assert seen[0] == 200


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
def test_an_edit_is_delivered_with_a_right_checksum(pair: Pair, side: int) -> None:
    def touch(batch: fd.Batch) -> None:
        batch["udp.Payload[0]"] = ord("X")

    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[side].entered():
            handle = fd.open("udp.DstPort == 5000")
        with handle, served(handle, touch):
            send_udp(pair[0], "10.1.0.2", 5000, [b"abc", b"defg"])
            assert received(sink, 2) == [b"Xbc", b"Xefg"]


@pytest.mark.parametrize("size", [0, 5, 1300])
@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
def test_a_payload_of_another_length_is_delivered(pair: Pair, side: int, size: int) -> None:
    def touch(batch: fd.Batch) -> None:
        for packet in batch:
            packet.payload = b"y" * size

    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[side].entered():
            handle = fd.open("udp.DstPort == 5000")
        with handle, served(handle, touch):
            send_udp(pair[0], "10.1.0.2", 5000, [b"short"])
            assert received(sink, 1) == [b"y" * size]


def test_what_is_dropped_does_not_arrive(pair: Pair) -> None:
    def touch(batch: fd.Batch) -> None:
        batch.drop(batch["udp.Payload[0]"] == ord("b"))

    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            handle = fd.open("udp.DstPort == 5000")
        with handle, served(handle, touch):
            send_udp(pair[0], "10.1.0.2", 5000, [b"a", b"b", b"c"])
            assert received(sink, 2) == [b"a", b"c"]


def test_what_no_filter_matches_is_not_touched(pair: Pair) -> None:
    with udp_sink(pair[1], "10.1.0.2", 5001) as sink:
        with pair[0].entered():
            handle = fd.open("udp.DstPort == 5000")
        with handle, served(handle, nothing) as seen:
            send_udp(pair[0], "10.1.0.2", 5001, [b"by"])
            assert received(sink, 1) == [b"by"]
        assert seen[0] == 0


def test_sniffed_packets_arrive_without_being_sent(pair: Pair) -> None:
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            handle = fd.open("udp.DstPort == 5000", flags=fd.Flag.SNIFF)
        with handle:
            send_udp(pair[0], "10.1.0.2", 5000, [b"one"])
            assert received(sink, 1) == [b"one"]
            batch = handle.recv(timeout=3)
            assert batch.headers["flags"][0] & fd.HeaderFlag.SNIFFED


def test_the_drop_flag_drops_and_counts(pair: Pair) -> None:
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            handle = fd.open("udp.DstPort == 5000", flags=fd.Flag.DROP)
        with handle:
            send_udp(pair[0], "10.1.0.2", 5000, [b"one", b"two"])
            sink.settimeout(0.3)
            with pytest.raises(TimeoutError):
                sink.recv(100)
            assert handle.stats()["dropped"]["flag"] == 2


def test_closing_gives_queued_packets_back(pair: Pair) -> None:
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            handle = fd.open("udp.DstPort == 5000")
        send_udp(pair[0], "10.1.0.2", 5000, [b"queued"] * 5)
        time.sleep(0.2)
        handle.close()
        assert received(sink, 5) == [b"queued"] * 5


def test_made_up_packets_are_delivered(pair: Pair) -> None:
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            handle = fd.open("udp.DstPort == 5000")
        with handle:
            send_udp(pair[0], "10.1.0.2", 5000, [b"model"])
            model = handle.recv(timeout=3)
            twin = model.copy()
            twin.replace_payload(0, b"made up")
            handle.send([bytes(twin[0])], twin.addresses)
            handle.send(model)
            assert received(sink, 2) == [b"made up", b"model"]


def test_the_filter_of_an_open_handle_can_be_swapped(pair: Pair) -> None:
    with pair[0].entered():
        handle = fd.open("udp.DstPort == 5000")
    with handle, udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        handle.filter = fd.compile("udp.DstPort == 6000")
        send_udp(pair[0], "10.1.0.2", 5000, [b"free"])
        assert received(sink, 1) == [b"free"]
        send_udp(pair[0], "10.1.0.2", 6000, [b"caught"])
        assert bytes(handle.recv(timeout=3).payload(0)) == b"caught"


SERVER = """
import hashlib, socket, sys
listener = socket.create_server((sys.argv[1], 7000), family=socket.AF_INET6
                                if ":" in sys.argv[1] else socket.AF_INET)
print("ready", flush=True)
peer, _ = listener.accept()
digest = hashlib.sha256()
while data := peer.recv(1 << 16):
    digest.update(data)
print(digest.hexdigest())
"""


@pytest.mark.parametrize("side", [0, 1], ids=["sender", "receiver"])
@pytest.mark.parametrize("address", ["10.1.0.2", "fd00:1::2"])
def test_a_tcp_stream_arrives_whole(pair: Pair, side: int, address: str) -> None:
    data = os.urandom(1 << 20) * 32
    server = pair[1].start(sys.executable, "-c", SERVER, address)
    try:
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        with pair[side].entered():
            handle = fd.open("tcp.DstPort == 7000 or tcp.SrcPort == 7000")
        with handle, served(handle, nothing) as seen:
            with pair[0].entered():
                client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            with client:
                client.settimeout(30)
                client.connect((address, 7000))
                client.sendall(data)
            digest = server.communicate(timeout=30)[0].strip()
            stats = handle.stats()
        assert digest == hashlib.sha256(data).hexdigest()
        assert seen[0] == stats["delivered"] == stats["sent"]
        assert stats["bytes"] >= len(data)
        assert sum(stats["dropped"].values()) == 0
    finally:
        server.kill()
        server.wait()


def test_overload_is_counted_to_the_last_packet(pair: Pair) -> None:
    with pair[0].entered():
        handle = fd.open("udp.DstPort == 5000", queue_length=64)
    with handle:
        send_udp(pair[0], "10.1.0.2", 5000, [b"x"] * 1000)
        stats = handle.stats()
        assert stats["matched"] == 1000
        assert stats["matched"] == stats["waiting"] + sum(stats["dropped"].values())
        assert stats["dropped"]["queue_length"] > 0


def test_priorities_order_handles(pair: Pair) -> None:
    order: list[str] = []

    def noted(name: str) -> Callable[[fd.Batch], None]:
        return lambda batch: order.extend([name] * len(batch))

    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            low = fd.open("udp.DstPort == 5000", priority=-5)
            high = fd.open("udp.DstPort == 5000", priority=5)
        with low, high, served(low, noted("low")), served(high, noted("high")):
            send_udp(pair[0], "10.1.0.2", 5000, [b"one"])
            received(sink, 1)
    assert order == ["high", "low"]


def test_async_iteration_waits_in_the_loop(pair: Pair) -> None:
    async def collect(handle: fd.Handle) -> bytes:
        async for batch in handle:
            return bytes(batch.payload(0))
        return b""

    async def main() -> bytes:
        with pair[0].entered():
            handle = fd.open("udp.DstPort == 5000")
        with handle:
            task = asyncio.create_task(collect(handle))
            await asyncio.sleep(0.2)
            send_udp(pair[0], "10.1.0.2", 5000, [b"awaited"])
            return await asyncio.wait_for(task, 5)

    assert asyncio.run(main()) == b"awaited"


def test_close_ends_a_waiting_recv(pair: Pair) -> None:
    with pair[0].entered():
        handle = fd.open("udp.DstPort == 5000")
    threading.Timer(0.3, handle.close).start()
    begin = time.monotonic()
    with pytest.raises(fd.HandleClosedError):
        handle.recv(timeout=10)
    assert time.monotonic() - begin < 2


WAITER = """
import fastdivert as fd
with fd.open("udp.DstPort == 5000") as handle:
    print("ready", flush=True)
    handle.recv()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_traffic_flows_again_when_the_process_ends(pair: Pair, number: signal.Signals) -> None:
    process = pair[0].start(sys.executable, "-c", WAITER)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(number)
    process.wait(5)
    process.communicate()
    time.sleep(0.1)
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        send_udp(pair[0], "10.1.0.2", 5000, [b"free"])
        assert received(sink, 1) == [b"free"]


def test_loopback_is_diverted_once_and_delivered(alone: Namespace) -> None:
    with udp_sink(alone, "127.0.0.1", 5000) as sink:
        with alone.entered():
            handle = fd.open("udp.DstPort == 5000")
        flags = []
        with handle, served(handle, lambda batch: flags.extend(batch.headers["flags"].tolist())):
            send_udp(alone, "127.0.0.1", 5000, [b"round"])
            assert received(sink, 1) == [b"round"]
        wanted = fd.HeaderFlag.LOOPBACK | fd.HeaderFlag.OUTBOUND
        assert [flag & wanted for flag in flags] == [wanted]


def test_a_forwarded_packet_is_seen_at_the_forward_layer_only(
    routed: tuple[Namespace, Namespace, Namespace],
) -> None:
    left, router, right = routed
    with udp_sink(right, "10.2.0.2", 5000) as sink:
        with router.entered():
            network = fd.open("udp.DstPort == 5000")
            forward = fd.open("udp.DstPort == 5000", fd.Layer.NETWORK_FORWARD)
        with network, forward, served(network, nothing) as here, served(forward, nothing) as there:
            send_udp(left, "10.2.0.2", 5000, [b"through"] * 3)
            assert received(sink, 3) == [b"through"] * 3
        assert (here[0], there[0]) == (0, 3)


def test_nothing_stays_attached_after_close(pair: Pair) -> None:
    with pair[0].entered():
        fd.open("true").close()
    shown = subprocess.run(
        ["ip", "netns", "exec", pair[0].name, "tc", "filter", "show", "dev", "wire0", "egress"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == ""
