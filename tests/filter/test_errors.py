# SPDX-License-Identifier: MIT
"""Every kind of bad filter: what is said, and where."""

from __future__ import annotations

import sys

import pytest

import fastdivert.filter as language
from fastdivert.enums import Layer
from fastdivert.errors import FilterError


def error_of(text: str, layer: Layer = Layer.NETWORK, *, extensions: bool = False) -> FilterError:
    with pytest.raises(FilterError) as caught:
        language.compile(text, layer, extensions=extensions)
    assert caught.value.text == text
    assert caught.value.message in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        # Words.
        ("tcp %", 4, "unexpected character '%'"),
        ("tcp é", 4, "unexpected character 'é'"),
        ("tcp\0", 3, "unexpected character '\\x00'"),
        ("tcp \N{NO-BREAK SPACE}udp", 4, "unexpected character '\\xa0'"),
        ("tcp & udp", 4, "write '&&' or 'and'"),
        ("tcp |", 4, "write '||' or 'or'"),
        ("tcp.DstPort in {80}", 12, "'in' needs extensions=True"),
        ("packet[{", 7, "extensions=True"),
        ("tcp.Foo", 0, "unknown name 'tcp.Foo'; did you mean 'tcp.Fin'?"),
        ("ip and TCP.dstport", 7, "did you mean 'tcp.DstPort'?"),
        ("inbuond", 0, "did you mean 'inbound'?"),
        ("xyzzy", 0, "unknown name 'xyzzy'"),
        ("processId == 3", 0, "'processId' does not exist at layer NETWORK, only at FLOW"),
        ("tcp.DstPort == " + "9" * 39, 15, "above 2**128 - 1"),
        ("tcp.DstPort == 0x1" + "0" * 32, 15, "above 2**128 - 1"),
        ("tcp.DstPort == " + "9" * 5000, 15, "5000 characters"),
        ("tcp and " + "a" * 40, 8, "40 characters, and no name"),
        ("12ab", 0, "neither a number nor a name"),
        ("ip.SrcAddr == 1.2.3", 14, "3 parts between dots, not 4"),
        ("ip.SrcAddr == 1.2.3.400", 14, "'400' is above 255"),
        ("ipv6.SrcAddr == 1:2", 16, "2 groups, not 8"),
        ("(tcp?udp:icmp)", 5, "the ':' of a conditional needs a space"),
        # Structure.
        ("", 0, "expected a test, found the end of the filter"),
        ("  ", 2, "expected a test, found the end of the filter"),
        ("tcp and", 7, "expected a test, found the end"),
        ("and tcp", 0, "expected a test, found 'and'"),
        ("5", 0, "a test starts with a field, not with '5'"),
        ("BIND", 0, "a test starts with a field"),
        ("tcp udp", 4, "expected 'and', 'or' or the end of the filter, found 'udp'"),
        ("tcp.DstPort ==", 14, "expected a number or an address after '=='"),
        ("tcp.DstPort == tcp", 15, "after '==', found 'tcp'"),
        ("tcp.DstPort = - - 5", 16, "expected a number"),
        ("event == BIND", 9, "the event 'BIND' does not exist at layer NETWORK"),
        ("not (tcp)", 4, "extensions=True"),
        ("!!(tcp)", 2, "extensions=True"),
        ("(tcp", 4, "')' or '?' within the '(' at position 0, found the end"),
        ("(tcp udp)", 5, "within the '(' at position 0, found 'udp'"),
        ("tcp)", 3, "')' closes no '('"),
        ("()", 1, "expected a test, found ')'"),
        ("tcp ? udp: ip", 4, "a conditional needs its parentheses"),
        ("(tcp? udp)", 9, "expected 'and', 'or' or ':'"),
        ("(tcp? udp: ip", 13, "expected 'and', 'or' or ')'"),
        ("(tcp: udp)", 4, "found ':'"),
        ("(tcp? udp: ip: icmp)", 13, "found ':'"),
        ("(tcp ==) and", 7, "found ')'"),
        ("(tcp == ? udp: ip)", 8, "found '?'"),
        # Arrays.
        ("packet", 6, "expected '[' after 'packet'"),
        ("packet == 5", 7, "expected '[' after 'packet'"),
        ("packet[]", 7, "expected an index, found ']'"),
        ("packet[5", 8, "expected ']' after the index"),
        ("packet[5 5]", 9, "expected ']' after the index"),
        ("packet[tcp]", 7, "expected an index, found 'tcp'"),
        ("packet[65576]", 7, "the index '65576' is above 65575"),
        ("packet[65535]", 12, "from 0b to 65534b"),
        ("packet32[-0]", 11, "from -65535b to -4b from the end"),
        ("packet32[-3b]", 12, "the index -3b is out of bounds"),
        ("udp.Payload16[32767]", 19, "the index 65534b is out of bounds"),
        ("tcp[5]", 3, "found '['"),
        # The byte suffix.
        ("b", 0, "expected a test, found 'b'"),
        ("tcp b", 4, "found 'b'"),
        ("tcp.DstPort == 80b", 17, "found 'b'"),
    ],
)
def test_message_and_position(text: str, position: int, message: str) -> None:
    error = error_of(text)
    assert (error.position, message in error.message) == (position, True), error.message


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("tcp.DstPort in", 14, "expected '{' after 'in'"),
        ("tcp.DstPort in {}", 16, "expected an element of a set"),
        ("tcp.DstPort in {80", 18, "expected '}' after an element"),
        ("tcp.DstPort in {80 81}", 19, "expected '}' after an element"),
        ("tcp.DstPort in {80,}", 19, "expected an element of a set"),
        ("tcp.DstPort in {90-80}", 16, "the range is empty"),
        ("tcp.DstPort in {10/8}", 16, "only an IPv4 or IPv6 address"),
        ("ip.SrcAddr in {10.0.0.0/33}", 24, "0 to 32"),
        ("ip.SrcAddr in {10.0.0.0/1.2.3.4}", 24, "0 to 32"),
        ("ip.SrcAddr in {10.0.0.1/8}", 15, "bits behind its prefix length 8"),
        ("ip.SrcAddr in {-10.0.0.0/8}", 15, "only an IPv4 or IPv6 address"),
        ("true in {1}", 5, "found 'in'"),
        ("in", 0, "expected a test, found 'in'"),
        ("not (tcp", 8, "within the '(' at position 4"),
    ],
)
def test_message_and_position_of_extensions(text: str, position: int, message: str) -> None:
    error = error_of(text, extensions=True)
    assert (error.position, message in error.message) == (position, True), error.message


@pytest.mark.parametrize(
    ("layer", "event"),
    [
        (Layer.NETWORK, "ESTABLISHED"),
        (Layer.FLOW, "PACKET"),
        (Layer.FLOW, "CLOSE"),
        (Layer.SOCKET, "OPEN"),
        (Layer.REFLECT, "BIND"),
    ],
)
def test_an_event_of_another_layer_is_an_error(layer: Layer, event: str) -> None:
    assert error_of(f"event == {event}", layer).position == 9


def test_a_bad_word_is_reported_before_a_bad_structure() -> None:
    assert error_of(") ) foo").position == 4


def test_at_most_1277_tokens() -> None:
    language.compile("not " * 1276 + "tcp")
    error = error_of("not " * 1277 + "tcp")
    assert "1277" in error.message
    assert error.position == len(error.text)


def test_a_number_and_its_suffix_are_two_tokens() -> None:
    # 1273 + "packet", "[", "5", "]" are 1277; a "b" is one more.
    language.compile("not " * 1273 + "packet[5]")
    error_of("not " * 1273 + "packet[5b]")


def test_at_most_256_tests() -> None:
    language.compile(" or ".join(["tcp"] * 256))
    error = error_of(" or ".join(["tcp"] * 257))
    assert "more than 256 tests" in error.message
    assert error.position == 0


def test_folded_tests_do_not_count() -> None:
    language.compile(" or ".join(["tcp"] * 256 + ["zero"] * 200))


def test_at_most_340_parentheses() -> None:
    assert language.compile("(" * 340 + "tcp" + ")" * 340).format() == "tcp"
    error = error_of("(" * 341 + "tcp" + ")" * 341)
    assert "nested too deeply" in error.message
    assert error.position == 341


@pytest.mark.parametrize("text", ["(" * 5000, "(" * 5000 + "tcp" + ")" * 5000])
def test_5000_parentheses_are_a_clean_error(text: str) -> None:
    assert "too long" in error_of(text).message


def test_depth_needs_none_of_pythons_stack() -> None:
    deep = "(" * 240 + "tcp" + " or udp)" * 120 + " and ip)" * 120
    chain = " and ".join(f"(tcp.DstPort != {port} or udp)" for port in range(100))
    nested = "".join(f"(tcp.DstPort == {n}? udp: " for n in range(120)) + "ip" + ")" * 120
    limit = sys.getrecursionlimit()
    frames = 0
    frame = sys._getframe()
    while frame is not None:
        frames += 1
        frame = frame.f_back  # type: ignore[assignment]
    try:
        sys.setrecursionlimit(frames + 60)
        formatted = [language.compile(text).format() for text in (deep, chain, nested)]
    finally:
        sys.setrecursionlimit(limit)
    assert [language.compile(text) for text in formatted] == [
        language.compile(text) for text in (deep, chain, nested)
    ]


@pytest.mark.parametrize("text", [None, b"tcp", 5])
def test_a_filter_is_a_str(text: object) -> None:
    with pytest.raises(TypeError, match="a filter is a str"):
        language.compile(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("layer", ["NETWORK", None, 1.0])
def test_a_layer_is_an_int(layer: object) -> None:
    with pytest.raises(TypeError, match="a layer is"):
        language.compile("tcp", layer)  # type: ignore[arg-type]


@pytest.mark.parametrize("layer", [-1, 5, 1 << 70])
def test_there_are_five_layers(layer: int) -> None:
    with pytest.raises(ValueError, match=f"no layer {layer}"):
        language.compile("tcp", layer)
