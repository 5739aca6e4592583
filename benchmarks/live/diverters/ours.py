# SPDX-License-Identifier: MIT
"""fastdivert: batches, a column touched in numpy, one call to send."""

from __future__ import annotations

import fastdivert as fd
from benchmarks.live.diverters import running


def main() -> None:
    options = running.options()
    max_batch, edits = options.pop("max_batch", None), options.pop("edits", False)
    flags = fd.Flag.SNIFF if options.pop("sniffs") else fd.Flag.NONE
    layer = fd.Layer.NETWORK_FORWARD if options.pop("forwarded") else fd.Layer.NETWORK
    with fd.open(options.pop("filter"), layer, flags=flags, **options) as handle:
        if max_batch is not None:
            handle.max_batch = max_batch
        packets = size = touched = batches = 0
        before = running.cpu()
        running.when_over(lambda: handle.shutdown(fd.Shutdown.RECV))
        for batch in handle:
            packets += len(batch)
            batches += 1
            size += int(batch.headers["length"].sum())
            if edits:
                batch["ip.TTL"] = 63
            else:
                touched += int(batch["ip.TTL"].sum())
            if not flags:
                handle.send(batch)
            del batch
        used = running.cpu() - before
        running.report(
            packets=packets,
            bytes=size,
            batches=batches,
            touched=touched,
            cpu=used,
            counters=handle.stats(),
        )


if __name__ == "__main__":
    main()
