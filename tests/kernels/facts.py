"""What the running kernel is, has and does, as JSON; run with -m tests.kernels.facts."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

import fastdivert as fd

CAPTURE = Path(__file__).parents[1] / "captures" / "http.pcap"


def replay() -> dict[str, Any]:
    """A capture's IPv4 TCP packets, diverted, given a TTL of 33; all that arrived at the sink."""
    sent: list[fd.Batch] = []
    with fd.open(
        "ip and tcp",
        driver="replay",
        source=fd.read_pcap(CAPTURE),
        sink=lambda batch: sent.append(batch.copy()),
    ) as handle:
        for batch in handle:
            batch["ip.TTL"] = 33
            handle.send(batch)
        stats = handle.stats()
    packets = [packet.raw for batch in sent for packet in batch]
    return {
        "matched": int(stats["matched"]),
        "arrived": len(packets),
        "ttl": sorted({int(ttl) for batch in sent for ttl in batch["ip.TTL"][batch.match("ip")]}),
        "sha256": hashlib.sha256(b"".join(map(bytes, packets))).hexdigest(),
    }


def facts() -> dict[str, Any]:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    return {
        "release": platform.release(),
        "uid": os.geteuid(),
        "btf": Path("/sys/kernel/btf/vmlinux").stat().st_size,
        "mounts": dict(mounts),
        "module": fd.__file__,
        "replay": replay(),
    }


if __name__ == "__main__":
    print(json.dumps(facts()))
