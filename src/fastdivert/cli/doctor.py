# SPDX-License-Identifier: MIT
"""``fastdivert doctor``: whether live capture works here; if not, why, and the cure."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from fastdivert.cli.failure import DONE, FAILED
from fastdivert.cli.options import add_json, print_json
from fastdivert.live.report import Report


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The parser of this command."""
    parser = commands.add_parser(
        "doctor",
        help="say whether live capture works here; if not, why, and what to do",
        description="Looks at everything that live capture needs, and tries it: opens a handle "
        "that matches nothing, and on Linux diverts a datagram in a namespace of its own. On "
        "Windows this installs the driver, which fastdivert uninstall removes. The exit code "
        "is 0 only if live capture works.",
    )
    parser.add_argument(
        "--clean",
        action="store_true",
        help="first remove the filters that killed handles left in this network namespace "
        "(only on kernels without tcx, and they let everything pass)",
    )
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.clean and not _clean():
        return FAILED
    report = _examine()
    if arguments.json:
        print_json(dataclasses.asdict(report))
    else:
        _print(report)
    return DONE if report.works else FAILED


def _examine() -> Report:
    if sys.platform == "win32":
        from fastdivert.windows.doctor import examine
    else:
        from fastdivert.linux.doctor import examine
    return examine()


def _clean() -> bool:
    try:
        from fastdivert.linux import _linux

        _linux.leftovers(True)
    except (ImportError, OSError) as error:
        print(f"fastdivert: what killed handles left cannot be removed: {error}", file=sys.stderr)
        return False
    return True


def _print(report: Report) -> None:
    width = max(len(check.name) for check in report.checks)
    for check in report.checks:
        print(f"{check.result:<7}  {check.name:<{width}}  {check.found}")
        if check.cure:
            print(f"{'':7}  {'':{width}}  cure: {check.cure}")
    if report.works:
        print(f"\nLive capture works here: tier {report.tier}.")
    else:
        print("\nLive capture does not work here. fastdivert replay needs none of this.")
