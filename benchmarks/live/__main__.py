# SPDX-License-Identifier: MIT
"""``python -m benchmarks.live``: as root, in namespaces of its own; prints the tables."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from benchmarks.live import report
from benchmarks.live.lab import lab
from benchmarks.live.works import SHORT, WHOLE, WORKS, Results


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument(
        "works", nargs="*", metavar="WORK", help=f"only these of: {', '.join(WORKS)}"
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help="everything once, for a moment: does it still run? No numbers",
    )
    parser.add_argument(
        "--write", action="store_true", help="put the tables into benchmarks/live/README.md"
    )
    options = parser.parse_args()
    if unknown := set(options.works) - WORKS.keys():
        parser.error(f"there is no work {', '.join(sorted(unknown))}")
    if options.write and (options.short or options.works):
        parser.error("--write needs the whole run")
    if os.geteuid() != 0:
        parser.error("namespaces and handles need root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # cleans up
    load = os.getloadavg()[0]
    results = Results()
    with lab() as hosts:
        for name in options.works or WORKS:
            WORKS[name](hosts, SHORT if options.short else WHOLE, results)
    if options.short:
        return _verdict(results)
    text = report.render(results, load)
    print(text)
    if options.write:
        report.put_into(Path(__file__).with_name("README.md"), text)
    return 0


def _verdict(results: Results) -> int:
    for name, reason in results.skipped.items():
        print(f"skipped: {name}: {reason}", file=sys.stderr)
    return 1 if any(name.startswith("fastdivert") for name in results.skipped) else 0


if __name__ == "__main__":
    sys.exit(main())
