# SPDX-License-Identifier: MIT
"""python -m tests.wine COMMAND: Windows programs under Wine; ./dev wine installs what it needs.

python [ARGUMENTS]   Windows CPython, with the wheel for Windows installed
test [ARGUMENTS]     pytest in it; without arguments, all that needs no Linux
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.wine import machine

#: What runs on every system; the rest needs Linux, or tools that Wine has not.
_NEUTRAL = ("tests/batch", "tests/capture", "tests/cli", "tests/filter", "tests/handle")
_NEUTRAL += ("tests/packaging", "tests/ring", "tests/windows")
_MARKS = "not slow and not live and not fuzz"


def _python(arguments: Sequence[str]) -> int:
    return machine.python(*arguments)


def _test(arguments: Sequence[str]) -> int:
    chosen = arguments or ("-m", _MARKS, *_NEUTRAL)
    # Its cache would lie among those of this machine's Python.
    return machine.python("-m", "pytest", "-p", "no:cacheprovider", *chosen)


def main(arguments: Sequence[str]) -> int:
    commands = {"python": _python, "test": _test}
    name = arguments[0] if arguments else "test"
    if name not in commands:
        print(__doc__)
        return 2
    machine.prepare()
    try:
        machine.build_standin()
        wheel = machine.install()
        print(f"{wheel.name} in {machine.PYTHON.relative_to(machine.ROOT)}", flush=True)
        return commands[name](arguments[1:])
    finally:
        machine.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
