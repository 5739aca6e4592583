# SPDX-License-Identifier: MIT
"""pydivert on Linux, as its README does it: a loop over packets."""

from __future__ import annotations

import pydivert  # type: ignore[import-untyped, unused-ignore]

from benchmarks.live.diverters import running

#: What its parameters allow at most.
_LENGTH, _SIZE = 16384, 33554432


def main() -> None:
    options = running.options()
    flags = pydivert.Flag.SNIFF if options["sniffs"] else pydivert.Flag.DEFAULT
    layer = pydivert.Layer.NETWORK_FORWARD if options["forwarded"] else pydivert.Layer.NETWORK
    over: list[bool] = []
    with pydivert.Divert(options["filter"], layer, flags=flags) as handle:
        handle.set_param(pydivert.Param.QUEUE_LEN, _LENGTH)
        handle.set_param(pydivert.Param.QUEUE_SIZE, _SIZE)
        packets = size = touched = 0
        before = running.cpu()
        running.when_over(lambda: over.append(True))
        while not over:
            try:
                packet = handle.recv(timeout=0.1)
            except TimeoutError:
                continue
            packets += 1
            size += len(packet.raw)
            touched += packet.ipv4.ttl
            if not flags:
                handle.send(packet)
        used = running.cpu() - before
        running.report(
            packets=packets, bytes=size, touched=touched, cpu=used, counters=handle.stats()
        )


if __name__ == "__main__":
    main()
