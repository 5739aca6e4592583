# SPDX-License-Identifier: MIT
"""WinDivert's serialized filters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastdivert.filter as language
from fastdivert.enums import Layer
from fastdivert.errors import FilterError
from fastdivert.filter.windivert_object import encode
from tests import oracle
from tests.oracle.strategies import filters, layers


@pytest.mark.parametrize(
    ("text", "serialized"),
    [
        ("true", "@WinDiv_WX_WWWWAA"),
        ("false", "@WinDiv_WX_WWWWXX"),
        ("tcp", "@WinDiv_WX_eXWWAX"),
        ("tcp.DstPort == 80", "@WinDiv_WX_1dWW2mAX"),
        ("ip.SrcAddr == 1.2.3.4", "@WinDiv_WX_rWWG40OaAX"),
        ("timestamp > -5", "@WinDiv_WX_2naXbWAX"),
    ],
)
def test_encode(text: str, serialized: str) -> None:
    assert encode(language.compile(text).program) == serialized
    assert language.compile(serialized) == language.compile(text)


@given(layers.flatmap(lambda layer: st.tuples(filters(layer, 20), st.just(layer))))
def test_decode_is_the_inverse_of_encode_and_windivert_reads_the_same(
    case: tuple[str, Layer],
) -> None:
    text, layer = case
    compiled = language.compile(text, layer)
    try:
        serialized = encode(compiled.program)
    except FilterError as error:
        assert "no room for the constant" in error.message
        return
    assert language.compile(serialized, layer) == compiled
    theirs = oracle.format(serialized, layer)
    assert theirs is not None
    if "::: " not in theirs:
        again = language.compile(theirs, layer)
        assert again == compiled or len(again.program) > len(compiled.program)


@given(layers.flatmap(lambda layer: st.tuples(filters(layer, 4), st.just(layer))), st.data())
def test_a_damaged_object_is_refused_or_read_as_windivert_reads_it(
    case: tuple[str, Layer], data: st.DataObject
) -> None:
    text, layer = case
    try:
        serialized = encode(language.compile(text, layer).program)
    except FilterError:
        return
    position = data.draw(st.integers(0, len(serialized) - 1))
    character = data.draw(st.sampled_from("0AXLWzc_=+b "))
    damaged = serialized[:position] + character + serialized[position + 1 :]
    theirs = oracle.compile(damaged, layer)
    try:
        language.compile(damaged, layer)
    except FilterError as error:
        assert 0 <= error.position <= len(damaged)
        if not damaged.startswith("@"):
            return
        # WinDivert's compiler does not check the layer; its driver does.
        assert not theirs.ok or any(
            reason in error.message for reason in ("does not exist at layer", "index")
        )
    else:
        assert theirs.ok


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("@", 0, "does not start with '@WinDiv_'"),
        ("@WinDiv", 0, "does not start with '@WinDiv_'"),
        ("@WinDiv_", 8, "it ends early"),
        ("@WinDiv_X", 8, "version 1 is above 0"),
        ("@WinDiv_W", 9, "it ends early"),
        ("@WinDiv_WW", 9, "it has no test"),
        ("@WinDiv_W8X", 9, "length 257 is above 256"),
        ("@WinDiv_W00X", 9, "the number of length does not end"),
        ("@WinDiv_WX", 10, "it ends early"),
        ("@WinDiv_WXeXWWAX", 10, "a test starts with '_'"),
        ("@WinDiv_WX_2sXWWAX", 11, "field 86 is above 85"),
        ("@WinDiv_WX_1yXWWAX", 11, "'processId' does not exist at layer NETWORK"),
        ("@WinDiv_WX_ecWWAX", 12, "operator 6 is above 5"),
        ("@WinDiv_WX_eXYWAX", 13, "sign 2 is above 1"),
        ("@WinDiv_WX_eXW4000000WAX", 14, "the number of constant does not end"),
        ("@WinDiv_WX_eXW400000WAX", 14, "above 4294967295"),
        ("@WinDiv_WX_eXW-AX", 14, "'-' is no digit"),
        ("@WinDiv_WX_2dWWWVVVWAX", 16, "index"),
        ("@WinDiv_WX_eXWWBX", 15, "'B' is no jump"),
        ("@WinDiv_WX_eXWWLWX", 15, "the jump from test 0 to 0 is not forward"),
        ("@WinDiv_WX_eXWWLXX", 16, "jump 1 is above 0"),
        ("@WinDiv_WX_eXWWAX ", 17, "text behind its 1 tests"),
        ("@WinDiv_WX_eXWWAXé", 17, "text behind its 1 tests"),
    ],
)
def test_a_bad_object_is_an_error_where_it_is_bad(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterError) as error:
        language.compile(text)
    assert (error.value.position, message in error.value.message) == (position, True), str(
        error.value
    )


def test_a_bare_at_sign_within_a_text_is_no_object() -> None:
    with pytest.raises(FilterError, match="unexpected character '@'"):
        language.compile(" @WinDiv_WX_eXWWAX")


def test_tests_that_never_hold_and_dead_tests_are_dropped() -> None:
    # zero -> 2 else 1; tcp -> accept else 2; udp -> accept else reject; ip: dead.
    serialized = "@WinDiv_Wa_WXWWLYLX_eXWWALY_fXWWAX_bXWWAX"
    assert language.compile(serialized).format() == "tcp or udp"


def test_an_array_test_is_kept_as_it_is() -> None:
    # packet[65534] <= 255 is no constant: it is false where the packet is shorter.
    serialized = "@WinDiv_WX_2dZW7=3VVzAX"
    compiled = language.compile(serialized)
    assert len(compiled.program) == 1
    assert compiled.program.constant is None
    assert compiled.program.tests[0].index == 65534
    assert compiled.format() == serialized
    assert language.compile("packet[65534] <= 255").format() == "true"


def test_jumps_that_no_expression_has_are_written_as_an_object() -> None:
    # 0: tcp -> 1 else 2; 1: udp -> 3 else 4; 2: ip -> 4 else 3; 3: icmp; 4: ipv6;
    # and 3 is entered from 4 too.
    serialized = "@WinDiv_Wb_eXWWLXLY_fXWWLZLa_bXWWLaLZ_dXWWALa_cXWWAX"
    compiled = language.compile(serialized)
    assert len(compiled.program) == 5
    assert language.compile(compiled.format()) == compiled


def test_256_tests_can_be_encoded() -> None:
    compiled = language.compile(" or ".join(f"tcp.DstPort == {port}" for port in range(256)))
    assert language.compile(encode(compiled.program)) == compiled


def test_a_constant_without_room_is_an_error() -> None:
    with pytest.raises(FilterError, match=r"no room for the constant 4294967296 of 'tcp\.SeqNum'"):
        encode(language.compile("tcp.SeqNum == 4294967296").program)
