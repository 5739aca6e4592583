# SPDX-License-Identifier: MIT
"""NetfilterQueue: a callback for each packet."""

from __future__ import annotations

import select
import sys
from typing import Any

from netfilterqueue import COPY_PACKET, NetfilterQueue

from benchmarks.live.diverters import running

_SOCKET = 128 << 20


def main() -> None:
    options = running.options()
    packets = size = touched = 0

    def judge(packet: Any) -> None:
        nonlocal packets, size, touched
        payload = packet.get_payload()
        packets += 1
        size += len(payload)
        touched += payload[8]  # the TTL
        packet.accept()

    queue = NetfilterQueue()
    queue.bind(
        options["queue"],
        judge,
        max_len=options["length"],
        mode=COPY_PACKET,
        range=0xFFFF,
        sock_len=_SOCKET,
    )
    before = running.cpu()
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([queue.get_fd(), sys.stdin], [], [])
        if sys.stdin in readable:
            break
        queue.run(block=False)
    used = running.cpu() - before
    queue.unbind()
    running.report(packets=packets, bytes=size, touched=touched, cpu=used)


if __name__ == "__main__":
    main()
