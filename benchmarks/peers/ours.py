"""fastdivert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import fastdivert as fd
from benchmarks.contest import Contestant
from benchmarks.filters import Question
from benchmarks.traffic import Traffic


def batch_of(traffic: Traffic) -> fd.Batch:
    """The traffic in memory of its own, parsed."""
    return fd.Batch.from_packets(traffic.packets)


def unparsed(traffic: Traffic) -> fd.Batch:
    """A batch that parses anew in every call.

    A batch keeps its parse result until packets change; once a writable view of
    them was given away it cannot know, so it keeps none.
    """
    batch = batch_of(traffic)
    batch[0].raw  # noqa: B018 - taking the view is what counts
    return batch


def parse(traffic: Traffic) -> Contestant:
    """Packets to whole descriptors, as a driver fills them."""
    batch = unparsed(traffic)

    def answer(_: object) -> Any:
        headers = batch.headers
        return np.stack([headers["protocol"], headers["source_port"], headers["destination_port"]])

    return Contestant(batch._packets.describe, answer)


def parse_alone(traffic: Traffic) -> Contestant:
    """Packets to parse results, without the descriptors."""
    batch = batch_of(traffic)

    def answer(_: object) -> Any:
        parsed = batch.parse(())
        return np.stack([parsed["protocol"], parsed["source_port"], parsed["destination_port"]])

    return Contestant(lambda: batch._packets.parse(again=True), answer)


def match(traffic: Traffic, question: Question) -> Contestant:
    """The batch evaluator, on packets that nobody has parsed yet."""
    batch = unparsed(traffic)
    compiled = fd.compile(question.windivert)
    return Contestant(lambda: batch.match(compiled), np.asarray)


def match_interpreted(traffic: Traffic, question: Question) -> Contestant:
    """The interpreter that a kernel driver runs, packet by packet."""
    batch = unparsed(traffic)
    program = fd.compile(question.windivert).core_program
    out = np.empty(len(batch), np.bool_)
    return Contestant(lambda: batch._packets.match(program, out, interpreted=True), lambda _: out)


def checksums(traffic: Traffic) -> Contestant:
    """IPv4, TCP and UDP checksums of packets that were parsed."""
    batch = batch_of(traffic)
    packets = batch._packets
    done = np.empty(len(batch), np.bool_)

    def answer(_: object) -> Any:
        return [bytes(packet) for packet in batch]

    return Contestant(lambda: packets.update_checksums(0, done), answer)


def read_column(traffic: Traffic, name: str) -> Contestant:
    batch = batch_of(traffic)
    return Contestant(lambda: batch[name], np.asarray)


def write_column(traffic: Traffic, name: str, values: Any) -> Contestant:
    batch = batch_of(traffic)

    def run() -> None:
        batch[name] = values

    return Contestant(run, lambda _: [bytes(packet) for packet in batch])


def capture(path: Path) -> Contestant:
    """A capture file to descriptors: how many packets, and a sum over a column."""

    def run() -> Any:
        packets = ports = 0
        for batch in fd.read_pcap(path):
            packets += len(batch)
            ports += int(batch.headers["destination_port"].sum(dtype=np.int64))
        return packets, ports

    return Contestant(run, np.array)


def replay(traffic: Traffic, ttl: int) -> Contestant:
    """The whole way: filter, ring, recv, an edit in numpy, send, sink."""
    batch = batch_of(traffic)

    def run() -> Any:
        sent = 0

        def sink(leaving: fd.Batch) -> None:
            nonlocal sent
            sent += len(leaving)

        with fd.open("true", driver="replay", source=batch, sink=sink) as handle:
            for received in handle:
                received["ip.TTL"] = ttl
                handle.send(received)
        return sent

    return Contestant(run, np.array)


def replay_file(path: Path, target: Path, ttl: int) -> Contestant:
    """A capture file through the whole way into another."""

    def run() -> Any:
        with fd.open("true", driver="replay", source=path, sink=target) as handle:
            for received in handle:
                received["ip.TTL"] = ttl
                handle.send(received)
            return handle.stats()["sent"]

    return Contestant(run, np.array)
