# SPDX-License-Identifier: MIT
"""measure_abi3.py ABI3 VERSIONED: what the stable ABI costs, call by call.

Each argument is a folder that a wheel was unpacked into, one built as usual and
one with FASTDIVERT_ABI3=0. Processes of the two take turns; the median of all
rounds is printed in microseconds, and the ratio of the medians.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from statistics import median

ROUNDS = 15

MEASURE = """
import json, struct, sys, time
import fastdivert as fd

def packet(k):
    ends = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 64, k & 0xFFFF, 0, 64, 6, 0, *ends)
    return ip + struct.pack("!HHIIBBHHH", 1024 + k, 80, 1, 2, 0x50, 2, 512, 0, 0) + b"x" * 24

def best(call):
    count = 1
    while True:
        begin = time.perf_counter()
        for _ in range(count):
            call()
        seconds = time.perf_counter() - begin
        if seconds > 0.01:
            return seconds / count * 1e6
        count *= 2

result = {}
for size in (1, 64, 4096):
    packets = [packet(k) for k in range(size)]
    batch = fd.Batch.from_packets(packets)
    calls = {
        "Batch.from_packets": lambda: fd.Batch.from_packets(packets),
        'batch["tcp.DstPort"]': lambda: batch["tcp.DstPort"],
        'batch["ip.TTL"] = 9': lambda: batch.set("ip.TTL", 9),
        'batch.match("tcp.Syn")': lambda: batch.match("tcp.Syn"),
        "batch.headers": lambda: batch.headers,
        "batch.select": lambda: batch.select(slice(None)),
        "batch.checksums": lambda: batch.checksums(),
    }
    for name, call in calls.items():
        result[f"{name}, {size}"] = best(call)
    if size == 64:
        one = batch[0]
        result['packet["tcp.DstPort"], 1'] = best(lambda: one["tcp.DstPort"])
json.dump(result, sys.stdout)
"""


def measure(folder: str) -> dict[str, float]:
    # Without the padding glibc maps and unmaps each large block, or not, by the
    # accidents of the heap's layout: a factor of ten that has nothing to do with the ABI.
    environment = {**os.environ, "PYTHONPATH": folder, "MALLOC_TOP_PAD_": str(1 << 26)}
    command = [sys.executable, "-c", MEASURE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(abi3: str, versioned: str) -> None:
    rounds = [(measure(abi3), measure(versioned)) for _ in range(ROUNDS)]
    print("| call, packets | abi3, µs | versioned, µs | ratio |")
    print("|---|---|---|---|")
    for name in rounds[0][0]:
        one, other = (median(found[k][name] for found in rounds) for k in (0, 1))
        call, _, packets = name.rpartition(", ")
        print(f"| `{call}`, {packets} ", end="")
        print(f"| {one:.2f} | {other:.2f} | {one / other:.2f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
