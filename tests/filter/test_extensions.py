# SPDX-License-Identifier: MIT
"""``not (...)`` and sets."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastdivert.filter as language
from fastdivert.enums import Layer
from fastdivert.errors import FilterError
from fastdivert.filter import Filter
from tests import oracle
from tests.filter.interpreter import run
from tests.oracle.strategies import filters


def extended(text: str, layer: Layer = Layer.NETWORK) -> Filter:
    compiled = language.compile(text, layer, extensions=True)
    # Whatever it says, it has a text in the language that WinDivert has.
    formatted = compiled.format()
    assert language.compile(formatted, layer) == compiled
    assert oracle.compile(formatted, layer).ok
    return compiled


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("not (tcp)", "(tcp? false: true)"),
        ("not (not (tcp))", "tcp"),
        ("not not (tcp)", "tcp"),
        ("!(tcp or udp) and ip", "(tcp or udp? false: ip)"),
        ("ip and not (tcp and tcp.Syn)", "ip and (tcp and tcp.Syn? false: true)"),
        ("not (tcp? udp: ip)", "((tcp? udp: ip)? false: true)"),
        ("not (true)", "false"),
        ("not (tcp.DstPort == 70000)", "true"),
        ("not tcp", "not tcp"),
        ("tcp.DstPort in {80}", "tcp.DstPort = 80"),
        ("tcp.DstPort in {443, 80}", "tcp.DstPort = 80 or tcp.DstPort = 443"),
        ("tcp.DstPort in {80, 81, 80-90, 91}", "tcp.DstPort >= 80 and tcp.DstPort <= 91"),
        (
            "tcp.DstPort in {80, 443, 8000-8100}",
            "tcp.DstPort = 80 or tcp.DstPort = 443 or tcp.DstPort >= 8000 and tcp.DstPort <= 8100",
        ),
        ("tcp.DstPort in {0-1023}", "tcp.DstPort <= 1023"),
        ("tcp.DstPort in {1024-65535}", "tcp.DstPort >= 1024"),
        ("tcp.DstPort in {1024-99999999}", "tcp.DstPort >= 1024"),
        ("tcp.DstPort in {0-79, 81-65535}", "tcp.DstPort != 80"),
        ("tcp.DstPort in {0-65535}", "tcp"),
        ("tcp.DstPort in {70000}", "false"),
        ("localPort in {0-65535}", "true"),
        ("packet[5] in {0-255}", "packet[5b] = 0x0 or packet[5b] != 0x0"),
        ("packet16[1] in {0-9}", "packet16[2b] <= 0x9"),
        ("tcp.SeqNum in {0-9}", "tcp.SeqNum <= 9"),
        ("tcp.Syn in {1}", "tcp.Syn"),
        ("protocol in {TCP, UDP}", "protocol = 6 or protocol = 17"),
        ("timestamp in {-5--3}", "timestamp >= -5 and timestamp <= -3"),
        ("timestamp in {-3 - 5, 9}", "(timestamp >= -3 and timestamp <= 5) or timestamp = 9"),
        ("ip.SrcAddr in {1.2.3.4}", "ip.SrcAddr = 1.2.3.4"),
        ("ip.SrcAddr in {10.0.0.0/8}", "ip.SrcAddr >= 10.0.0.0 and ip.SrcAddr <= 10.255.255.255"),
        ("ip.SrcAddr in {128.0.0.0/1}", "ip.SrcAddr >= 128.0.0.0"),
        ("ip.SrcAddr in {0.0.0.0/0}", "ip"),
        ("ip.SrcAddr in {1.2.3.4/32}", "ip.SrcAddr = 1.2.3.4"),
        (
            "ip.SrcAddr in {10.0.0.0/9, 10.128.0.0/9}",
            "ip.SrcAddr >= 10.0.0.0 and ip.SrcAddr <= 10.255.255.255",
        ),
        ("ip.SrcAddr in {fe80::/10}", "false"),
        (
            "ipv6.SrcAddr in {fe80::/10}",
            "ipv6.SrcAddr >= fe80:: and ipv6.SrcAddr <= febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ),
        ("localAddr in {127.0.0.0/8}", "localAddr >= 127.0.0.0 and localAddr <= 127.255.255.255"),
        ("localAddr in {::ffff:0:0/96}", "localAddr >= 0.0.0.0 and localAddr <= 255.255.255.255"),
        ("not tcp.DstPort in {80, 443}", "tcp.DstPort != 80 and tcp.DstPort != 443"),
        ("not tcp.DstPort in {0-1023}", "tcp.DstPort >= 1024"),
        ("not tcp.DstPort in {0-65535}", "false"),
        ("not tcp.DstPort in {70000}", "tcp"),
        ("not (tcp.DstPort in {80})", "(tcp.DstPort = 80? false: true)"),
        ("!!tcp.DstPort in {80}", "tcp.DstPort = 80"),
    ],
)
def test_what_an_extension_stands_for(text: str, base: str) -> None:
    compiled = extended(text)
    assert compiled == language.compile(base)


def test_sets_of_events() -> None:
    compiled = extended("event in {BIND, LISTEN}", Layer.SOCKET)
    assert compiled.format() == "event = BIND or event = LISTEN"


def test_negation_of_a_missing_field() -> None:
    logical = extended("not (tcp.DstPort == 80)").program
    of_the_test = extended("not tcp.DstPort == 80").program
    assert run(logical, {}) is True
    assert run(of_the_test, {}) is False
    for port in (80, 81):
        assert run(logical, {"tcp.DstPort": port}) is run(of_the_test, {"tcp.DstPort": port})


def test_a_set_of_a_missing_field() -> None:
    assert run(extended("tcp.DstPort in {0-65534}").program, {}) is False
    assert run(extended("not tcp.DstPort in {80}").program, {}) is False
    assert run(extended("not tcp.DstPort in {80}").program, {"tcp.DstPort": 81}) is True
    assert run(extended("not (tcp.DstPort in {80})").program, {}) is True
    assert run(extended("packet[9] in {0-255}").program, {}) is False


ranges = st.lists(
    st.tuples(st.integers(-2, 260), st.integers(0, 40)).map(lambda pair: (pair[0], sum(pair))),
    min_size=1,
    max_size=8,
)


@given(ranges, st.booleans(), st.sampled_from(["ip.TTL", "random8", "packet[3]", "icmp.Type"]))
def test_a_set_means_its_elements(
    elements: list[tuple[int, int]], negated: bool, subject: str
) -> None:
    written = ", ".join(f"{low}-{high}" if low != high else str(low) for low, high in elements)
    compiled = extended(f"{'not ' if negated else ''}{subject} in {{{written}}}")
    name = subject.partition("[")[0]
    header = {"ip.TTL": "ip", "icmp.Type": "icmp"}.get(name)
    for value in range(256):
        member = any(low <= value <= high for low, high in elements)
        values = {name: value} | ({header: 1} if header else {})
        assert run(compiled.program, values) is (member is not negated), (value, written)
    if subject != "random8":
        assert run(compiled.program, {}) is False


@given(st.integers(0, 32), st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
def test_a_prefix_is_the_network_of_the_standard_library(
    length: int, base: int, address: int
) -> None:
    network = ipaddress.IPv4Network((base, length), strict=False)
    compiled = extended(f"ip.SrcAddr in {{{network}}}")
    for probe in (address, int(network[0]), int(network[-1])):
        values = {"ip": 1, "ip.SrcAddr": 0xFFFF00000000 | probe}
        assert run(compiled.program, values) is (ipaddress.IPv4Address(probe) in network)


def test_a_set_of_256_values_fits_and_of_257_does_not() -> None:
    def text(count: int) -> str:
        return "tcp.DstPort in {" + ",".join(str(2 * n + 1) for n in range(count)) + "}"

    assert len(extended(text(256)).program) == 256
    with pytest.raises(FilterError, match="more than 256 tests"):
        language.compile(text(257), extensions=True)


@given(st.data())
def test_the_base_language_means_the_same_with_extensions(data: st.DataObject) -> None:
    text = data.draw(filters())
    assert language.compile(text) == language.compile(text, extensions=True)
