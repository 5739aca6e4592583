# SPDX-License-Identifier: MIT
"""``fastdivert replay``: a capture through a handle, as a host's traffic would go."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import fastdivert as fd
from fastdivert.cli import replay_summary
from fastdivert.cli.convert import limited
from fastdivert.cli.failure import DONE, INTERRUPTED, UsageError
from fastdivert.cli.options import (
    LAYERS,
    add_extensions,
    add_json,
    add_limit,
    compile_option,
    count,
    refuse_same_file,
)
from fastdivert.cli.tally import Tally
from fastdivert.cli.terminal import FileProgress, require_rich

#: How often a paced replay looks whether Ctrl-C was pressed, in seconds.
_LOOK = 0.1


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The parser of this command."""
    parser = commands.add_parser(
        "replay",
        help="put a capture through a filter: edit, drop, write",
        description="Puts a capture through a handle of the replay driver, as a host's traffic "
        "would go: what the filter matches is taken, edited, dropped in part, and sent into a "
        "capture file. Ctrl-C finishes what has been read and prints the summary so far.",
    )
    parser.add_argument("source", metavar="IN", help="a pcap or pcapng file")
    taken = parser.add_argument_group("what is taken")
    taken.add_argument("--filter", metavar="TEXT", default="true", help="default: true")
    taken.add_argument(
        "--layer", choices=("network", "forward"), default="network", help="default: network"
    )
    add_extensions(taken)
    add_limit(taken)
    done = parser.add_argument_group("what is done with it")
    done.add_argument(
        "--set",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="write a field of every packet taken, checksums included (repeatable)",
    )
    done.add_argument(
        "--checksums", action="store_true", help="compute all checksums of the packets taken anew"
    )
    done.add_argument("--drop", metavar="TEXT", help="drop what this filter matches too")
    written = parser.add_argument_group("what is written")
    written.add_argument("--write", metavar="OUT", help="a .pcap or .pcapng file")
    which = written.add_mutually_exclusive_group()
    which.add_argument(
        "--only-matching", action="store_true", help="what was taken and not dropped (default)"
    )
    which.add_argument("--all", action="store_true", help="what the filter does not match as well")
    driver = parser.add_argument_group("the driver")
    driver.add_argument(
        "--pace",
        metavar="FACTOR",
        nargs="?",
        type=float,
        const=1.0,
        help="play at the capture's timestamps, FACTOR times as fast; without this, at full speed",
    )
    driver.add_argument("--priority", type=int, default=0, metavar="N", help="-30000 to 30000")
    driver.add_argument("--queue-length", type=int, metavar="PACKETS", help="default: 4096")
    driver.add_argument("--queue-time", type=int, metavar="MS", help="default: 2000")
    driver.add_argument("--queue-size", type=int, metavar="BYTES", help="default: 4194304")
    driver.add_argument(
        "--batch", type=count, default=1024, metavar="PACKETS", help="at most, default: 1024"
    )
    shown = parser.add_argument_group("what is printed")
    shown.add_argument(
        "--talkers", type=count, metavar="N", help="the N source addresses with the most bytes"
    )
    add_json(shown)
    parser.set_defaults(run=_run)


@dataclass
class Edits:
    """What is done with every batch."""

    fields: list[tuple[str, Any]]
    checksums: bool
    drop: fd.Filter | None

    def apply(self, batch: fd.Batch) -> None:
        for name, value in self.fields:
            batch.set(name, value)
        if self.checksums:
            batch.checksums()
        if self.drop is not None:
            batch.drop(batch.match(self.drop))


@dataclass
class Outcome:
    """How a replay went."""

    arguments: argparse.Namespace
    tally: Tally
    read: int = 0
    read_bytes: int = 0
    seconds: float = 0.0
    written: int | None = None
    stats: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False
    error: fd.CaptureError | None = None


def _run(arguments: argparse.Namespace) -> int:
    if not arguments.json:
        require_rich()
    layer = LAYERS[arguments.layer]
    filter = compile_option("--filter", arguments.filter, layer, extensions=arguments.extensions)
    drop = None
    if arguments.drop is not None:
        drop = compile_option("--drop", arguments.drop, layer, extensions=arguments.extensions)
    edits = Edits([_edit(text, layer) for text in arguments.set], arguments.checksums, drop)
    if arguments.write is not None:
        refuse_same_file(arguments.source, arguments.write)
    outcome = Outcome(arguments, Tally(talkers=arguments.talkers is not None))
    with fd.read_pcap(arguments.source) as reader:
        _play(reader, filter, edits, outcome)
    replay_summary.show(outcome)
    if outcome.error is not None:
        raise outcome.error
    return INTERRUPTED if outcome.interrupted else DONE


def _edit(text: str, layer: fd.Layer) -> tuple[str, Any]:
    """FIELD=VALUE, tried on a batch of nothing: what is refused now would be refused later."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not value:
        raise UsageError(f"--set {text!r}: FIELD=VALUE is needed, as in ip.TTL=64")
    edit = name, _value(value)
    try:
        fd.Batch.from_packets([], layer=layer).set(*edit)
    except KeyError as error:
        raise UsageError(f"--set {text!r}: {error.args[0]}") from None
    except ValueError as error:
        raise UsageError(f"--set {text!r}: {error}") from None
    return edit


def _value(text: str) -> int | str:
    truth = {"true": 1, "false": 0}
    if text.lower() in truth:
        return truth[text.lower()]
    try:
        return int(text, 0)
    except ValueError:
        return text  # an address


def _open(arguments: argparse.Namespace, filter: fd.Filter, **options: Any) -> fd.Handle:
    return fd.open(
        filter,
        filter.layer,
        arguments.priority,
        driver="replay",
        queue_length=arguments.queue_length,
        queue_time=arguments.queue_time,
        queue_size=arguments.queue_size,
        pace=False if arguments.pace is None else arguments.pace,
        unmatched="pass" if arguments.all else "discard",
        **options,
    )


def _sink(arguments: argparse.Namespace, filter: fd.Filter) -> fd.CaptureWriter | None:
    """The capture to write; it is not touched if the driver's options are refused."""
    try:
        _open(arguments, filter, source=fd.Batch.from_packets([], layer=filter.layer)).close()
        return None if arguments.write is None else fd.CaptureWriter(arguments.write)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _play(reader: fd.CaptureReader, filter: fd.Filter, edits: Edits, outcome: Outcome) -> None:
    arguments = outcome.arguments
    sink = _sink(arguments, filter)
    begin = time.perf_counter()
    source = _counted(limited(reader, arguments.limit), outcome)
    handle = _open(arguments, filter, source=source, sink=sink)
    handle.max_batch = arguments.batch
    progress = FileProgress(reader.path, reader.size, wanted=not arguments.json)
    with handle, progress:
        try:
            for batch in _batches(handle, outcome):
                outcome.tally.add(batch)
                edits.apply(batch)
                handle.send(batch)
                progress.update(reader.position)
        except fd.CaptureError as error:
            outcome.error = error
        outcome.stats = handle.stats()
    outcome.seconds = time.perf_counter() - begin
    outcome.written = sink.packets if sink is not None else None


def _counted(batches: Iterator[fd.Batch], outcome: Outcome) -> Iterator[fd.Batch]:
    for batch in batches:
        outcome.read += len(batch)
        outcome.read_bytes += int(batch.headers["captured"].sum())
        yield batch


def _batches(handle: fd.Handle, outcome: Outcome) -> Iterator[fd.Batch]:
    """Until the capture ends, or Ctrl-C: then what has been taken is finished first.

    A second Ctrl-C ends at once.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        outcome.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    previous = signal.signal(signal.SIGINT, stop)
    told = False
    try:
        while True:
            if outcome.interrupted and not told:
                told = True
                handle.shutdown(fd.Shutdown.RECV)
            try:
                yield handle.recv(timeout=_LOOK)
            except TimeoutError:
                continue
            except fd.ShutdownError:
                return
    finally:
        signal.signal(signal.SIGINT, previous)
