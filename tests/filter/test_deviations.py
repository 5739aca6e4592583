# SPDX-License-Identifier: MIT
"""Where we follow WinDivert's manual and not its program: both behaviours, side by side.

The table of docs/filter-language.md lists them.
"""

from __future__ import annotations

import struct

import pytest

import fastdivert.filter as language
from fastdivert.enums import Layer
from fastdivert.errors import FilterError
from tests import oracle
from tests.oracle.comparison import Verdict, compare


def ipv6_packet(flow_label: int) -> bytes:
    return struct.pack(">IHBB", 0x60000000 | flow_label, 0, 59, 64) + bytes(32)


def position_of(text: str) -> int:
    with pytest.raises(FilterError) as error:
        language.compile(text)
    return error.value.position


@pytest.mark.parametrize(
    ("text", "ours", "theirs"),
    [
        ("tcp.DstPort == 70000", "false", "not tcp"),
        ("ip.TTL < 0", "false", "not ip"),
        ("udp.Payload[5] > 255", "false", "not udp"),
        ("ip.SrcAddr == ::1", "false", "not ip"),
    ],
)
def test_a_comparison_that_never_holds_is_false(text: str, ours: str, theirs: str) -> None:
    assert language.compile(text).format() == ours
    assert oracle.format(text) == theirs
    assert compare(text) is Verdict.NEVER_EQUAL


@pytest.mark.parametrize(
    ("text", "ours", "theirs"),
    [
        ("packet32[0] == 4294967297", "packet32[0b] = 0x100000001", "packet32[0b] = 0x1"),
        ("packet32[0] > -5", "packet32[0b] > -0x5", "packet32[0b] > 0x5"),
        ("loopback == -1", "loopback = -1", "loopback"),
    ],
)
def test_a_constant_is_whole(text: str, ours: str, theirs: str) -> None:
    assert language.compile(text).format() == ours
    assert oracle.format(text) == theirs
    assert compare(text) is Verdict.WHOLE_CONSTANT


@pytest.mark.parametrize(
    ("text", "ours", "theirs"),
    [
        ("tcp.DstPort == -0", "tcp.DstPort = 0", "not tcp"),
        ("timestamp > -0", "timestamp > 0", "timestamp > -0"),
        ("tcp.SeqNum > -0x0", "tcp.SeqNum > 0", "tcp.SeqNum > -0"),
    ],
)
def test_minus_zero_is_zero(text: str, ours: str, theirs: str) -> None:
    assert language.compile(text).format() == ours
    assert oracle.format(text) == theirs
    assert compare(text) is Verdict.MINUS_ZERO


def test_the_flow_label_is_the_label() -> None:
    import fastdivert

    packet = ipv6_packet(5)
    address = oracle.Address()
    address.IPv6 = 1
    address.Outbound = 1
    batch = fastdivert.Batch.from_packets([packet])
    found = {}
    for text in ("ipv6.FlowLabel == 5", "ipv6.FlowLabel == 0x50000"):
        found[text] = bool(batch.match(text)[0]), oracle.evaluate(text, packet, address)
    assert found == {
        "ipv6.FlowLabel == 5": (True, False),
        "ipv6.FlowLabel == 0x50000": (False, True),
    }


def test_b_is_a_byte_suffix_and_nothing_else() -> None:
    assert language.compile("packet16[2 b] = 5").format() == "packet16[2b] = 0x5"
    assert oracle.format("packet16[2 b] = 5") == "packet16[4b] = 0x5"
    assert position_of("tcp b") == 4
    assert oracle.format("tcp b") == "tcp"
    assert compare("tcp b") is compare("packet16[2 b] = 5") is Verdict.LONE_B


@pytest.mark.parametrize(
    ("text", "theirs"),
    [
        ("ip.SrcAddr == 4294967297.2.3.4", "ip.SrcAddr = 1.2.3.4"),
        ("ipv6.SrcAddr == 1:2:3:4:5:6:7:8:9", "ipv6.SrcAddr = 1:2:3:4:5:6:7:8"),
        ("ipv6.SrcAddr == 1:2:3:4:5:6:7:8:zz", "ipv6.SrcAddr = 1:2:3:4:5:6:7:8"),
    ],
)
def test_an_address_is_no_more_and_no_less(text: str, theirs: str) -> None:
    assert position_of(text) == text.index("=") + 3
    assert oracle.format(text) == theirs
    assert compare(text) is Verdict.ADDRESS


@pytest.mark.parametrize(
    ("text", "position"), [("(tcp == ? udp: ip)", 8), ("((tcp ==)? udp: ip)", 8)]
)
def test_a_syntax_error_before_a_question_mark_is_an_error(text: str, position: int) -> None:
    assert position_of(text) == position
    assert oracle.compile_isolated(text) is None, "the reference no longer crashes"
    assert compare(text) is Verdict.CRASH


@pytest.mark.parametrize(
    ("text", "theirs"),
    [
        # What follows is written twice.
        (
            "(tcp? (udp? false: true): ip) and icmp",
            "(tcp? (udp? false: icmp): (ip? icmp: false))",
        ),
        # The colon becomes part of the address.
        ("(tcp? remoteAddr = fe80:: : udp)", "(tcp? remoteAddr = fe80::: udp)"),
    ],
)
def test_canonical_text_is_the_same_program(text: str, theirs: str) -> None:
    compiled = language.compile(text)
    assert language.compile(compiled.format()) == compiled
    assert oracle.format(text) == theirs
    assert compare(text) is Verdict.NO_ROUND_TRIP


@pytest.mark.parametrize(
    ("text", "ours", "theirs"),
    [
        ("(true? tcp: udp) and ip", "tcp and ip", "(tcp? ip: false)"),
        ("tcp or (parentEndpointId == -1 and udp) or ip", "tcp or ip", "(tcp? true: ip)"),
    ],
)
def test_tests_that_decide_nothing_do_not_show(text: str, ours: str, theirs: str) -> None:
    layer = Layer.FLOW if "Endpoint" in text else Layer.NETWORK
    assert language.compile(text, layer).format() == ours
    assert oracle.format(text, layer) == theirs
    assert compare(text, layer) in (Verdict.DEAD_TESTS, Verdict.NO_ROUND_TRIP)
    # Asked again, they agree.
    assert oracle.format(theirs, layer) == ours


@pytest.mark.parametrize(
    ("text", "ours", "theirs", "verdict"),
    [
        ("tcp %", 4, 5, Verdict.CHARACTER_POSITION),
        ("tcp & udp", 4, 5, Verdict.CHARACTER_POSITION),
        ("(tcp? foo: udp)", 6, 5, Verdict.COLON_POSITION),
        ("foo: tcp", 0, 0xFFFFFFFF, Verdict.COLON_POSITION),
        ("((tcp ==) and)", 8, 10, Verdict.GROUP_POSITION),
    ],
)
def test_errors_are_reported_where_they_are(
    text: str, ours: int, theirs: int, verdict: Verdict
) -> None:
    assert position_of(text) == ours
    assert oracle.compile_isolated(text) == oracle.Compiled(
        False,
        theirs,
        oracle.compile_isolated(text).message,  # type: ignore[union-attr]
    )
    assert compare(text) is verdict


def test_a_stray_suffix_is_reported_where_it_is() -> None:
    # The reference's position is that of memory that it did not set.
    assert position_of("tcp.DstPort == 80b") == 17
    assert not oracle.compile("tcp.DstPort == 80b").ok


def test_a_bad_object_is_reported_where_it_is_bad() -> None:
    assert position_of("@WinDiv_WX_eXWWBX") == 15
    assert compare("@WinDiv_WX_eXWWBX") is Verdict.OBJECT_POSITION
