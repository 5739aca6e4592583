# SPDX-License-Identifier: MIT
"""What a filter can possibly match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastdivert.filter as language
from fastdivert.enums import Event, Layer
from fastdivert.filter.analysis import Reach, may_match, reach
from tests.filter.interpreter import run
from tests.oracle.strategies import filters

EVERY_PACKET = frozenset({Event.NETWORK_PACKET})
NOTHING = Reach(inbound=False, outbound=False, ip=False, ipv6=False, events=frozenset())


def reach_of(text: str, layer: Layer = Layer.NETWORK) -> Reach:
    return reach(language.compile(text, layer).program)


def test_everything_and_nothing() -> None:
    assert reach_of("true") == Reach(True, True, True, True, EVERY_PACKET)
    assert reach_of("false") == NOTHING


@pytest.mark.parametrize(
    ("text", "inbound", "outbound"),
    [
        ("inbound", True, False),
        ("outbound and tcp", False, True),
        ("not inbound", False, True),
        ("outbound = 0", True, False),
        ("inbound or tcp", True, True),
        ("inbound and outbound", False, False),
        ("(inbound? tcp: false)", True, False),
    ],
)
def test_directions(text: str, inbound: bool, outbound: bool) -> None:
    result = reach_of(text)
    assert (result.inbound, result.outbound) == (inbound, outbound)


@pytest.mark.parametrize(
    ("text", "ip", "ipv6"),
    [
        ("ip", True, False),
        ("not ip", False, True),
        ("ip.SrcAddr == 1.2.3.4", True, False),
        ("ipv6.HopLimit != 5", False, True),
        ("ip.TTL < 5 or ipv6.HopLimit < 5", True, True),
        ("ip.TTL < 5 and ipv6.HopLimit < 5", False, False),
        ("tcp", True, True),
    ],
)
def test_versions(text: str, ip: bool, ipv6: bool) -> None:
    result = reach_of(text)
    assert (result.ip, result.ipv6) == (ip, ipv6)


@pytest.mark.parametrize(
    ("layer", "text", "events"),
    [
        (Layer.NETWORK, "tcp", {Event.NETWORK_PACKET}),
        (Layer.FLOW, "true", {Event.FLOW_ESTABLISHED, Event.FLOW_DELETED}),
        (Layer.FLOW, "event == DELETED and tcp", {Event.FLOW_DELETED}),
        (Layer.SOCKET, "event == BIND or event == CLOSE", {Event.SOCKET_BIND, Event.SOCKET_CLOSE}),
        (
            Layer.SOCKET,
            "event != BIND and processId == 4",
            {
                Event.SOCKET_CONNECT,
                Event.SOCKET_LISTEN,
                Event.SOCKET_ACCEPT,
                Event.SOCKET_CLOSE,
            },
        ),
        (Layer.REFLECT, "event == OPEN", {Event.REFLECT_OPEN}),
    ],
)
def test_events(layer: Layer, text: str, events: set[Event]) -> None:
    assert reach_of(text, layer).events == events


def test_a_layer_without_directions_has_both() -> None:
    result = reach_of("layer == NETWORK", Layer.REFLECT)
    assert (result.inbound, result.outbound, result.ip, result.ipv6) == (True, True, True, True)


def test_may_match_with_any_fields() -> None:
    compiled = language.compile("tcp.DstPort == 80 or udp.DstPort == 53")
    assert not compiled.may_match(tcp=0, udp=0)
    assert compiled.may_match(tcp=0)
    assert compiled.may_match(tcp=0, udp=1)


def test_a_known_value_of_a_header_field_may_still_be_missing() -> None:
    program = language.compile("(ip.TTL == 5? false: true)").program
    assert may_match(program, {"ip.TTL": 5})


@pytest.mark.parametrize("name", ["foo", "packet", "processId"])
def test_unknown_fields_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no single field at layer NETWORK"):
        may_match(language.compile("tcp").program, {name: 1})


FACTS = {"inbound": (0, 1), "outbound": (0, 1), "ip": (0, 1), "ipv6": (0, 1), "tcp": (0, 1)}


@given(
    filters(tests_max=8),
    st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(values) for name, values in FACTS.items()}
    ),
    st.data(),
)
def test_what_matches_was_possible(text: str, known: dict[str, int], data: st.DataObject) -> None:
    program = language.compile(text).program
    values = dict(known)
    for test in program.tests:
        field = test.field
        if field.name in values or known.get(field.header.name.lower()) == 0:
            continue
        near = [test.constant + step for step in (-1, 0, 1)]
        always_there = field.header == 0 and not field.indexed
        choices = near if always_there else [*near, None]
        value = data.draw(st.sampled_from(choices))
        if value is not None:
            values[field.name] = value
    if run(program, values):
        assert may_match(program, known)
