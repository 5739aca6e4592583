# SPDX-License-Identifier: MIT
"""python -m tests.wine COMMAND: Windows programs under Wine; ./dev wine installs what it needs.

python [ARGUMENTS]   Windows CPython, with the wheel for Windows installed
test [ARGUMENTS]     pytest in it; without arguments, all that needs no Linux
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from tests.wine import machine

#: What runs on every system; the rest needs Linux, or tools that Wine has not.
_NEUTRAL = ("tests/batch", "tests/capture", "tests/cli", "tests/filter", "tests/handle")
_NEUTRAL += ("tests/packaging", "tests/ring", "tests/windows_live")
_MARKS = "not slow and not live and not fuzz"


def _python(arguments: Sequence[str]) -> int:
    return machine.python(*arguments)


def _test(arguments: Sequence[str]) -> int:
    chosen = arguments or ("-m", _MARKS, *_NEUTRAL)
    # Its cache would lie among those of this machine's Python.
    return machine.python("-m", "pytest", "-p", "no:cacheprovider", *chosen)


def _driver(arguments: Sequence[str]) -> int:
    times = int(arguments[0]) if arguments else 10
    driver = machine.windows_path(machine.DRIVERS / "x64/fastdivert.sys")
    good = 0
    begin = time.monotonic()
    for time_number in range(times):
        if time_number % 5 == 4:
            died = machine.run(machine.CLIENT, driver, "die", capture=True, timeout=60)
            if died.returncode != 42:
                print(f"killed: {died.returncode}\n{died.stdout}")
                continue
        done = machine.run(machine.CLIENT, driver, capture=True, timeout=60)
        if done.returncode == 0:
            good += 1
        if done.returncode != 0 or time_number == 0:
            print(done.stdout, end="", flush=True)
    print(f"{good} of {times} good, {time.monotonic() - begin:.0f} s")
    return 0 if good == times else 1


def main(arguments: Sequence[str]) -> int:
    commands = {"python": _python, "test": _test, "driver": _driver}
    name = arguments[0] if arguments else "test"
    if name not in commands:
        print(__doc__)
        return 2
    machine.prepare()
    machine.build_standin()
    with machine.session():
        wheel = machine.install()
        print(f"{wheel.name} in {machine.PYTHON.relative_to(machine.ROOT)}", flush=True)
        return commands[name](arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
