# SPDX-License-Identifier: MIT
"""Options that several commands share, and their values checked before anything is opened."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

import fastdivert as fd
from fastdivert.cli.failure import UsageError, point_at

LAYERS = {
    "network": fd.Layer.NETWORK,
    "forward": fd.Layer.NETWORK_FORWARD,
    "flow": fd.Layer.FLOW,
    "socket": fd.Layer.SOCKET,
    "reflect": fd.Layer.REFLECT,
}


def add_json(parser: argparse._ActionsContainer) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def add_extensions(parser: argparse._ActionsContainer) -> None:
    """--extensions."""
    parser.add_argument(
        "--extensions",
        action="store_true",
        help="allow not (...) over any expression, and sets: tcp.DstPort in {80, 8000-8100}",
    )


def add_limit(parser: argparse._ActionsContainer) -> None:
    """--limit."""
    parser.add_argument(
        "--limit", type=count, metavar="N", help="read only the first N packets of the capture"
    )


def count(text: str) -> int:
    """An argument that is a number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def compile_option(
    option: str, text: str, layer: fd.Layer = fd.Layer.NETWORK, *, extensions: bool = False
) -> fd.Filter:
    """The filter that an option gives. Raises UsageError, with the place of the fault."""
    try:
        return fd.compile(text, layer, extensions=extensions)
    except fd.FilterError as error:
        raise UsageError(f"{option}: {point_at(error)}") from None


def refuse_same_file(source: str, target: str) -> None:
    """Raises UsageError if a command would overwrite what it reads."""
    if os.path.exists(target) and os.path.exists(source) and os.path.samefile(source, target):
        raise UsageError(f"{target} is the capture that is read: write to another file")


def print_json(value: dict[str, Any]) -> None:
    """One object, indented for a person who looks all the same."""
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")
