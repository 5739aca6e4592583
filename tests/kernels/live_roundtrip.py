# SPDX-License-Identifier: MIT
"""Run inside a guest: a datagram over loopback is diverted, edited and delivered."""

import os
import signal
import socket

import fastdivert as fd

FILTER = "udp.DstPort == 5000"


def pass_through(expected: bytes) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source,
    ):
        sink.bind(("127.0.0.1", 5000))
        sink.settimeout(5)
        source.sendto(b"hello", ("127.0.0.1", 5000))
        if expected != b"hello":
            batch = handle.recv(timeout=10)
            batch["udp.Payload[0]"] = expected[0]
            handle.send(batch)
        assert sink.recv(100) == expected


fd.open(FILTER).close()  # refused here, if at all

if os.fork() == 0:  # killed while attached: nothing of it may stay
    fd.open(FILTER)
    os.kill(os.getpid(), signal.SIGKILL)
os.wait()
pass_through(b"hello")

handle = fd.open(FILTER)
with handle:
    pass_through(b"Jello")
    assert handle.stats()["sent"] == 1
pass_through(b"hello")
print("diverted, edited, delivered")
