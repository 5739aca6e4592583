# SPDX-License-Identifier: MIT
"""``fastdivert uninstall``: takes the Windows driver away."""

from __future__ import annotations

import argparse
import sys

from fastdivert.cli.failure import DONE


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The parser of this command."""
    parser = commands.add_parser(
        "uninstall",
        help="stop the Windows driver and remove its service",
        description="Stops the driver that the first handle installed, and removes its service, "
        "so that nothing of it is left but the files of the package. Needs an administrator, and "
        "that no handle is open. On Linux there is nothing to remove.",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if sys.platform != "win32":
        print("nothing is installed: on this system the driver goes with its handles")
        return DONE
    from fastdivert.windows import _windows

    state, path = _windows.query_service()
    if state == "absent":
        print("nothing is installed")
        return DONE
    _windows.remove_service()
    print(f"removed: the driver of {path}")
    return DONE
