# SPDX-License-Identifier: MIT
"""IPv4 and IPv6 addresses as text."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdivert.filter.address import (
    AddressError,
    format_ipv4,
    format_ipv6,
    ipv6_from_text,
    parse_ipv4,
    parse_ipv6,
)
from tests import oracle
from tests.oracle.generator import random_address

groups = st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF, 0x1234]), min_size=8, max_size=8)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0", 0),
        ("127.0.0.1", 0x7F000001),
        ("255.255.255.255", 0xFFFFFFFF),
        ("01.002.0003.010", 0x0102030A),
    ],
)
def test_parse_ipv4(text: str, address: int) -> None:
    assert parse_ipv4(text) == address


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("1.2.3", 0),
        ("1.2.3.4.5", 0),
        ("1..3.4", 2),
        ("1.2.256.4", 4),
        ("1.2.3.4 ", 6),
        ("1.2.3.-4", 6),
        ("1.2.3.٤", 6),
        ("4294967297.2.3.4", 0),
        ("9" * 5000 + ".2.3.4", 0),
        ("0x1.2.3.4", 0),
    ],
)
def test_parse_ipv4_refuses(text: str, position: int) -> None:
    with pytest.raises(AddressError) as error:
        parse_ipv4(text)
    assert error.value.position == position
    assert f"at position {position}" in str(error.value)


@given(st.integers(0, 0xFFFFFFFF))
def test_ipv4_agrees_with_the_standard_library(address: int) -> None:
    assert format_ipv4(address) == str(ipaddress.IPv4Address(address))
    assert parse_ipv4(format_ipv4(address)) == address


@pytest.mark.parametrize("address", [-1, 1 << 32])
def test_format_ipv4_refuses_what_has_not_32_bits(address: int) -> None:
    with pytest.raises(ValueError, match="no IPv4 address"):
        format_ipv4(address)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("::", "::"),
        ("::1", "::1"),
        ("1::", "1::"),
        ("fe80::1", "fe80::1"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("0001:0002:3:4:5:6:7:ABCD", "1:2:3:4:5:6:7:abcd"),
        ("::1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("1:2:3:4::5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7::"),
        ("1:2:3:4:5:6:7:8::", "1:2:3:4:5:6:7:8"),
        ("1:0:2:3:4:5:6:7", "1::2:3:4:5:6:7"),
        ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ("1:0:0:2:3:0:0:4", "1::2:3:0:0:4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::ffff:102:304", "1.2.3.4"),
        ("::1.2.3.4", "::102:304"),
        ("0:0:1.2.3.4", "::102:304"),
        ("::0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4"),
    ],
)
def test_ipv6_is_read_and_written_as_windivert_does(text: str, canonical: str) -> None:
    assert format_ipv6(parse_ipv6(text)) == canonical
    assert oracle.format(f"ipv6.SrcAddr == {text}") == f"ipv6.SrcAddr = {canonical}"


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        (":", 0),
        (":1", 0),
        ("1:", 1),
        ("1:2:3:4:5:6:7:", 13),
        (":::", 2),
        ("1:::2", 3),
        ("1::2::3", 4),
        ("1:2:3:4:5:6:7", 0),
        ("12345::", 0),
        ("1:g::", 2),
        ("1::1.2.3.4", 3),
        ("::ffff:1.2.3.256", 13),
        ("1.2.3.4::", 0),
        ("0:0:0:0:0:ffff:1.2.3.4", 15),
        ("::1%eth0", 2),
        ("_::1", 0),
    ],
)
def test_parse_ipv6_refuses_what_windivert_refuses(text: str, position: int) -> None:
    with pytest.raises(AddressError) as error:
        parse_ipv6(text)
    assert error.value.position == position
    if text:
        assert not oracle.compile(f"ipv6.SrcAddr == {text}").ok


@pytest.mark.parametrize(
    "text",
    ["1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:x", "1:2:3:4:5:6:7:8::9", "::0:0:0:0:0:0:0:1.2.3.4"],
)
def test_more_than_eight_groups_are_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_ipv6(text)


@given(groups)
def test_ipv6_agrees_with_the_standard_library_in_meaning(values: list[int]) -> None:
    packed = b"".join(value.to_bytes(2, "big") for value in values)
    text = format_ipv6(packed)
    if ":" in text:
        assert ipaddress.IPv6Address(text).packed == packed
    assert parse_ipv6(str(ipaddress.IPv6Address(packed))) == packed
    assert parse_ipv6(text) == packed


def test_a_bare_ipv4_address_is_mapped_so_that_parse_is_the_inverse_of_format() -> None:
    mapped = bytes(10) + b"\xff\xff\x01\x02\x03\x04"
    assert format_ipv6(mapped) == "1.2.3.4"
    assert parse_ipv6("1.2.3.4") == mapped


@given(st.randoms(use_true_random=False))
def test_every_generated_spelling_reads_as_windivert_reads_it(rng: object) -> None:
    text = random_address(rng)  # type: ignore[arg-type]
    canonical = oracle.format(f"localAddr == {text}")
    if ":" in text:
        assert canonical == f"localAddr = {format_ipv6(ipv6_from_text(text).to_bytes(16, 'big'))}"
    else:
        assert canonical == f"localAddr = {format_ipv4(parse_ipv4(text))}"


@pytest.mark.parametrize("size", [0, 4, 15, 17])
def test_format_ipv6_refuses_what_has_not_16_bytes(size: int) -> None:
    with pytest.raises(ValueError, match=f"16 bytes, not {size}"):
        format_ipv6(bytes(size))
