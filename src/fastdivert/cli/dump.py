# SPDX-License-Identifier: MIT
"""``fastdivert dump``: live packets, printed or written to a capture file."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from typing import Any, BinaryIO

import fastdivert as fd
from fastdivert.cli import live, packet_text
from fastdivert.cli.failure import DONE, UsageError
from fastdivert.cli.options import count
from fastdivert.cli.terminal import Status


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The parser of this command."""
    parser = commands.add_parser(
        "dump",
        help="print live packets, or write them to a capture file",
        description="Prints the packets that match, a line each, or writes them to a capture "
        "file. Packets are copied, and go on; with --divert they are taken and put back. "
        "Checksums that the network card would fill in are shown as the kernel has them. "
        "Ctrl-C ends it.",
    )
    live.add_filter(parser)
    parser.add_argument("-c", "--count", type=count, metavar="N", help="end after N packets")
    live.add_seconds(parser)
    parser.add_argument("--divert", action="store_true", help="take packets and put them back")
    parser.add_argument(
        "-w",
        "--write",
        metavar="OUT",
        help="a .pcap or .pcapng file instead of lines; - is standard output, as pcapng",
    )
    live.add_json_lines(parser, interval=False)
    live.add_driver(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.write is not None and arguments.json:
        raise UsageError("--json prints packets, --write writes them: choose one")
    flags = fd.Flag.NONE if arguments.divert else fd.Flag.SNIFF | fd.Flag.RECV_ONLY
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(live.Session(arguments, flags))
        writer = None if arguments.write is None else stack.enter_context(_writer(arguments.write))
        shown = _dump(session, arguments, writer)
        stats = session.handle.stats()
    print(_summary(shown, stats), file=sys.stderr)
    return DONE


def _writer(target: str) -> fd.CaptureWriter:
    to_stdout: BinaryIO = sys.stdout.buffer
    try:
        if target == "-":
            return fd.CaptureWriter(to_stdout, format="pcapng")
        return fd.CaptureWriter(target)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _dump(
    session: live.Session, arguments: argparse.Namespace, writer: fd.CaptureWriter | None
) -> int:
    shown = 0
    with Status(wanted=writer is not None) as status:
        for batch in session.batches(arguments.count):
            shown += len(batch)
            _show(session, batch, arguments, writer)
            status.update(f"{shown:,} packets written to {arguments.write}")
    return shown


def _show(
    session: live.Session,
    batch: fd.Batch,
    arguments: argparse.Namespace,
    writer: fd.CaptureWriter | None,
) -> None:
    text = ""
    try:
        if writer is not None:
            writer.write(batch)
        elif arguments.json:
            text = "".join(json.dumps(packet) + "\n" for packet in packet_text.objects(batch))
        else:
            text = "".join(line + "\n" for line in packet_text.lines(batch))
    finally:
        # Whatever becomes of the line, and before a slow terminal has taken it.
        if arguments.divert:
            session.send(batch)
        else:
            batch.release()
    if writer is None:
        sys.stdout.write(text)
    sys.stdout.flush()


def _summary(shown: int, stats: dict[str, Any]) -> str:
    lost = {cause: number for cause, number in stats["dropped"].items() if number}
    causes = f" ({', '.join(f'{cause} {number:,}' for cause, number in lost.items())})"
    return (
        f"{shown:,} packets, {stats['matched']:,} matched, "
        f"{sum(lost.values()):,} lost{causes if lost else ''}"
    )
