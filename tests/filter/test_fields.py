# SPDX-License-Identifier: MIT
"""The field table and the enums that mirror driver/abi/program.h."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import pytest

from fastdivert.enums import Event, Layer
from fastdivert.filter import program
from fastdivert.filter.fields import (
    CONSTANTS,
    EVENT_CONSTANTS,
    FIELD_BY_NAME,
    FIELDS,
    PRESENCE,
    Header,
    Range,
    Source,
    Style,
)

ABI = Path(__file__).parents[2] / "driver" / "abi"


def c_enum(name: str, prefix: str) -> dict[str, int]:
    """The members of an enum of program.h, without their prefix and their COUNT."""
    text = re.sub(r"/\*.*?\*/", "", (ABI / "program.h").read_text(), flags=re.DOTALL)
    body = re.search(rf"enum {name} {{(.*?)}};", text, re.DOTALL)
    assert body is not None
    members: dict[str, int] = {}
    for member in filter(None, (part.strip() for part in body[1].split(","))):
        symbol, _, value = member.partition("=")
        following = max(members.values(), default=-1) + 1
        members[symbol.strip().removeprefix(prefix)] = int(value, 0) if value else following
    members.pop("COUNT", None)
    return members


@pytest.mark.parametrize(
    ("enum", "name", "prefix"),
    [
        (Header, "fd_header", "FD_HEADER_"),
        (Source, "fd_source", "FD_SOURCE_"),
        (Range, "fd_range", "FD_RANGE_"),
        (Style, "fd_style", "FD_STYLE_"),
        (program.Operator, "fd_operator", "FD_OPERATOR_"),
    ],
)
def test_enums_are_those_of_the_abi(enum: type, name: str, prefix: str) -> None:
    assert {member.name: member.value for member in enum} == c_enum(name, prefix)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FD_PROGRAM_TESTS_MAX", program.TESTS_MAX),
        ("FD_PROGRAM_ACCEPT", program.ACCEPT),
        ("FD_PROGRAM_REJECT", program.REJECT),
    ],
)
def test_constants_are_those_of_the_abi(name: str, value: int) -> None:
    definition = re.search(rf"#define {name} (\w+?)u\b", (ABI / "program.h").read_text())
    assert definition is not None
    assert int(definition[1], 0) == value


def test_every_row_of_fields_h_is_a_field_in_the_order_of_its_id() -> None:
    table = (ABI / "fields.h").read_text()
    rows = re.findall(r'^FD_FIELD\(\w+,\s*(\d+),\s*"([^"]+)"', table, re.MULTILINE)
    assert [(field.id, field.name) for field in FIELDS] == [(int(n), name) for n, name in rows]
    assert len(FIELDS) == 86


def test_presence_names_the_protocol_of_each_header() -> None:
    assert {header: field.name for header, field in PRESENCE.items()} == {
        Header.IP: "ip",
        Header.IPV6: "ipv6",
        Header.ICMP: "icmp",
        Header.ICMPV6: "icmpv6",
        Header.TCP: "tcp",
        Header.UDP: "udp",
    }


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("tcp.Syn", (0, 1)),
        ("ip.HdrLength", (0, 15)),
        ("ip.TOS", (0, 65535)),
        ("ip.FragOff", (0, 8191)),
        ("ipv6.FlowLabel", (0, 0xFFFFF)),
        ("ip.SrcAddr", (0xFFFF00000000, 0xFFFFFFFFFFFF)),
        ("localAddr", (0, (1 << 128) - 1)),
        ("endpointId", (0, (1 << 64) - 1)),
        ("layer", (0, 4)),
        ("event", (0, 9)),
        ("priority", (-30000, 30000)),
        ("length", (20, 65575)),
        ("timestamp", (-(1 << 63), (1 << 63) - 1)),
        ("tcp.SeqNum", None),
        ("loopback", None),
        ("packet32", None),
    ],
)
def test_bounds(name: str, bounds: tuple[int, int] | None) -> None:
    assert FIELD_BY_NAME[name].bounds == bounds


def test_fields_exist_at_their_layers_only() -> None:
    assert FIELD_BY_NAME["processId"].exists_at(Layer.FLOW)
    assert not FIELD_BY_NAME["processId"].exists_at(Layer.NETWORK)
    assert FIELD_BY_NAME["inbound"].exists_at(Layer.NETWORK)
    assert not FIELD_BY_NAME["inbound"].exists_at(Layer.NETWORK_FORWARD)


def test_only_packet_and_payload_are_indexed() -> None:
    assert [field.name for field in FIELDS if field.indexed] == [
        f"{name}{bits}"
        for name in ("packet", "tcp.Payload", "udp.Payload")
        for bits in ("", 16, 32)
    ]


def test_every_event_is_named_at_exactly_one_kind_of_layer() -> None:
    named = [event for events in EVENT_CONSTANTS.values() for event in events.values()]
    assert sorted(set(named)) == sorted(Event)
    assert EVENT_CONSTANTS[Layer.SOCKET]["CLOSE"] is Event.SOCKET_CLOSE
    assert EVENT_CONSTANTS[Layer.REFLECT]["CLOSE"] is Event.REFLECT_CLOSE


def test_named_protocols_are_those_of_iana() -> None:
    assert {name: CONSTANTS[name] for name in ("TCP", "UDP", "ICMP", "ICMPV6")} == {
        "TCP": 6,
        "UDP": 17,
        "ICMP": 1,
        "ICMPV6": 58,
    }


@pytest.mark.parametrize("field", [FIELDS[0], FIELDS[39]])
def test_a_field_stays_the_same_object_when_copied_or_pickled(field: object) -> None:
    assert pickle.loads(pickle.dumps(field)) is field
    assert copy.deepcopy(field) is field
