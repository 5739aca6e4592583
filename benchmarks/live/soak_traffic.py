# SPDX-License-Identifier: MIT
"""The traffic of a soak, in a process of its own: numbered datagrams and TCP streams, every way.

``python -m benchmarks.live.soak_traffic LEFT RIGHT SECONDS`` prints what it
sent and what arrived, as JSON.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading
import time
from dataclasses import asdict, dataclass, field

from tests.live.namespaces import Namespace
from tests.live.traffic import open_socket, receiver, stream

#: Datagrams a second of each flow, in bursts, and how large they are.
RATE, BURST, SIZES = 2000, 20, (32, 200, 1400)

#: MB of each TCP stream.
MEGABYTES = 16

#: Seconds of silence after which nothing more is on its way.
QUIET = 3.0


@dataclass
class Flow:
    """Datagrams one way."""

    name: str
    sender: Namespace
    receiver: Namespace
    host: str
    port: int
    sent: int = 0
    received: int = 0
    repeated: int = 0
    disordered: int = 0
    damaged: int = 0
    ready: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def send(self, end: float) -> None:
        with open_socket(self.sender, socket.SOCK_DGRAM, self.host) as made:
            made.connect((self.host, self.port))
            begin = time.monotonic()
            while time.monotonic() < end:
                for _ in range(BURST):
                    size = SIZES[self.sent % len(SIZES)]
                    made.send(struct.pack("!I", self.sent).ljust(size, b"."))
                    self.sent += 1
                time.sleep(max(0.0, begin + self.sent / RATE - time.monotonic()))
        self.over.set()

    def receive(self) -> None:
        last = -1
        with receiver(self.receiver, self.host, self.port) as made:
            made.settimeout(QUIET)
            self.ready.set()
            while True:
                try:
                    data = made.recv(65536)
                except TimeoutError:
                    if self.over.is_set():
                        return
                    continue
                number = struct.unpack_from("!I", data)[0]
                self.received += 1
                self.repeated += number == last
                self.disordered += number < last
                self.damaged += data[4:] != b"." * (SIZES[number % len(SIZES)] - 4)
                last = number


@dataclass
class Streams:
    """TCP one after the other, each another way; ``stream`` compares the digests."""

    streams: int = 0
    megabytes: int = 0
    failures: list[str] = field(default_factory=list)

    def run(self, hosts: tuple[Namespace, Namespace], end: float) -> None:
        ways = [(a, b, host) for a, b, *both in ends(*hosts) for host in both]
        while time.monotonic() < end:
            client, server, host = ways[self.streams % len(ways)]
            try:
                stream(client, server, host, MEGABYTES, 6000 + self.streams % 1000)
            except (AssertionError, OSError) as error:
                self.failures.append(f"{host}: {error!r}")
            self.streams += 1
            self.megabytes += MEGABYTES


def ends(left: Namespace, right: Namespace) -> list[tuple[Namespace, Namespace, str, str]]:
    """(from, to, its IPv4, its IPv6)."""
    return [(left, right, "10.1.0.2", "fd00:1::2"), (right, left, "10.1.0.1", "fd00:1::1")]


def main(left: str, right: str, seconds: str) -> int:
    hosts = Namespace(left), Namespace(right)
    flows = [
        Flow(f"UDP to {host}", sender, to, host, 5000 + 10 * number + version)
        for number, (sender, to, *both) in enumerate(ends(*hosts))
        for version, host in enumerate(both)
    ]
    streams = Streams()
    receivers = [threading.Thread(target=flow.receive) for flow in flows]
    for thread, flow in zip(receivers, flows, strict=True):
        thread.start()
        flow.ready.wait()
    end = time.monotonic() + float(seconds)
    senders = [threading.Thread(target=flow.send, args=(end,)) for flow in flows]
    senders.append(threading.Thread(target=streams.run, args=(hosts, end)))
    for thread in senders:
        thread.start()
    for thread in (*senders, *receivers):
        thread.join()
    numbers = ("sent", "received", "repeated", "disordered", "damaged")
    counted = {flow.name: {name: getattr(flow, name) for name in numbers} for flow in flows}
    print(json.dumps({"flows": counted, "streams": asdict(streams)}), flush=True)
    return 0


if __name__ == "__main__":
    os.nice(5)  # the diverter comes first, as it would on a machine with cores to spare
    sys.exit(main(*sys.argv[1:]))
