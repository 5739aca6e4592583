# SPDX-License-Identifier: MIT
"""``python -m benchmarks.live.soak --minutes 10``: does anything grow, does anything get lost?

Mixed traffic between two namespaces goes through a handle on one of them: four
flows of numbered datagrams (both ways, IPv4 and IPv6, three sizes), TCP streams
whose digests are compared, everything edited (TTL) and put back by this process.
Every few seconds the filter is swapped, a second handle is opened and closed, and
memory is read. Exit code 1 if a packet is unexplained or memory grows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastdivert as fd
from tests.live.namespaces import Namespace, join, namespace

#: They match the same packets, and compile to other programs.
FILTERS = ("udp or tcp", "(ip or ipv6) and (tcp or udp)")

SAMPLE_SECONDS = 5.0

#: Growth of the resident set, from the first quarter to the last, that is no leak.
GROWTH_ALLOWED = 1 << 20


@dataclass(frozen=True)
class Sample:
    """How it stood."""

    seconds: float
    resident: int  # bytes
    mapped: int  # bytes of eBPF maps that this process has
    descriptors: int  # open files
    stats: dict[str, Any]


def sample(begin: float, handle: fd.Handle) -> Sample:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    descriptors = os.listdir("/proc/self/fd")
    return Sample(
        time.monotonic() - begin,
        pages * os.sysconf("SC_PAGESIZE"),
        sum(map(_map_bytes, descriptors)),
        len(descriptors),
        handle.stats(),
    )


def _map_bytes(descriptor: str) -> int:
    """What the kernel has locked for an eBPF map."""
    try:
        text = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    except OSError:
        return 0
    if "map_id:" not in text:
        return 0
    return int(text.partition("memlock:")[2].split()[0])


def another_handle(where: Namespace) -> None:
    """Opened above ours, used, closed."""
    with (
        where.entered(),
        fd.open("udp", priority=100, flags=fd.Flag.SNIFF | fd.Flag.RECV_ONLY) as handle,
    ):
        for _ in range(3):
            try:
                handle.recv(timeout=0.1).release()
            except TimeoutError:
                break


def divert(handle: fd.Handle, where: Namespace, traffic: subprocess.Popen[str]) -> list[Sample]:
    begin = time.monotonic()
    samples = [sample(begin, handle)]
    while traffic.poll() is None:
        if time.monotonic() - begin >= SAMPLE_SECONDS * len(samples):
            handle.filter = FILTERS[len(samples) % len(FILTERS)]
            another_handle(where)
            samples.append(sample(begin, handle))
        try:
            batch = handle.recv(timeout=0.2)
        except TimeoutError:
            continue
        batch["ip.TTL"] = 63
        handle.send(batch)
    samples.append(sample(begin, handle))
    return samples


def report(samples: list[Sample], traffic: dict[str, Any]) -> int:
    """Prints it; the exit code."""
    last = samples[-1].stats
    print(f"{'seconds':>8} {'resident MB':>12} {'maps MB':>8} {'files':>6}", end="")
    print(f" {'delivered':>12} {'put back':>12} {'dropped':>8} {'errors':>7}")
    for one in samples[:: max(1, len(samples) // 20)]:
        stats = one.stats
        print(f"{one.seconds:8.0f} {one.resident / 1e6:12.2f} {one.mapped / 1e6:8.2f}", end="")
        print(f" {one.descriptors:6} {stats['delivered']:12,}", end="")
        print(f" {stats['sent']:12,} {sum(stats['dropped'].values()):8,}", end="")
        print(f" {stats['send_errors']:7,}")
    quarter = max(1, len(samples) // 4)
    # The first quarter warms up: allocators, caches, the first of every code path.
    first = samples[quarter : 2 * quarter] or samples[:1]
    grown = max(one.resident for one in samples[-quarter:]) - max(one.resident for one in first)
    missing = sum(flow["sent"] - flow["received"] for flow in traffic["flows"].values())
    dropped = sum(last["dropped"].values()) + last["send_errors"]
    unaccounted = (
        last["matched"] - last["delivered"] - last["waiting"] - sum(last["dropped"].values())
    )
    for name, flow in traffic["flows"].items():
        print(f"{name}: " + ", ".join(f"{what} {number:,}" for what, number in flow.items()))
    streams = traffic["streams"]
    print(f"TCP: {streams['streams']} streams of {streams['megabytes']:,} MB in all, ", end="")
    print(f"digests equal; failures: {streams['failures'] or 'none'}")
    print(f"resident set, second quarter to last: {grown / 1e6:+.2f} MB", end="; ")
    print(f"datagrams missing: {missing}, drops counted: {dropped}, unaccounted: {unaccounted}")
    wrong = [
        missing > dropped,
        unaccounted != 0,
        bool(streams["failures"]) or streams["streams"] == 0,
        any(flow[what] for flow in traffic["flows"].values() for what in ("repeated", "damaged")),
        grown > GROWTH_ALLOWED,
        samples[-1].mapped != first[0].mapped,
        samples[-1].descriptors != first[0].descriptors,
    ]
    return int(any(wrong))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    seconds = str(parser.parse_args().minutes * 60)
    with namespace() as left, namespace() as right:
        join(left, "wire0", right, "wire1", 1)
        left.run("ping", "-c", "1", "-w", "10", "10.1.0.2")
        left.run("ping", "-c", "1", "-w", "10", "fd00:1::2")
        with right.entered():
            handle = fd.open(FILTERS[0], queue_length=16384, queue_size=32 << 20)
        command = [sys.executable, "-m", "benchmarks.live.soak_traffic"]
        command += [left.name, right.name, seconds]
        with handle, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as traffic:
            try:
                samples = divert(handle, right, traffic)
                assert traffic.stdout is not None
                found = json.loads(traffic.stdout.read())
            finally:
                traffic.kill()
        return report(samples, found)


if __name__ == "__main__":
    sys.exit(main())
