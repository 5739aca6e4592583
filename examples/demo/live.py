# SPDX-License-Identifier: MIT
"""The demo on live traffic: between two network namespaces, diverted, edited, delivered, measured.

The client's packets come in at the server, where a handle takes them: TCP both
ways to show that nothing is lost or changed, datagrams to show the price, and
a flood of datagrams for another port, of which numpy drops every eighth.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastdivert as fd

from hosts import CLIENT, SERVER, Host, wired  # isort: skip

TRAFFIC = Path(__file__).with_name("traffic.py")
MEGABYTES = 128
ROUND_TRIPS = 1000
FLOOD_SECONDS = 1.5
PACED = 100_000  # a second
SIZE = 64  # bytes of a datagram's payload

WHOLE = "tcp or udp"
FLOOD = "inbound and udp.DstPort == 5000"


def redirect(batch: fd.Batch) -> None:
    """A NAT, a hop limit and a firewall, a whole batch at a time."""
    batch.drop(batch["udp.Payload32[0]"] % 8 == 0)
    batch["udp.DstPort"] = 9000
    batch["ip.TTL"] = 42


def nothing(batch: fd.Batch) -> None:
    """Back as it came."""


# ---- traffic -------------------------------------------------------------------


@contextlib.contextmanager
def running(where: Host, *words: object) -> Iterator[subprocess.Popen[str]]:
    """A role of traffic.py on a host."""
    command = [sys.executable, str(TRAFFIC), where.path, *map(str, words)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise fd.FastDivertError("the demo's own traffic did not start")


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise fd.FastDivertError("the demo's own traffic broke off")
    found: dict[str, Any] = json.loads(line)
    return found


def serve(
    handle: fd.Handle | None, touch: Callable[[fd.Batch], None], *until: subprocess.Popen[str]
) -> None:
    """Diverts until those processes have ended, and what they sent has gone through."""
    while any(process.poll() is None for process in until):
        if handle is None:
            until[0].wait()
        else:
            _turn(handle, touch, 0.05)
    while handle is not None and _turn(handle, touch, 0.2):
        pass


def _turn(handle: fd.Handle, touch: Callable[[fd.Batch], None], timeout: float) -> bool:
    try:
        batch = handle.recv(timeout=timeout)
    except TimeoutError:
        return False
    touch(batch)
    handle.send(batch)
    return True


# ---- what is measured ------------------------------------------------------------


def transfer(client: Host, server: Host, handle: fd.Handle | None, port: int) -> dict[str, Any]:
    """A stream there, and one back."""
    with running(server, "tcp-serve", SERVER, port, MEGABYTES) as there:
        ready(there)
        with running(client, "tcp-send", SERVER, port, MEGABYTES) as here:
            serve(handle, nothing, here, there)
            mine, its = result(here), result(there)
    return {**mine, "whole": mine["went"] == its["came"] and mine["came"] == its["went"]}


def round_trip(client: Host, server: Host, handle: fd.Handle | None, port: int) -> float:
    with running(server, "udp-echo", SERVER, port) as there:
        ready(there)
        with running(client, "udp-ping", SERVER, port, ROUND_TRIPS) as here:
            serve(handle, nothing, here)
            return float(result(here)["microseconds"])


def flood(client: Host, server: Host, rate: float) -> dict[str, Any]:
    """Datagrams through ``redirect``: what both ends and the handle have counted."""
    with server.entered():
        handle = fd.open(FLOOD, queue_length=16384, queue_size=64 << 20)
    handle.max_batch = 4096
    with handle, running(server, "udp-receive", SERVER, 9000, SIZE) as there:
        ready(there)
        with running(client, "udp-send", SERVER, 5000, SIZE, FLOOD_SECONDS, rate) as here:
            begin = time.process_time()
            serve(handle, redirect, here)
            seconds = time.process_time() - begin
            assert there.stdin is not None
            there.stdin.close()
            found = {**handle.stats(), **result(here), **result(there)}
    lost = sum(found["dropped"].values())
    away = found["sent"] - found["received"] - found["verdict_dropped"] - lost
    return {**found, "cpu": seconds, "lost": lost, "away": away}


# ---- what is shown ---------------------------------------------------------------


def compare(client: Host, server: Host) -> None:
    plain = transfer(client, server, None, 7000)
    plain_trip = round_trip(client, server, None, 7001)
    with server.entered():
        handle = fd.open(WHOLE, queue_length=16384, queue_size=64 << 20)
    with handle:
        moved = transfer(client, server, handle, 7002)
        trip = round_trip(client, server, handle, 7003)
        stats = handle.stats()
    print(f"\n{'':30}{'undiverted':>14}{'diverted':>14}   filter: {WHOLE}")
    for name, key in (("to the server", "there"), ("back to the client", "back")):
        label = f"TCP, {MEGABYTES} MB {name}"
        whole = "SHA-256 equal" if plain["whole"] and moved["whole"] else "NOT THE SAME BYTES"
        print(f"{label:<30}{plain[key]:>7.1f} Gbit/s{moved[key]:>7.1f} Gbit/s   {whole}")
    added = f"{(trip - plain_trip) / 2:.0f} µs for each of two diversions, asleep before each"
    print(f"{'a datagram there and back':<30}{plain_trip:>11.0f} µs{trip:>11.0f} µs   {added}")
    lost = sum(stats["dropped"].values())
    print(
        f"{stats['delivered']:,} packets (TCP in super-packets) with {stats['bytes']:,} bytes ",
        end="",
    )
    print(f"went through Python; lost {lost}")
    if not (plain["whole"] and moved["whole"]):
        raise fd.FastDivertError("a stream came out another than it went in")


def nat(client: Host, server: Host) -> None:
    runs = [flood(client, server, rate) for rate in (PACED, float("inf"))]
    print(f"\nfilter   {FLOOD}")
    print("edit     udp.DstPort = 9000, ip.TTL = 42, checksums follow; drop every eighth number")
    print(f"\n{f'UDP, {SIZE} bytes each':30}{'paced':>14}{'flat out':>14}   packets")
    for name, show in ROWS:
        print(f"{name:<30}" + "".join(f"{show(run):>14}" for run in runs))
    if any(run["away"] or run["multiples_of_8"] for run in runs):
        raise fd.FastDivertError("packets are missing, or came though they were dropped")


#: What is shown of each run.
ROWS: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("sent by the client", lambda run: f"{run['sent']:,}"),
    ("a second", lambda run: f"{run['sent'] / run['seconds']:,.0f}"),
    ("seen by the handle", lambda run: f"{run['matched'] / run['sent']:.2%}"),
    ("dropped by numpy", lambda run: f"{run['verdict_dropped']:,}"),
    ("dropped as the queue was full", lambda run: f"{run['lost']:,}"),
    ("delivered to port 9000", lambda run: f"{run['received']:,}"),
    ("out of order", lambda run: f"{run['out_of_order']:,}"),
    ("unaccounted for", lambda run: f"{run['away']:,}"),
    ("CPU a packet, all of Python", lambda run: f"{run['cpu'] / run['delivered'] * 1e6:.2f} µs"),
)


def main() -> None:
    with wired() as (client, server):
        print(f"two hosts, {CLIENT} and {SERVER}: network namespaces, a wire between them;")
        print("the handle is on the server, real sockets talk")
        compare(client, server)
        nat(client, server)
