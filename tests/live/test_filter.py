# SPDX-License-Identifier: MIT
"""The filter in the kernel means what the interpreter means, and the parser too."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from random import Random
from typing import Final

import pytest

import fastdivert as fd
from fastdivert.enums import Layer
from fastdivert.filter.program import ACCEPT, REJECT
from tests.differential.filters import likely_filter
from tests.differential.packets import random_packet
from tests.live.core import Core
from tests.live.hook import Hook
from tests.live.namespaces import Namespace
from tests.oracle.generator import random_filter

_HEADERS_AT: Final = 18  # in struct fd_parsed
_ADDRESS: Final = bytes.fromhex("020000000001")
# BPF_PROG_TEST_RUN takes one page, and refuses what is shorter than its header.
_SHORTEST: Final = 40
_LONGEST: Final = 3000
ROUNDS: Final = int(os.environ.get("FASTDIVERT_LIVE_ROUNDS", "12"))
FILTERS, PACKETS = 6, 12


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Core:
    return Core(tmp_path_factory.mktemp("core"))


@pytest.fixture
def ifindex(alone: Namespace) -> Iterator[int]:
    """A device of a namespace that this thread has entered; nobody uses it."""
    before = os.sched_getaffinity(0)
    alone.ip(
        "link",
        "add",
        "idle",
        "address",
        "02:00:00:00:00:01",
        "type",
        "veth",
        "peer",
        "name",
        "other",
    )
    alone.ip("link", "set", "idle", "up")
    os.sched_setaffinity(0, {min(before)})
    with alone.entered():
        yield socket.if_nametoindex("idle")
    os.sched_setaffinity(0, before)


def trimmed(packet: bytes) -> bytes:
    """Without what lies behind the IP packet, as the host's IP layer has it."""
    if len(packet) >= 20 and packet[0] >> 4 == 4:
        length = struct.unpack_from("!H", packet, 2)[0]
        return packet[:length] if length >= 20 else packet
    if len(packet) >= 40 and packet[0] >> 4 == 6:
        return packet[: 40 + struct.unpack_from("!H", packet, 4)[0]]
    return packet


def complement(program: bytes) -> bytes:
    """The program that matches what this one does not."""
    out = bytearray(program)
    for at in range(8, len(out), 32):
        for place in (at + 4, at + 6):
            target = struct.unpack_from("=H", out, place)[0]
            other = {ACCEPT: REJECT, REJECT: ACCEPT}.get(target, target)
            struct.pack_into("=H", out, place, other)
    return bytes(out)


@pytest.mark.parametrize("layer", [Layer.NETWORK, Layer.NETWORK_FORWARD])
def test_the_emitted_filter_agrees_with_the_interpreter(
    layer: Layer, ifindex: int, core: Core
) -> None:
    rng = Random(f"{os.environ.get('FASTDIVERT_SEED', '0')} {layer}")
    forwards = layer is Layer.NETWORK_FORWARD
    hook = Hook(fd.compile("true", layer).program.to_bytes(), ifindex, _ADDRESS, forwarded=forwards)
    judged = {True: 0, False: 0}
    for _ in range(ROUNDS):
        packets = [
            packet
            for _ in range(PACKETS)
            if _SHORTEST <= len(packet := random_packet(rng, 2500)) <= _LONGEST
        ]
        batch = fd.Batch.from_packets(packets, layer=layer)
        texts = [random_filter(rng, layer), *(likely_filter(rng, batch) for _ in range(FILTERS))]
        for text in texts:
            program = fd.compile(text, layer).program.to_bytes()
            hook_pairs(hook, core, program, packets, rng, forwards, judged, text)
    hook.close()
    assert min(judged.values()) > sum(judged.values()) // 20, judged


def hook_pairs(
    hook: Hook,
    core: Core,
    program: bytes,
    packets: list[bytes],
    rng: Random,
    forwards: bool,
    judged: dict[bool, int],
    text: str,
) -> None:
    """A packet matches a program or its complement, at the time that the record tells."""
    directions = [forwards or rng.random() < 0.5 for _ in packets]
    depends_on_time = "random" in text or "timestamp" in text
    found = []
    for one in (program, complement(program)):
        hook.divert.set_program(one)
        found.append(
            [
                hook.judge(packet, egress=egress)
                for packet, egress in zip(packets, directions, strict=True)
            ]
        )
    for packet, matched, missed in zip(packets, *found, strict=True):
        whole = trimmed(packet)
        parsed = core.parse(whole)
        if parsed.headers == 0:
            assert matched is None and missed is None, (text, packet.hex())
            continue
        for record, expected in ((matched, True), (missed, False)):
            if record is None:
                continue
            row, data = record
            assert data == whole, (text, packet.hex())
            assert core.describe(parsed, len(whole), row) == row, (text, packet.hex())
            assert core.run(program, whole, parsed, row) is expected, (text, packet.hex())
            judged[expected] += 1
        if not depends_on_time:
            assert (matched is None) is not (missed is None), (text, packet.hex())


def test_a_long_program_is_loaded_and_right(ifindex: int) -> None:
    payload = bytes(range(180))
    text = " and ".join(f"packet[{40 + i}] == {i}" for i in range(180))
    hook = Hook(fd.compile(text).program.to_bytes(), ifindex, _ADDRESS)
    header = struct.pack("!BBHHHBBHII", 0x45, 0, 40 + 180, 1, 0, 64, 6, 0, 0x0A000001, 0x0A000002)
    segment = struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 0x50, 0x10, 5, 0, 0)
    assert hook.judge(header + segment + payload, egress=True) is not None
    assert hook.judge(header + segment + payload[:179] + b"\0", egress=True) is None
    hook.close()
