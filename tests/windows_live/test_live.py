# SPDX-License-Identifier: MIT
"""Handles on a Windows host's traffic: genuine driver and wheel, played filter engine."""

from __future__ import annotations

import asyncio
import gc
import signal
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import fastdivert as fd
from tests.windows_live.standin import LOOPBACK, At, Standin


def datagram(number: int, *, port: int = 53, size: int = 100, v6: bool = False) -> bytes:
    """A datagram whose payload begins with its number, with right checksums."""
    udp = (
        struct.pack("!HHHH", 4000, port, 8 + size, 0) + number.to_bytes(4, "big") + bytes(size - 4)
    )
    if v6:
        ends = bytes(15) + b"\1" + bytes(15) + b"\2"
        packet = struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + ends + udp
    else:
        ends = bytes([10, 0, 0, 1, 10, 0, 0, 2])
        packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + ends + udp
    batch = fd.Batch.from_packets([packet])
    batch.checksums()
    return batch[0].raw.tobytes()


def drain(handle: fd.Handle, count: int) -> list[fd.Batch]:
    """Batches of so many packets in all."""
    batches = []
    while count > 0:
        batches.append(handle.recv(timeout=10))
        count -= len(batches[-1])
    assert count == 0
    return batches


@pytest.mark.parametrize("at", list(At)[:4])
def test_what_is_sent_back_unchanged_arrives_as_it_was(host: Standin, at: At) -> None:
    packets = [datagram(number, v6="V6" in at.name) for number in range(64)]
    with fd.open("udp.DstPort == 53") as handle:
        for packet in packets:
            assert host.offer(packet, at, split=61)
        for batch in drain(handle, 64):
            assert (batch["outbound"] == ("OUTBOUND" in at.name)).all()
            assert (batch["ifIdx"] == 7).all() and (batch["subIfIdx"] == 3).all()
            assert handle.send(batch) == len(batch)
        found = host.take_all(64)
    assert [through.packet for through in found] == packets
    assert all(through.at is at and through.injected for through in found)


@pytest.mark.parametrize("at", [At.FORWARD_V4, At.FORWARD_V6])
def test_forwarded_packets_have_a_layer_of_their_own(host: Standin, at: At) -> None:
    packet = datagram(1, v6=at is At.FORWARD_V6)
    with fd.open("udp", fd.Layer.NETWORK_FORWARD) as handle:
        assert not host.offer(packet, At.OUTBOUND_V4 if at is At.FORWARD_V4 else At.OUTBOUND_V6)
        assert host.offer(packet, at)
        handle.send(handle.recv(timeout=10))
        assert [through.at for through in host.take_all(2)][1] is at


def test_an_edit_of_a_batch_arrives_with_right_checksums(host: Standin) -> None:
    with fd.open("udp") as handle:
        host.offer(datagram(0), lists=10, buffers=10)
        (batch,) = drain(handle, 100)
        batch["ip.TTL"] = np.arange(100) + 1
        batch["udp.SrcPort"] = 9
        batch.drop(np.arange(100) >= 90)
        assert handle.send(batch) == 90
        arrived = fd.Batch.from_packets([through.packet for through in host.take_all(90)])
    assert arrived["ip.TTL"].tolist() == list(range(1, 91))
    assert (arrived["udp.SrcPort"] == 9).all()
    checked = arrived.checksums("verify")
    assert checked["ip_right"].all() and checked["l4_right"].all()


def test_only_what_matches_is_taken(host: Standin) -> None:
    with fd.open("udp.DstPort == 53") as handle:
        assert not host.offer(datagram(1, port=80))
        assert host.offer(datagram(2))
        assert not host.offer(datagram(3), At.INBOUND_V4, conditions=LOOPBACK)
        handle.filter = "udp.DstPort == 80"
        assert host.offer(datagram(4, port=80))
        assert not host.offer(datagram(5))
        assert [int.from_bytes(p.payload[:4]) for b in drain(handle, 2) for p in b] == [2, 4]
        stats = handle.stats()
        assert stats["matched"] == stats["delivered"] == 2


def test_sniffed_packets_go_on(host: Standin) -> None:
    with fd.open("udp", flags=fd.Flag.SNIFF) as handle:
        assert not host.offer(datagram(1))
        assert (handle.recv(timeout=10).headers["flags"] & fd.HeaderFlag.SNIFFED).all()


def test_drop_discards_in_the_driver(host: Standin) -> None:
    with fd.open("udp", flags=fd.Flag.DROP) as handle:
        assert host.offer(datagram(1), lists=5)
        assert handle.stats()["dropped"]["flag"] == 5
        assert host.take(0.2) is None


def test_a_made_up_packet_goes_out(host: Standin) -> None:
    address = np.zeros(1, fd.ADDRESS_DTYPE)
    packet = datagram(7)
    with fd.open("false", flags=fd.Flag.SEND_ONLY) as handle:
        batch = fd.Batch.from_packets([packet], address)
        batch["outbound"] = True
        assert handle.send(batch) == 1
        (through,) = host.take_all(1)
    assert through.at is At.OUTBOUND_V4 and through.packet == packet


def test_higher_priorities_first(host: Standin) -> None:
    with fd.open("udp", priority=-3) as low, fd.open("udp", priority=3) as high:
        assert host.offer(datagram(1))
        with pytest.raises(TimeoutError):
            low.recv(timeout=0.2)
        high.send(high.recv(timeout=10))
        low.send(low.recv(timeout=10))
        assert host.take_all(1)[0].injected
        with pytest.raises(TimeoutError):
            high.recv(timeout=0.2)


def test_what_finds_no_room_is_counted(host: Standin) -> None:
    with fd.open("udp", queue_length=32) as handle:
        assert host.offer(datagram(1), lists=100)
        drain(handle, 32)
        stats = handle.stats()
    assert stats["matched"] == 100 == stats["delivered"] + sum(stats["dropped"].values())
    assert stats["dropped"]["queue_length"] == 68


def test_overflow_pass_lets_go_by_what_finds_no_room(host: Standin) -> None:
    with fd.open("udp", queue_length=32, overflow="pass") as handle:
        host.offer(datagram(1), lists=100)
        drain(handle, 32)
        assert handle.stats()["dropped"]["passed_by"] == 68
        assert len(host.take_all(68)) == 68


def test_closing_gives_back_what_waits(host: Standin) -> None:
    with fd.open("udp"):
        host.offer(datagram(1), lists=50)
    assert all(through.injected for through in host.take_all(50))


def test_batches_outlive_their_handle(host: Standin) -> None:
    with fd.open("udp") as handle:
        host.offer(datagram(0x01020304), lists=50)
        (batch,) = drain(handle, 50)
    column, raw = batch["udp.Payload32[0]"], batch[49].raw
    del handle
    gc.collect()
    assert (column == 0x01020304).all()
    assert raw.tobytes() == datagram(0x01020304)
    assert (batch.headers["captured"] == 128).all()


@pytest.mark.parametrize("end", ["close", "shutdown"])
def test_who_waits_is_woken(host: Standin, end: str) -> None:
    handle = fd.open("udp")
    threading.Timer(0.3, getattr(handle, end)).start()
    begin = time.monotonic()
    with pytest.raises(fd.HandleClosedError if end == "close" else fd.ShutdownError):
        handle.recv(timeout=20)
    assert time.monotonic() - begin < 5
    handle.close()


def test_a_thread_that_waits_gets_the_next_packet(host: Standin) -> None:
    found: list[fd.Batch] = []
    with fd.open("udp") as handle:
        receiver = threading.Thread(target=lambda: found.append(handle.recv(timeout=20)))
        receiver.start()
        time.sleep(0.3)
        begin = time.monotonic()
        host.offer(datagram(1))
        receiver.join()
        assert time.monotonic() - begin < 2
        assert handle.stats()["doorbells"] >= 1
    assert len(found[0]) == 1


def test_ctrl_c_ends_a_wait(host: Standin) -> None:
    with fd.open("udp") as handle:
        threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,)).start()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            handle.recv(timeout=20)
        assert time.monotonic() - begin < 5


@pytest.mark.parametrize("kind", ["Proactor", "Selector"])
def test_any_event_loop_can_wait(host: Standin, kind: str) -> None:
    async def receive(handle: fd.Handle) -> int:
        threads = threading.active_count()
        waiting = asyncio.create_task(handle.recv_async(timeout=20))
        await asyncio.sleep(0.3)
        assert threading.active_count() == threads  # none of Python's waits
        assert host.offer(datagram(1))
        batch = await waiting
        with pytest.raises(TimeoutError):
            await handle.recv_async(timeout=0.1)
        asyncio.get_running_loop().call_later(0.3, handle.shutdown)
        async for _ in handle:
            raise AssertionError("nothing more was offered")
        return len(batch)

    loop = getattr(asyncio, f"{kind}EventLoop")()
    try:
        with fd.open("udp") as handle:
            assert loop.run_until_complete(receive(handle)) == 1
    finally:
        loop.close()


def test_a_killed_process_leaves_nothing(host: Standin) -> None:
    program = (
        "import fastdivert as fd, os\n"
        "handles = [fd.open('udp', priority=k) for k in range(3)]\n"
        "print('open', flush=True)\n"
        "handles[2].recv()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"open"
        # One wakes it; the others are in its queue when it dies.
        assert host.offer(datagram(1), lists=20)
    end = time.monotonic() + 10
    while host.state().regions and time.monotonic() < end:
        time.sleep(0.02)
    assert host.state().filters == 0
    assert not host.offer(datagram(2))


def test_a_refusal_says_what_to_do(host: Standin) -> None:
    from fastdivert.windows import DriverError

    with pytest.raises(NotImplementedError, match="FLOW"):
        fd.open("true", fd.Layer.FLOW, flags=fd.Flag.SNIFF | fd.Flag.RECV_ONLY)
    with fd.open("udp") as handle:
        with pytest.raises(fd.HandleError, match="async for"):
            handle.fileno()
        with pytest.raises(ValueError, match="QUEUE_SIZE"):
            handle.set_param(fd.Param.QUEUE_SIZE, 1 << 30)
        handle.set_param(fd.Param.QUEUE_LENGTH, 64)
        assert handle.get_param(fd.Param.QUEUE_LENGTH) == 64
    with pytest.raises(DriverError, match="smaller queue_size") as refused:
        fd.open("udp", queue_size=1 << 31)
    assert refused.value.kind == "memory"
