# SPDX-License-Identifier: MIT
"""Programs that send each other the same packet for ever are stopped by its TTL."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Iterator

import pytest

import fastdivert as fd
from tests.live.namespaces import Namespace
from tests.live.serving import received, send_udp, served, udp_sink

Pair = tuple[Namespace, Namespace]

_OUTGOING = 4  # PACKET_OUTGOING


@contextlib.contextmanager
def another_diverter(where: Namespace, device: str) -> Iterator[list[int]]:
    """Another program of our kind: it takes what leaves the device, and sends it again."""
    with where.entered():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sent = [0]
    over = threading.Event()

    def echo() -> None:
        while not over.is_set():
            try:
                frame, (_, _, kind, *_) = wire.recvfrom(65536)
            except TimeoutError:
                continue
            # UDP to port 5000, of either IP version
            ports = frame[36:38] if frame[14] >> 4 == 4 else frame[56:58]
            if kind == _OUTGOING and ports == (5000).to_bytes(2, "big"):
                sent[0] += 1
                wire.send(frame)

    wire.bind((device, 3))
    wire.settimeout(0.1)
    thread = threading.Thread(target=echo)
    thread.start()
    try:
        yield sent
    finally:
        over.set()
        thread.join(5)
        wire.close()
        assert not thread.is_alive()


@pytest.mark.parametrize("host", ["10.1.0.2", "fd00:1::2"])
def test_a_loop_between_two_diverters_ends(pair: Pair, host: str) -> None:
    """Each takes what the other sends: 63 rounds, and the last one is an error by index."""
    ttl = "ip.TTL" if "." in host else "ipv6.HopLimit"
    seen: list[tuple[int, int]] = []
    failed: list[int] = []

    with pair[0].entered():
        handle = fd.open("outbound and udp.DstPort == 5000")

    def serve() -> None:
        for batch in handle:
            seen.extend(zip(batch["impostor"].tolist(), batch[ttl].tolist(), strict=True))
            try:
                handle.send(batch)
            except fd.SendError as error:
                failed.extend(error.faults["errno"].tolist())

    thread = threading.Thread(target=serve)
    thread.start()
    with handle:
        with another_diverter(pair[0], "wire0") as sent:
            send_udp(pair[0], host, 5000, [b"round and round"])
            deadline = time.monotonic() + 20
            while not failed and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.3)  # nothing goes on
            assert failed == [errno.EHOSTUNREACH]
            assert sent[0] == 64
            assert seen == [(0, 64), *((1, left) for left in range(64, 0, -1))]
        handle.shutdown(fd.Shutdown.RECV)
        thread.join(10)
        stats = handle.stats()
    assert stats["send_errors"] == 1
    assert stats["sent"] == 64


def test_handles_of_one_host_cost_no_ttl(pair: Pair) -> None:
    """They never see a packet twice, so that a TTL of 1 is enough."""
    left: list[int] = []
    with udp_sink(pair[1], "10.1.0.2", 5000) as sink:
        with pair[0].entered():
            handles = [fd.open("udp.DstPort == 5000", priority=at) for at in (2, 1, 0)]
            source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with contextlib.ExitStack() as stack, source:
            for handle in handles:
                stack.enter_context(handle)
                stack.enter_context(
                    served(handle, lambda batch: left.extend(batch["ip.TTL"].tolist()))
                )
            source.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
            source.sendto(b"near", ("10.1.0.2", 5000))
            assert received(sink, 1) == [b"near"]
    assert left == [1, 1, 1]


def test_a_packet_is_an_impostor_if_its_address_says_so() -> None:
    """As with WinDivert, also in a replay: the flag of the address is what counts."""
    packets = [bytes([0x45, 0, 0, 20, 0, 0, 0, 0, ttl, 253, *bytes(10)]) for ttl in (1, 2)]
    with fd.open("true", driver="replay", source=fd.Batch.from_packets([])) as handle:
        batch = fd.Batch.from_packets(packets)
        addresses = batch.addresses
        addresses["Flags"] = int(fd.AddressFlag.IMPOSTOR)
        with pytest.raises(fd.SendError, match="TTL") as error:
            handle.send(batch, addresses)
        assert error.value.faults.tolist() == [(0, errno.EHOSTUNREACH)]
        assert error.value.sent == 1
