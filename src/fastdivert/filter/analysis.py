# SPDX-License-Identifier: MIT
"""What a program can possibly match, so that a driver hooks no more than that.

The counterpart of WinDivert's analysis of a filter object: a program is run
backwards with some fields known and all others open. Knowing that a packet has
no IPv6 header, for one, makes every test of an ``ipv6.`` field false.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, Final, SupportsIndex

from fastdivert.enums import Event, Layer

from .fields import EVENT_CONSTANTS, FIELD_BY_NAME, PRESENCE, Header
from .program import ACCEPT, REJECT, Program, Test

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRESENCE_NAMES: Final = {header: field.name for header, field in PRESENCE.items()}


def may_match(program: Program, values: Mapping[str, SupportsIndex]) -> bool:
    """False if the program rejects whatever has these values of fields.

    ``values`` maps names of fields to numbers; of arrays nothing can be known.
    """
    known: dict[str, int] = {}
    for name, value in values.items():
        field = FIELD_BY_NAME.get(name)
        if field is None or field.indexed or not field.exists_at(program.layer):
            raise ValueError(f"{name!r} is no single field at layer {program.layer.name}")
        known[name] = index(value)
    reachable: dict[int, bool] = {ACCEPT: True, REJECT: False}
    for number in range(len(program.tests) - 1, -1, -1):
        test = program.tests[number]
        success, failure = reachable[test.success], reachable[test.failure]
        if success != failure:
            outcome = _outcome(test, known)
            if outcome is None:
                success = True
            elif not outcome:
                success = failure
        reachable[number] = success
    return reachable[0]


def _outcome(test: Test, known: Mapping[str, int]) -> bool | None:
    header = test.field.header
    if header is not Header.NONE and known.get(_PRESENCE_NAMES[header]) == 0:
        return False
    value = known.get(test.field.name)
    # A known value is that of a field that may still be missing: its test can
    # be trusted to fail, but to succeed only if the field is always there.
    if value is None:
        return None
    if not test.op.holds(value, test.constant):
        return False
    return True if header is Header.NONE else None


@dataclass(frozen=True, slots=True)
class Reach:
    """The directions, IP versions and events that a program can match.

    A direction or version is True where the layer does not tell it.
    """

    inbound: bool
    outbound: bool
    ip: bool
    ipv6: bool
    events: frozenset[Event]


_OPPOSITES: Final = {
    "inbound": "outbound",
    "outbound": "inbound",
    "ip": "ipv6",
    "ipv6": "ip",
}


def reach(program: Program) -> Reach:
    """What the program can match at all; nothing of it is more than possible."""

    def possible(name: str) -> bool:
        values = {name: 1, _OPPOSITES[name]: 0}
        if not FIELD_BY_NAME[name].exists_at(program.layer):
            values = {}
        return may_match(program, values)

    events = frozenset(
        event
        for event in EVENT_CONSTANTS[Layer(program.layer)].values()
        if may_match(program, {"event": event})
    )
    return Reach(
        possible("inbound"), possible("outbound"), possible("ip"), possible("ipv6"), events
    )
