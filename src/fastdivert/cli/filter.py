# SPDX-License-Identifier: MIT
"""``fastdivert filter``: is a filter right, what is its canonical text, what does it do?"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import fastdivert as fd
from fastdivert.cli.failure import DONE, USAGE, describe
from fastdivert.cli.options import LAYERS, add_extensions, add_json, print_json
from fastdivert.filter import ACCEPT, REJECT, Test


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The parser of this command."""
    parser = commands.add_parser("filter", help="check, format or explain a filter")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for action, text in (
        (check, "say whether a filter compiles; if not, where it fails"),
        (format, "print the canonical text"),
        (explain, "print the program that the filter compiles to"),
    ):
        one = actions.add_parser(action.__name__, help=text, description=action.__doc__)
        one.add_argument("text", metavar="TEXT", help="the filter; - reads it from standard input")
        one.add_argument("--layer", choices=LAYERS, default="network", help="default: network")
        add_extensions(one)
        add_json(one)
        one.set_defaults(run=_run, action=action)


def check(compiled: fd.Filter) -> str:
    """Says whether a filter compiles; if not, where it fails (exit code 2)."""
    tests = len(compiled.program)
    return f"right: {tests} test{'s' * (tests != 1)} at {compiled.layer.name}"


def format(compiled: fd.Filter) -> str:
    """Prints the canonical text, which compiles to the same program."""
    return compiled.format()


def explain(compiled: fd.Filter) -> str:
    """Prints the canonical text and the program: each test, and where it goes from there."""
    return f"{compiled.format()}\n\n{compiled.program.dump()}"


def _run(arguments: argparse.Namespace) -> int:
    text = arguments.text
    if text == "-":
        text = sys.stdin.read().removesuffix("\n")
    try:
        compiled = fd.compile(text, LAYERS[arguments.layer], extensions=arguments.extensions)
        result = arguments.action(compiled)
    except fd.FilterError as error:
        if arguments.json:
            fault = {"message": error.message, "position": error.position}
            print_json({"ok": False, "text": text, **fault})
        else:
            print(f"fastdivert: {describe(error)}", file=sys.stderr)
        return USAGE
    if arguments.json:
        print_json(_as_json(compiled, whole=arguments.action is explain))
    else:
        print(result)
    return DONE


def _as_json(compiled: fd.Filter, *, whole: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ok": True,
        "text": compiled.text,
        "layer": compiled.layer.name,
        "canonical": compiled.format(),
        "tests": len(compiled.program),
    }
    if whole:
        found["program"] = [_test_as_json(test) for test in compiled.program.tests]
    return found


def _test_as_json(test: Test) -> dict[str, Any]:
    return {
        "field": test.field.name,
        "index": test.index,
        "operator": test.op.name,
        # As text: an IPv6 address has more bits than most readers of JSON keep of a number.
        "constant": str(test.constant),
        "success": _target(test.success),
        "failure": _target(test.failure),
    }


def _target(number: int) -> int | str:
    return {ACCEPT: "accept", REJECT: "reject"}.get(number, number)
