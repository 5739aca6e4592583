# SPDX-License-Identifier: MIT
"""``fastdivert pass``: takes packets and puts them back as they came, with counters."""

from __future__ import annotations

import argparse
from typing import Any

import fastdivert as fd
from fastdivert.cli import live
from fastdivert.cli.counters import Counters, losses, rate, require_display
from fastdivert.cli.failure import DONE


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The parser of this command."""
    parser = commands.add_parser(
        "pass",
        help="take live packets and put them back, with counters",
        description="Takes the packets that match out of the stack and puts them back as they "
        "came: what a program that diverts costs before it does anything. Ctrl-C ends it.",
    )
    live.add_filter(parser)
    live.add_seconds(parser)
    live.add_json_lines(parser)
    live.add_driver(parser)
    parser.set_defaults(run=_run, command="pass")


def _run(arguments: argparse.Namespace) -> int:
    require_display(arguments)
    with (
        live.Session(arguments, fd.Flag.NONE) as session,
        Counters(session, arguments, _rows) as counters,
    ):
        while not session.over:
            batch = session.recv(until=counters.due)
            if batch is not None:
                session.send(batch)
            counters.look()
        for batch in session.drain():
            session.send(batch)
        counters.finish()
    return DONE


def _rows(stats: dict[str, Any], rates: dict[str, float]) -> list[tuple[str, str]]:
    rows = [
        ("matched", f"{stats['matched']:,}"),
        ("put back", f"{stats['sent']:,}"),
        ("packets", rate(rates["sent"], "packets")),
        ("bytes", rate(rates["bytes"], "bytes")),
        ("waited in the queue", f"{stats['queue_wait_ns'] / 1e6:.3f} ms"),
        *losses(stats),
    ]
    if stats["send_errors"]:
        rows.append(("not taken back by the kernel", f"{stats['send_errors']:,}"))
    return rows
