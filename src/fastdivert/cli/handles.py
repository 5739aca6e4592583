# SPDX-License-Identifier: MIT
"""``fastdivert handles``: who diverts what on this host."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

import fastdivert as fd
from fastdivert.cli.failure import DONE, UsageError
from fastdivert.cli.options import LAYERS, add_json, print_json
from fastdivert.linux import namespaces, open_handles
from fastdivert.linux.open_handles import OpenHandle

_HEADS = ("pid", "process", "layer", "priority", "flags", "netns", "open for")
_COUNTS = ("waiting", "matched", "lost")
_RIGHT = ("pid", "priority", *_COUNTS)


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The parser of this command."""
    parser = commands.add_parser(
        "handles",
        help="list the open handles of this host",
        description="Lists every open handle of this host, of all network namespaces and "
        "processes: whose it is, what it takes and what waits in its queues. Needs root.",
    )
    parser.add_argument(
        "--netns", metavar="NAME", help="only those in this network namespace (name or path)"
    )
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if not sys.platform.startswith("linux"):
        raise fd.FastDivertError(f"there is no live driver for {sys.platform}, so no open handles")
    try:
        found = open_handles.handles()
    except ModuleNotFoundError:
        raise fd.FastDivertError(
            "this build of fastdivert comes without the Linux driver; it is built where clang is"
        ) from None
    if arguments.netns is not None:
        inode = _inode(arguments.netns)
        found = [handle for handle in found if handle.net_namespace == inode]
    names = namespaces.names()
    if arguments.json:
        print_json({"handles": [_object(handle, names) for handle in found]})
    elif not found:
        print("no open handles")
    else:
        _print(found, names)
    return DONE


def _inode(name: str) -> int:
    try:
        return namespaces.inode(name)
    except FileNotFoundError:
        raise UsageError(f"--netns {name}: there is no such namespace; see ip netns") from None


def _object(handle: OpenHandle, names: dict[int, str]) -> dict[str, Any]:
    made = {
        each.name: getattr(handle, each.name)
        for each in dataclasses.fields(handle)
        if each.name not in ("program", "queues")
    }
    return {
        **made,
        "layer": handle.layer.name,
        "flags": _flags(handle),
        "age": round(handle.age, 3),
        "netns": names.get(handle.net_namespace),
        "queues": None if handle.queues is None else dataclasses.asdict(handle.queues),
    }


def _print(found: list[OpenHandle], names: dict[int, str]) -> None:
    """Two lines a handle: a filter may be long, and is what one wants to read whole."""
    heads = (*_HEADS, *_COUNTS)
    rows = [_row(handle, names) for handle in found]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    print(_line(heads, widths))
    for handle, row in zip(found, rows, strict=True):
        print(_line(row, widths))
        print(f"{'':{widths[0]}}  {handle.filter}")


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = (
        text.rjust(width) if head in _RIGHT else text.ljust(width)
        for head, text, width in zip((*_HEADS, *_COUNTS), row, widths, strict=True)
    )
    return "  ".join(cells)


def _row(handle: OpenHandle, names: dict[int, str]) -> tuple[str, ...]:
    layer = next(name for name, layer in LAYERS.items() if layer == handle.layer)
    queues = handle.queues
    counts = ("?",) * len(_COUNTS)
    if queues is not None:
        lost = sum(number for cause, number in queues.dropped.items() if cause != "flag")
        counts = (f"{queues.waiting:,}", f"{queues.matched:,}", f"{lost:,}")
    return (
        str(handle.pid_here),
        handle.command,
        layer,
        str(handle.priority),
        ", ".join(_flags(handle)).lower() or "-",
        names.get(handle.net_namespace, str(handle.net_namespace)),
        _duration(handle.age),
        *counts,
    )


def _flags(handle: OpenHandle) -> list[str]:
    return [flag.name or "" for flag in fd.Flag if flag and flag in handle.flags]


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
