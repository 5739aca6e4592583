# SPDX-License-Identifier: MIT
"""``fastdivert drop``: drops packets in the kernel, and counts them."""

from __future__ import annotations

import argparse
from typing import Any

import fastdivert as fd
from fastdivert.cli import live
from fastdivert.cli.counters import Counters, rate, require_display
from fastdivert.cli.failure import DONE


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The parser of this command."""
    parser = commands.add_parser(
        "drop",
        help="drop live packets, and count them",
        description="Drops the packets that match for as long as it runs; none of them leaves "
        "the kernel. Ctrl-C ends it, and traffic flows again.",
    )
    live.add_filter(parser, required=True)
    live.add_seconds(parser)
    live.add_json_lines(parser)
    live.add_driver(parser)
    parser.set_defaults(run=_run, command="drop")


def _run(arguments: argparse.Namespace) -> int:
    require_display(arguments)
    with (
        live.Session(arguments, fd.Flag.DROP | fd.Flag.RECV_ONLY) as session,
        Counters(session, arguments, _rows) as counters,
    ):
        while not session.over:
            session.wait(counters.due)
            counters.look()
        counters.finish()
    return DONE


def _rows(stats: dict[str, Any], rates: dict[str, float]) -> list[tuple[str, str]]:
    return [
        ("dropped", f"{stats['dropped']['flag']:,}"),
        ("packets", rate(rates["matched"], "packets")),
        ("looked at", f"{stats['seen']:,}"),
    ]
