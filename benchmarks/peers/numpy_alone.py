"""numpy without fastdivert: what one writes over a matrix of equally long packets.

It has to know that there are no options and no extension headers; that is what
makes it comparable at all.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.contest import Contestant
from benchmarks.filters import DESTINATION, SOURCE, TCP_PORTS, UDP_PORTS, Question
from benchmarks.traffic import ICMP, TCP, UDP, Traffic

Bytes = npt.NDArray[np.uint8]


def _be16(rows: Bytes, at: int) -> npt.NDArray[np.uint16]:
    return rows[:, at : at + 2].copy().view(">u2")[:, 0]


def _be32(rows: Bytes, at: int) -> npt.NDArray[np.uint32]:
    return rows[:, at : at + 4].copy().view(">u4")[:, 0]


def _headers(rows: Bytes) -> tuple[Any, Any, Any, Any]:
    """is IPv4, protocol, source port, destination port."""
    v4 = rows[:, 0] >> 4 == 4
    protocol = np.where(v4, rows[:, 9], rows[:, 6])
    has_ports = (protocol == TCP) | (protocol == UDP)
    source = np.where(v4, _be16(rows, 20), _be16(rows, 40))
    destination = np.where(v4, _be16(rows, 22), _be16(rows, 42))
    return v4, protocol, np.where(has_ports, source, 0), np.where(has_ports, destination, 0)


def parse(traffic: Traffic) -> Contestant:
    rows = traffic.matrix()
    return Contestant(lambda: _headers(rows), lambda found: np.stack(found[1:]))


def _one(rows: Bytes) -> Any:
    _, protocol, _, destination = _headers(rows)
    return (protocol == TCP) & (destination == 443)


def _five(rows: Bytes) -> Any:
    v4, protocol, _, destination = _headers(rows)
    flags = rows[:, 33]
    return v4 & (protocol == TCP) & (flags & 0x10 != 0) & (rows[:, 8] >= 64) & (destination == 443)


def _twenty(rows: Bytes) -> Any:
    v4, protocol, _, destination = _headers(rows)
    return (
        ((protocol == TCP) & np.isin(destination, TCP_PORTS))
        | ((protocol == UDP) & np.isin(destination, UDP_PORTS))
        | v4
        & (
            (_be32(rows, 16) == DESTINATION)
            | (_be32(rows, 12) == SOURCE)
            | (rows[:, 8] == 1)
            | (_be16(rows, 2) > 60000)
            | ((protocol == ICMP) & (rows[:, 20] == 0))
        )
    )


def match(traffic: Traffic, question: Question) -> Contestant:
    rows = traffic.matrix()
    filters = {1: _one, 5: _five, 20: _twenty}
    evaluate = filters[question.tests]
    return Contestant(lambda: evaluate(rows), np.asarray)


def _fold(total: Any) -> Any:
    total = (total & 0xFFFF) + (total >> 16)
    return (total & 0xFFFF) + (total >> 16)


def checksums(traffic: Traffic) -> Contestant:
    """IPv4 with TCP or UDP; native words, as the sum does not care for byte order."""
    rows = traffic.matrix()
    words = rows.view(np.uint16)
    udp = np.uint32(UDP << 8)

    def run() -> None:
        words[:, 5] = 0
        words[:, 5] = ~_fold(words[:, :10].sum(1, dtype=np.uint32)).astype(np.uint16)
        is_tcp = rows[:, 9] == TCP
        field = np.where(is_tcp, 18, 13)
        index = np.arange(len(words))
        words[index, field] = 0
        length = np.uint32(np.array(rows.shape[1] - 20, np.uint16).byteswap())
        pseudo = np.where(is_tcp, np.uint32(TCP << 8), udp) + length
        sums = _fold(words[:, 6:].sum(1, dtype=np.uint32) + pseudo)
        found = ~sums.astype(np.uint16)
        found[(found == 0) & ~is_tcp] = 0xFFFF
        words[index, field] = found

    return Contestant(run, lambda _: [row.tobytes() for row in rows])


def read_column(traffic: Traffic, name: str) -> Contestant:
    rows = traffic.matrix()
    readers: dict[str, Callable[[Any], Any]] = {
        "ip.TTL": lambda v4: np.where(v4, rows[:, 8], 0),
        "ip.SrcAddr": lambda v4: np.where(v4, _be32(rows, 12), 0),
        "tcp.DstPort": lambda v4: np.where(
            np.where(v4, rows[:, 9], rows[:, 6]) == TCP,
            np.where(v4, _be16(rows, 22), _be16(rows, 42)),
            0,
        ),
    }
    read = readers[name]
    return Contestant(lambda: read(rows[:, 0] >> 4 == 4), np.asarray)


def _adjusted(checksum: Any, before: Any, after: Any) -> Any:
    """RFC 1624, equation 3."""
    return ~_fold((~checksum).astype(np.uint32) + (~before).astype(np.uint16) + after)


def write_column(traffic: Traffic, name: str, values: Any) -> Contestant:
    rows = traffic.matrix()
    words = rows.view(np.uint16)

    def write_ttl() -> None:
        v4 = rows[:, 0] >> 4 == 4
        before = words[v4, 4]
        rows[v4, 8] = values[v4]
        words[v4, 5] = _adjusted(words[v4, 5], before, words[v4, 4])

    def write_source() -> None:
        v4 = np.flatnonzero(rows[:, 0] >> 4 == 4)
        before = words[v4, 6:8].astype(np.uint32)
        rows[v4, 12:16] = values[v4].astype(">u4").view(np.uint8).reshape(-1, 4)
        after = words[v4, 6:8].astype(np.uint32)
        change = (0xFFFF - before + after).sum(1, dtype=np.uint32)
        words[v4, 5] = ~_fold((~words[v4, 5]).astype(np.uint32) + change)
        for protocol, field in ((TCP, 18), (UDP, 13)):
            chosen = rows[v4, 9] == protocol
            at = v4[chosen]
            words[at, field] = ~_fold((~words[at, field]).astype(np.uint32) + change[chosen])

    run = {"ip.TTL": write_ttl, "ip.SrcAddr": write_source}[name]
    return Contestant(run, lambda _: [row.tobytes() for row in rows])


def capture(path: Path) -> Contestant:
    """The file is a chain of lengths: numpy can only follow it in a Python loop."""

    length_at = struct.Struct("<I").unpack_from

    def run() -> Any:
        view = path.read_bytes()
        data = np.frombuffer(view, np.uint8)
        offsets, at = [], 24
        while at < len(view):
            offsets.append(at + 30)
            at += 16 + length_at(view, at + 8)[0]
        where = np.array(offsets)
        v4 = data[where] >> 4 == 4
        protocol = np.where(v4, data[where + 9], data[where + 6])
        port = where + np.where(v4, 22, 42)
        ports = data[port].astype(np.uint32) << 8 | data[port + 1]
        return len(where), int(ports[(protocol == TCP) | (protocol == UDP)].sum())

    return Contestant(run, np.array)
