# SPDX-License-Identifier: MIT
"""One run of each kind of traffic, with a diverter on its way or without."""

from __future__ import annotations

import contextlib
from typing import Any

from benchmarks.live.contestants import Contestant, Job
from benchmarks.live.lab import PORT, RECEIVER, SENDER
from benchmarks.live.program import Program, built

Figures = dict[str, float]


def datagrams(
    job: Job, diverter: Contestant, *, size: int, rate: int, seconds: float, quiet: float
) -> Figures:
    """UDP packets of size bytes of IP, at a rate (0: as fast as it goes).

    Afterwards, quiet seconds of silence say that nothing more will arrive.
    """
    path = job.path
    where = path.address, str(PORT), str(size)
    pace = str(rate), str(seconds)
    if path.direction == "outbound":
        origin, send = path.sender, [built("generator"), *where, *pace]
    else:  # as if from a wire, at the diverter's device
        origin, send = path.diverter, [built("wire"), path.device, path.source, *where, *pace]
    with (
        Program(path.receiver, [built("sink"), *where, str(quiet)], RECEIVER) as sink,
        diverter(job) as program,
    ):
        with Program(origin, send, SENDER) as generator:
            sent = generator.wait(seconds + 20)
        arrived = sink.result(60)
        seen = program.result() if program else None
    return _figures(sent, arrived, seen)


def _figures(sent: dict[str, Any], arrived: dict[str, Any], seen: dict[str, Any] | None) -> Figures:
    if arrived["wrong"]:
        raise RuntimeError(f"{arrived['wrong']} datagrams arrived with other bytes or lengths")
    offered, count = sent["packets"], arrived["packets"]
    # What arrives without having been seen was not diverted.
    through = count if seen is None else min(count, seen["packets"])
    figures = {
        "offered": offered / sent["seconds"],
        "delivered": through / arrived["seconds"] if count > 1 else 0.0,
        "lost": 1 - count / offered,
        "sender_cpu": sent["cpu"] / offered,
    }
    if seen is not None:
        packets = seen["packets"]
        figures["cpu"] = seen["cpu"] / packets if packets else float("inf")
        figures["seen"] = packets / offered
        figures["unseen"] = (count - through) / offered
        if "batches" in seen and packets:
            figures["batch"] = packets / seen["batches"]
    return figures


def bulk(job: Job, diverter: Contestant, *, seconds: float) -> Figures:
    """One TCP connection, as fast as it goes."""
    path = job.path
    where = path.address, str(PORT)
    serve, send = [built("stream"), "serve", *where], [built("stream"), "send", *where]
    with Program(path.receiver, serve, None) as server, diverter(job) as program:
        with Program(path.sender, [*send, str(seconds)], None) as client:
            client.wait(seconds + 30)
        arrived = server.wait(30)
        seen = program.result() if program else None
    figures = {"speed": arrived["bytes"] * 8 / arrived["seconds"] if arrived["bytes"] else 0.0}
    if seen is not None:
        # With headers: all of it through the handle is somewhat over 1.
        figures["bytes_seen"] = seen["bytes"] / max(1, arrived["bytes"])
        figures["packet"] = seen["bytes"] / max(1, seen["packets"])
    return figures


def latency(
    job: Job, diverter: Contestant, *, count: int, pause: int, awake: bool = False
) -> Figures:
    """A ping-pong of 64-byte packets; the way there is diverted.

    awake: only the way there, to a receiver that spins, and so is not woken.
    """
    path = job.path
    where = path.address, str(PORT)
    ping = [built("pingpong"), "oneway" if awake else "ping", *where, str(count), str(pause)]
    with contextlib.ExitStack() as stack:
        if awake:
            ping.append(f"/run/netns/{path.receiver.name}")
        else:
            echo = [built("pingpong"), "echo", *where]
            stack.enter_context(Program(path.receiver, echo, RECEIVER))
        program = stack.enter_context(diverter(job))
        with Program(path.sender, ping, SENDER) as client:
            trips = client.wait(60)
        seen = program.result() if program else None
    figures = {
        "p50": trips["p50"],
        "p99": trips["p99"],
        "lost": 1 - trips["packets"] / trips["sent"],
    }
    if seen is not None:
        figures["seen"] = seen["packets"] / trips["sent"]
    return figures
