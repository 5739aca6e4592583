# SPDX-License-Identifier: MIT
"""``fastdivert top``: who talks, most bytes first, refreshed."""

from __future__ import annotations

import argparse
import json
import time

import fastdivert as fd
from fastdivert.cli import live
from fastdivert.cli.counters import rate, require_display
from fastdivert.cli.failure import DONE
from fastdivert.cli.options import count
from fastdivert.cli.talkers import KINDS, Talker, Talkers
from fastdivert.cli.terminal import Display, table


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The parser of this command."""
    parser = commands.add_parser(
        "top",
        help="show who talks, most bytes first",
        description="Shows who talks, those first who sent the most bytes since the last look; "
        "at the end, over all the time. Packets are copied, and go on. Ctrl-C ends it.",
    )
    live.add_filter(parser)
    parser.add_argument("--by", choices=KINDS, default="conversation", help="default: conversation")
    parser.add_argument("-n", "--most", type=count, default=20, metavar="N", help="default: 20")
    live.add_seconds(parser)
    live.add_json_lines(parser)
    live.add_driver(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    require_display(arguments)
    talkers = Talkers(arguments.by)
    with live.Session(arguments, fd.Flag.SNIFF | fd.Flag.RECV_ONLY) as session:
        if arguments.json:
            _print(session, talkers, arguments)
        else:
            _show(session, talkers, arguments)
    return DONE


def _collect(session: live.Session, talkers: Talkers, seconds: float) -> float:
    """Adds up until that time has passed, or the session is over; the time it took."""
    begin = time.monotonic()
    while not session.over and time.monotonic() < begin + seconds:
        batch = session.recv(until=begin + seconds)
        if batch is not None:
            talkers.add(batch)
            batch.release()
    return time.monotonic() - begin


def _finish(session: live.Session, talkers: Talkers) -> int:
    """What was queued still; how many packets were lost."""
    for batch in session.drain():
        talkers.add(batch)
        batch.release()
    return sum(session.handle.stats()["dropped"].values())


def _show(session: live.Session, talkers: Talkers, arguments: argparse.Namespace) -> None:
    heads = (arguments.by, "bytes/s", "packets", "bytes")
    with Display() as display:
        while not session.over:
            talkers.look()
            took = _collect(session, talkers, arguments.interval)
            rows = [
                _row(one, one.recent / took) for one in talkers.most(arguments.most, recent=True)
            ]
            display.update(table(f"top: {arguments.filter}", rows, heads))
        lost = _finish(session, talkers)
        rows = [_row(one, one.bytes / session.elapsed) for one in talkers.most(arguments.most)]
        whole = f"{talkers.packets:,} packets, {talkers.bytes:,} bytes, {lost:,} lost"
        display.finish(table(f"top: {arguments.filter}: {whole}", rows, heads))


def _row(one: Talker, speed: float) -> tuple[str, ...]:
    return one.name, rate(speed, "bytes"), f"{one.packets:,}", f"{one.bytes:,}"


def _print(session: live.Session, talkers: Talkers, arguments: argparse.Namespace) -> None:
    while not session.over:
        talkers.look()
        _collect(session, talkers, arguments.interval)
        if not session.over:
            _print_line(session, talkers, talkers.most(arguments.most, recent=True))
    lost = _finish(session, talkers)
    _print_line(session, talkers, talkers.most(arguments.most), final=True, lost=lost)


def _print_line(
    session: live.Session, talkers: Talkers, most: list[Talker], **more: object
) -> None:
    found = {
        "seconds": round(session.elapsed, 6),
        "final": False,
        "packets": talkers.packets,
        "bytes": talkers.bytes,
        **more,
        "talkers": [
            {"name": one.name, "packets": one.packets, "bytes": one.bytes, "recent": one.recent}
            for one in most
        ],
    }
    print(json.dumps(found), flush=True)
