# SPDX-License-Identifier: MIT
"""What the commands on live traffic share: their options, and a handle that ends well.

They run until Ctrl-C, SIGTERM, ``--seconds`` or a count: that is their normal end,
so it has exit code 0 and a summary.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

import numpy as np

import fastdivert as fd
from fastdivert.cli.failure import UsageError
from fastdivert.cli.options import LAYERS, add_extensions, compile_option
from fastdivert.live.errors import DriverError

#: Seconds after which a session that waits looks around: was Ctrl-C pressed, is it time?
_LOOK: Final = 0.1


def add_filter(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """FILTER, and where it is applied."""
    parser.add_argument(
        "filter",
        metavar="FILTER",
        nargs=None if required else "?",
        default="true",
        help="which packets" + ("" if required else "; default: true, all of them"),
    )
    add_extensions(parser)
    parser.add_argument(
        "--layer", choices=("network", "forward"), default="network", help="default: network"
    )
    parser.add_argument(
        "--netns",
        metavar="NAME",
        help="work in this network namespace: a name that ip netns lists, or a path "
        "such as /proc/PID/ns/net",
    )


def add_driver(parser: argparse.ArgumentParser) -> None:
    """Options of the handle."""
    driver = parser.add_argument_group("the driver")
    driver.add_argument("--priority", type=int, default=0, metavar="N", help="-30000 to 30000")
    driver.add_argument("--queue-length", type=int, metavar="PACKETS", help="default: 4096")
    driver.add_argument("--queue-time", type=int, metavar="MS", help="default: 2000")
    driver.add_argument("--queue-size", type=int, metavar="BYTES", help="default: 4194304")
    driver.add_argument(
        "--overflow",
        choices=("drop", "pass"),
        default="drop",
        help="what becomes of packets that find no room in the queue; default: drop",
    )


def add_seconds(parser: argparse.ArgumentParser) -> None:
    """--seconds."""
    parser.add_argument("--seconds", type=_seconds, metavar="S", help="end after so long")


def add_json_lines(parser: argparse.ArgumentParser, *, interval: bool = True) -> None:
    """--json, one object a line, and how often."""
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    if interval:
        parser.add_argument(
            "--interval",
            type=_seconds,
            default=1.0,
            metavar="S",
            help="between one look at the counters and the next; default: 1",
        )


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1e9:
        raise argparse.ArgumentTypeError(f"{text} is no time above 0")
    return number


class Session:
    """A live handle, from its opening to its summary. A context manager."""

    def __init__(self, arguments: argparse.Namespace, flags: fd.Flag) -> None:
        layer = LAYERS[arguments.layer]
        filter = compile_option("FILTER", arguments.filter, layer, extensions=arguments.extensions)
        if arguments.netns is not None:
            _enter(arguments.netns)
        self.handle = _open(arguments, filter, flags)
        self.begin = time.monotonic()
        self._end = None if arguments.seconds is None else self.begin + arguments.seconds
        self._stopped = False
        self._signals: dict[int, Any] = {}

    def __enter__(self) -> Session:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._signals[number] = signal.signal(number, self._stop)
        filter = self.handle.filter
        print(f"open: {filter.text} at {filter.layer.name}; Ctrl-C ends it", file=sys.stderr)
        return self

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Only takes note: the handle may be in the middle of something. Twice ends at once."""
        self._stopped = True
        signal.signal(number, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        self.handle.close()
        for number, handler in self._signals.items():
            signal.signal(number, handler)

    @property
    def elapsed(self) -> float:
        """Seconds since the handle was opened."""
        return time.monotonic() - self.begin

    @property
    def over(self) -> bool:
        """Whether Ctrl-C was pressed, or the time is up."""
        return self._stopped or (self._end is not None and time.monotonic() >= self._end)

    def recv(self, most: int | None = None, until: float | None = None) -> fd.Batch | None:
        """A batch, or None if none came before that time, or if the session is over."""
        while not self.over:
            try:
                return self.handle.recv(most, timeout=self._patience(until))
            except TimeoutError:
                if until is not None and time.monotonic() >= until:
                    return None
        return None

    def send(self, batch: fd.Batch) -> None:
        """What cannot be put back is for the counters to tell, and ends nothing."""
        self.handle.send(batch, faults=np.empty(len(batch), np.int32))

    def wait(self, until: float) -> None:
        """Sleeps until that time, or until the session is over."""
        while not self.over and (left := self._patience(until)) > 0:
            time.sleep(left)

    def _patience(self, until: float | None) -> float:
        ends = [end for end in (until, self._end) if end is not None]
        return max(0.0, min([_LOOK, *(end - time.monotonic() for end in ends)]))

    def batches(self, limit: int | None = None) -> Iterator[fd.Batch]:
        """Up to limit packets until the session is over; then what is queued already."""
        left = sys.maxsize if limit is None else limit
        while left > 0:
            batch = self.recv(min(left, self.handle.max_batch))
            if batch is None:
                break
            left -= len(batch)
            yield batch
        else:
            return
        yield from self.drain(left)

    def drain(self, limit: int = sys.maxsize) -> Iterator[fd.Batch]:
        """Up to limit packets of those that are queued; nothing more is taken."""
        self.handle.shutdown(fd.Shutdown.RECV)
        with contextlib.suppress(fd.ShutdownError):
            while limit > 0:
                batch = self.handle.recv(min(limit, self.handle.max_batch), timeout=0)
                limit -= len(batch)
                yield batch


def _enter(name: str) -> None:
    if not sys.platform.startswith("linux"):
        raise UsageError("--netns: only Linux has network namespaces")
    from fastdivert.linux import namespaces

    try:
        namespaces.enter(name)
    except FileNotFoundError:
        raise UsageError(f"--netns {name}: there is no such namespace; see ip netns") from None
    except PermissionError:
        raise fd.FastDivertError(
            f"--netns {name}: entering a namespace needs CAP_SYS_ADMIN; run as root"
        ) from None
    except OSError as error:
        raise UsageError(f"--netns {name}: {error.strerror}; is it a network namespace?") from None


def _open(arguments: argparse.Namespace, filter: fd.Filter, flags: fd.Flag) -> fd.Handle:
    try:
        return fd.open(
            filter,
            filter.layer,
            arguments.priority,
            flags,
            queue_length=arguments.queue_length,
            queue_time=arguments.queue_time,
            queue_size=arguments.queue_size,
            overflow=arguments.overflow,
        )
    except DriverError as error:
        hint = "fastdivert doctor looks for the cause"
        if error.kind == "permission":
            hint += "; fastdivert replay does the same with a capture, and needs no privilege"
        raise DriverError(error.kind, error.errno or 0, f"{error.message}\n  {hint}") from None
    except NotImplementedError as error:
        raise fd.FastDivertError(str(error)) from None
    except ValueError as error:
        raise UsageError(str(error)) from None
