"""``python -m benchmarks``: runs everything, and writes the tables of README.md."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import report

_HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--short", action="store_true", help="each benchmark once, on few packets; no numbers"
    )
    parser.add_argument("-k", metavar="EXPRESSION", help="only these (as pytest's -k)")
    parser.add_argument(
        "--write", action="store_true", help="put the tables into benchmarks/README.md"
    )
    parser.add_argument(
        "--best",
        action="store_true",
        help="show the fastest round instead of the median: for a look on a busy machine",
    )
    options = parser.parse_args()
    if options.write and (options.short or options.k or options.best):
        parser.error("--write needs the whole run and its medians")

    environment = dict(os.environ)
    if options.short:
        environment["FASTDIVERT_BENCH_SHORT"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        command = [
            sys.executable, "-m", "pytest", str(_HERE), "-c", str(_HERE / "pytest.ini"),
            "-q", "-rs", "--benchmark-json", str(results), "--benchmark-quiet",
        ]  # fmt: skip
        if options.k:
            command += ["-k", options.k]
        load = os.getloadavg()[0]
        status = subprocess.run(command, env=environment, cwd=_HERE.parent, check=False).returncode
        if status or options.short:
            return status
        text = report.render(json.loads(results.read_text()), load, best=options.best)
    print(text)
    if options.write:
        report.put_into(_HERE / "README.md", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
