# SPDX-License-Identifier: MIT
"""The command line ``fastdivert``: one file a command.

Exit codes:
    0    done
    1    a file could not be read or written, or is damaged, or the driver refused; what could
         be done was done
    2    the command line or a filter is wrong; nothing was opened
    130  ended by Ctrl-C; what had been read until then was finished. Commands on live traffic
         run until Ctrl-C: for them that is the normal end, with 0
    141  whoever read the output has gone
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from fastdivert._version import __version__
from fastdivert.cli import (
    convert,
    doctor,
    drop,
    dump,
    filter,
    handles,
    pass_through,
    replay,
    top,
    uninstall,
)
from fastdivert.cli.failure import BROKEN_PIPE, FAILED, INTERRUPTED, USAGE, UsageError, describe
from fastdivert.errors import FastDivertError

_COMMANDS = (
    dump,
    pass_through,
    drop,
    top,
    handles,
    doctor,
    uninstall,
    replay,
    filter,
    convert,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except UsageError as error:
        return _complain(error, USAGE)
    except BrokenPipeError:
        # Nobody reads: what is still buffered must not fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except (FastDivertError, OSError, MemoryError) as error:
        return _complain(error, FAILED)
    return code


def _complain(error: BaseException, code: int) -> int:
    print(f"fastdivert: {describe(error)}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastdivert",
        description="The packets of a host, or of a capture, in bulk.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong command line or filter, 130 Ctrl-C, "
        "141 the output's reader has gone.",
    )
    parser.add_argument("--version", action="version", version=f"fastdivert {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    return parser
