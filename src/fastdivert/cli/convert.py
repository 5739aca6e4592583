# SPDX-License-Identifier: MIT
"""``fastdivert convert``: a capture into another format, whole or filtered."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import BinaryIO

import fastdivert as fd
from fastdivert.cli.failure import DONE, UsageError
from fastdivert.cli.options import (
    add_extensions,
    add_json,
    add_limit,
    compile_option,
    print_json,
    refuse_same_file,
)
from fastdivert.cli.terminal import FileProgress


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The parser of this command."""
    parser = commands.add_parser(
        "convert",
        help="write a capture in another format",
        description="Writes a capture in another format, whole or filtered. If the capture is "
        "damaged, what precedes the damage is written, and the exit code is 1.",
    )
    parser.add_argument("source", metavar="IN", help="a pcap or pcapng file")
    parser.add_argument("target", metavar="OUT", help="the file to write; - is standard output")
    parser.add_argument(
        "--format", choices=("pcap", "pcapng"), help="by default that of OUT's suffix"
    )
    parser.add_argument("--filter", metavar="TEXT", help="only the packets that match")
    add_extensions(parser)
    parser.add_argument(
        "--microseconds", action="store_true", help="pcap timestamps in microseconds"
    )
    parser.add_argument(
        "--raw", action="store_true", help="IP packets without their link-layer headers"
    )
    add_limit(parser)
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    to_stdout = arguments.target == "-"
    if to_stdout and arguments.format is None:
        raise UsageError("OUT is standard output: say --format pcap or --format pcapng")
    if to_stdout and arguments.json:
        raise UsageError("OUT and --json cannot both go to standard output")
    refuse_same_file(arguments.source, arguments.target)
    keep = None
    if arguments.filter is not None:
        keep = compile_option("--filter", arguments.filter, extensions=arguments.extensions)
    target: str | BinaryIO = sys.stdout.buffer if to_stdout else arguments.target
    link = fd.Link.RAW if arguments.raw else None
    with fd.read_pcap(arguments.source) as reader:
        try:
            writer = fd.CaptureWriter(
                target,
                format=arguments.format,
                nanosecond=not arguments.microseconds,
                link=link,
            )
        except ValueError as error:
            raise UsageError(str(error)) from None
        progress = FileProgress(reader.path, reader.size, wanted=not arguments.json)
        with writer, progress:
            for batch in limited(reader, arguments.limit):
                writer.write(batch if keep is None else batch.select(batch.match(keep)))
                progress.update(reader.position)
    result = {"read": reader.packets, "written": writer.packets, "bytes": writer.bytes}
    if arguments.json:
        print_json({"source": arguments.source, "target": arguments.target, **result})
    else:
        text = f"{writer.packets:,} of {reader.packets:,} packets, {writer.bytes:,} bytes"
        print(text, file=sys.stderr if to_stdout else sys.stdout)
    return DONE


def limited(reader: fd.CaptureReader, limit: int | None) -> Iterator[fd.Batch]:
    """The batches of a capture, up to so many packets."""
    left = limit
    for batch in reader:
        if left is None or len(batch) < left:
            left = None if left is None else left - len(batch)
            yield batch
            continue
        yield batch[:left]
        return
