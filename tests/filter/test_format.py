# SPDX-License-Identifier: MIT
"""Canonical text: WinDivert's, and always the same program again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastdivert.filter as language
from fastdivert.enums import Layer
from fastdivert.errors import FilterError
from fastdivert.filter.lexer import tokenize
from tests import oracle
from tests.oracle.strategies import filters, layers


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("tcp.DstPort==0x50", "tcp.DstPort = 80"),
        ("tcp.DstPort", "tcp.DstPort != 0"),
        ("not tcp.DstPort", "tcp.DstPort = 0"),
        ("!tcp.Syn", "not tcp.Syn"),
        ("tcp.Syn == 1", "tcp.Syn"),
        ("tcp.Syn != 1", "not tcp.Syn"),
        ("tcp > 0", "tcp > 0"),
        ("loopback == 5", "loopback = 5"),
        ("ip.Id = 300 or tcp.Checksum < 5", "ip.Id = 0x12c or tcp.Checksum < 0x5"),
        ("packet[5] == 3", "packet[5b] = 0x3"),
        ("packet16[2] != 0xAB", "packet16[4b] != 0xab"),
        ("tcp.Payload32[-1] >= 7", "tcp.Payload32[-4b] >= 0x7"),
        ("ip.SrcAddr == 01.2.3.4", "ip.SrcAddr = 1.2.3.4"),
        ("ipv6.SrcAddr == 0:0:0:0:0:0:0:1", "ipv6.SrcAddr = ::1"),
        ("localAddr == 10.0.0.1", "localAddr = 10.0.0.1"),
        ("localAddr == 5", "localAddr = ::5"),
        ("event == PACKET", "event = PACKET"),
        ("event == 5", "event = 5"),
        ("timestamp > -5", "timestamp > -5"),
        ("protocol == TCP", "protocol = 6"),
        ("tcp && (udp || ip)", "tcp and (udp or ip)"),
        ("tcp and udp or ip", "(tcp and udp) or ip"),
        ("(tcp and udp) and (ip and ipv6)", "tcp and udp and ip and ipv6"),
        ("tcp or (udp or (ip or ipv6))", "tcp or udp or ip or ipv6"),
        ("(tcp? udp: ip)", "(tcp? udp: ip)"),
        ("(tcp? udp and ip: ipv6) and icmp", "(tcp? udp and ip: ipv6) and icmp"),
        ("(tcp or udp? ip: ipv6)", "(tcp or udp? ip: ipv6)"),
        ("(tcp? true: udp)", "tcp or udp"),
        ("(tcp? udp: true)", "(tcp? udp: true)"),
        ("(tcp? false: true)", "(tcp? false: true)"),
        ("((tcp? false: true)? udp: ip)", "(tcp? ip: udp)"),
        ("true", "true"),
        ("zero", "false"),
        ("tcp and true or false", "tcp"),
    ],
)
def test_canonical_text_is_windiverts(text: str, canonical: str) -> None:
    assert language.compile(text).format() == canonical
    assert oracle.format(text) == canonical


@pytest.mark.parametrize(
    ("layer", "text", "canonical"),
    [
        (Layer.SOCKET, "event == 5", "event = LISTEN"),
        (Layer.FLOW, "event = 1 or event = 3", "event = ESTABLISHED or event = 3"),
        (Layer.REFLECT, "layer == 1 or event == 9", "layer = NETWORK_FORWARD or event = CLOSE"),
        (Layer.REFLECT, "priority < -5", "priority < -5"),
    ],
)
def test_canonical_text_of_other_layers(layer: Layer, text: str, canonical: str) -> None:
    assert language.compile(text, layer).format() == canonical
    assert oracle.format(text, layer) == canonical


@given(layers.flatmap(lambda layer: st.tuples(filters(layer, 40), st.just(layer))))
def test_canonical_text_compiles_to_the_same_program(case: tuple[str, Layer]) -> None:
    text, layer = case
    compiled = language.compile(text, layer)
    again = language.compile(compiled.format(), layer)
    assert again == compiled
    assert again.format() == compiled.format()


def test_exchanged_branches_do_not_repeat_what_follows() -> None:
    text = "(tcp? (udp? false: true): ip) and icmp"
    assert language.compile(text).format() == text


def test_both_forms_of_exchanged_branches() -> None:
    text = "(tcp? ip: (udp? false: true)) or icmp"
    assert language.compile(text).format() == text


@pytest.mark.parametrize(
    "text",
    [
        "(ip? remoteAddr != :: : tcp)",
        "(tcp? remoteAddr = fe80:: : udp)",
        f"(tcp? tcp.SeqNum = {(1 << 128) - 1} : udp)",
    ],
)
def test_a_colon_behind_a_word_that_would_swallow_it_is_set_off(text: str) -> None:
    assert language.compile(text).format() == text


def test_a_text_above_the_limit_of_words_is_written_short() -> None:
    # 7 words each as written here, 8 in the usual form: packet[1b] = 0x1.
    text = " or ".join(f"packet[{index}]=1" for index in range(182))
    compiled = language.compile(text)
    formatted = compiled.format()
    assert formatted.startswith("packet[0] = 0x1 or packet[1] = 0x1 or ")
    assert language.compile(formatted) == compiled


def test_the_short_form_drops_operators_and_parentheses_that_are_not_needed() -> None:
    # 5 words for two tests here, 12 in the usual form.
    text = " or ".join(f"packet16[{n}] and tcp.SrcPort" for n in range(128))
    compiled = language.compile(text)
    formatted = compiled.format()
    assert formatted.startswith("packet16[0] and tcp.SrcPort or packet16[1] and tcp.SrcPort or ")
    assert language.compile(formatted) == compiled
    assert len(tokenize(formatted, Layer.NETWORK)) <= 1278


def test_what_is_too_long_even_so_is_written_as_an_object() -> None:
    elements = ", ".join(str(value) for value in range(0, 512, 2))
    compiled = language.compile(f"packet16[1b] in {{{elements}}}", extensions=True)
    assert len(compiled.program) == 256
    formatted = compiled.format()
    assert formatted.startswith("@WinDiv_")
    assert language.compile(formatted) == compiled


def test_what_no_text_can_say_is_an_error() -> None:
    # 19 words for two tests here, 20 in the base language; and an object has no room for 33 bits.
    terms = (
        f"not (packet32[{n}b] = {1 << 32}) and packet32[{n}b] < {1 << 32}"
        for n in range(1, 4 * 67, 4)
    )
    compiled = language.compile(" and ".join(terms), extensions=True)
    with pytest.raises(FilterError, match="no room for the constant"):
        compiled.format()
