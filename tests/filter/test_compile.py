# SPDX-License-Identifier: MIT
"""From text to program: tests, jumps, folding, bytes."""

from __future__ import annotations

import copy
import pickle
import struct

import pytest
from hypothesis import given

import fastdivert.filter as language
from fastdivert import _core
from fastdivert.enums import Layer
from fastdivert.filter import ACCEPT, REJECT, Operator, Program
from tests.oracle.strategies import filters

Row = tuple[str, Operator, int, int, int]


def rows(text: str, layer: Layer = Layer.NETWORK, *, extensions: bool = False) -> list[Row]:
    program = language.compile(text, layer, extensions=extensions).program
    return [
        (test.field.name, test.op, test.constant, test.success, test.failure)
        for test in program.tests
    ]


def test_one_test() -> None:
    assert rows("tcp.DstPort == 80") == [("tcp.DstPort", Operator.EQ, 80, ACCEPT, REJECT)]


def test_and_goes_on_at_success_and_or_at_failure() -> None:
    assert rows("tcp and udp") == [
        ("tcp", Operator.NE, 0, 1, REJECT),
        ("udp", Operator.NE, 0, ACCEPT, REJECT),
    ]
    assert rows("tcp or udp") == [
        ("tcp", Operator.NE, 0, ACCEPT, 1),
        ("udp", Operator.NE, 0, ACCEPT, REJECT),
    ]


def test_and_binds_tighter_than_or() -> None:
    assert rows("tcp or udp and ip") == rows("tcp or (udp and ip)")
    assert rows("tcp and udp or ip") == rows("(tcp and udp) or ip")


def test_a_conditional_jumps_to_its_branches() -> None:
    assert rows("(tcp? udp: ip)") == [
        ("tcp", Operator.NE, 0, 1, 2),
        ("udp", Operator.NE, 0, ACCEPT, REJECT),
        ("ip", Operator.NE, 0, ACCEPT, REJECT),
    ]


def test_what_follows_a_group_is_there_once() -> None:
    assert rows("(tcp or udp) and ip") == [
        ("tcp", Operator.NE, 0, 2, 1),
        ("udp", Operator.NE, 0, 2, REJECT),
        ("ip", Operator.NE, 0, ACCEPT, REJECT),
    ]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("tcp", "tcp != 0"),
        ("tcp", "tcp == 1"),
        ("tcp", "not not tcp"),
        ("tcp", "(((tcp)))"),
        ("tcp", "! tcp != TRUE"),
        ("not tcp", "tcp == 0"),
        ("!tcp", "tcp != 1"),
        ("not loopback", "loopback != 1"),
        ("tcp.DstPort = 80", "tcp.DstPort == 0x50"),
        ("tcp.DstPort = 80", "tcp.DstPort==00000080"),
        ("tcp.DstPort = 80", "tcp.DstPort == ::50"),
        ("ip.SrcAddr = 0.0.0.5", "ip.SrcAddr == 0xffff00000005"),
        ("tcp.DstPort != 80", "not tcp.DstPort == 80"),
        ("tcp.DstPort < 80", "not tcp.DstPort >= 80"),
        ("tcp.DstPort <= 80", "not tcp.DstPort > 80"),
        ("tcp && udp || ip", "tcp and udp or ip"),
        ("ip.SrcAddr == 1.2.3.4", "ip.SrcAddr == ::ffff:1.2.3.4"),
        ("localAddr == 1.2.3.4", "localAddr == ::ffff:102:304"),
        ("ip.Protocol == 6", "ip.Protocol == TCP"),
        ("packet16[1] = 5", "packet16[2b] = 5"),
        ("packet32[-1] = 5", "packet32[ - 4b ] = 5"),
        ("packet[10] = 5", "packet[0xA] = 5"),
        ("tcp.DstPort = 0", "tcp.DstPort == -0"),
        ("(tcp? true: udp)", "tcp or udp"),
        ("(tcp? udp: false)", "tcp and udp"),
        ("(tcp? udp: udp)", "(tcp? udp: udp)"),
        ("(true? tcp: udp) and ip", "tcp and ip"),
        ("(tcp? true: true) and ip", "ip"),
        ("tcp and (udp? false: false)", "false"),
        ("(((tcp? false: true)? false: true)? udp: ip)", "(tcp? udp: ip)"),
        ("((tcp? false: true)? udp: ip)", "(tcp? ip: udp)"),
        ("false and tcp", "false"),
        ("tcp or true", "true"),
        ("zero", "false"),
        ("not zero", "true"),
        ("zero == -5", "false"),
        ("true < 2", "true"),
        ("not false = 1", "true"),
        ("timestamp >= -9223372036854775808", "true"),
        ("\t\n\r\f\v tcp\t\n\r\f\v ", "tcp"),
    ],
)
def test_same_program(text: str, same: str) -> None:
    assert language.compile(text) == language.compile(same)
    assert hash(language.compile(text)) == hash(language.compile(same))


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("tcp.DstPort < 65536", "tcp"),
        ("tcp.DstPort <= 65535", "tcp"),
        ("tcp.DstPort >= 0", "tcp"),
        ("tcp.DstPort > -1", "tcp"),
        ("tcp.DstPort != 65536", "tcp"),
        ("tcp.DstPort == 65536", "false"),
        ("tcp.DstPort < 0", "false"),
        ("tcp.DstPort <= -1", "false"),
        ("tcp.DstPort > 65535", "false"),
        ("tcp.DstPort >= 65536", "false"),
        ("not tcp.DstPort == 65536", "tcp"),
        ("tcp.PayloadLength >= 0", "tcp"),
        ("udp.Payload[5] < 256", "udp"),
        ("packet[5] < 256", "true"),
        ("icmpv6.Type <= 255", "icmpv6"),
        ("ip.SrcAddr >= 0.0.0.0", "ip"),
        ("ip.SrcAddr == ::1", "false"),
        ("ip.SrcAddr == 5", "false"),
        ("ipv6.SrcAddr >= ::", "ipv6"),
        ("localAddr >= ::", "true"),
        ("localPort > 65535", "false"),
        ("length < 20", "false"),
        ("length >= 20", "true"),
        ("random8 < 256", "true"),
        ("event <= 9", "true"),
        ("ip.TOS < 65536", "ip"),
    ],
)
def test_a_comparison_that_its_range_decides_is_folded(text: str, folded: str) -> None:
    assert language.compile(text) == language.compile(folded)


@pytest.mark.parametrize(
    "text",
    [
        "tcp.DstPort == 65535",
        "tcp.DstPort > 0",
        "ip.TOS == 300",
        "tcp.SeqNum == 4294967296",
        "tcp.SeqNum >= 0",
        "loopback == 5",
        "packet32[0] == -1",
        "icmp.Body < 0",
        "impostor >= 0",
    ],
)
def test_a_comparison_that_depends_is_kept(text: str) -> None:
    ((name, _, _, success, failure),) = rows(text)
    assert text.startswith(name)
    assert (success, failure) == (ACCEPT, REJECT)


@pytest.mark.parametrize(("text", "target"), [("true", ACCEPT), ("false", REJECT)])
def test_a_constant_program_is_one_test_of_zero(text: str, target: int) -> None:
    assert rows(text) == [("zero", Operator.EQ, 0, target, target)]
    assert language.compile(text).program.constant is (text == "true")
    assert language.compile("tcp").program.constant is None


def test_macros_depend_on_the_layer() -> None:
    socket = language.compile("event == CLOSE", Layer.SOCKET).program.tests[0]
    reflect = language.compile("event == CLOSE", Layer.REFLECT).program.tests[0]
    assert (socket.constant, reflect.constant) == (7, 9)
    assert rows("layer == SOCKET", Layer.REFLECT)[0][2] == 3


def test_programs_of_other_layers_differ() -> None:
    assert language.compile("tcp") != language.compile("tcp", Layer.FLOW)
    assert language.compile("tcp", 2).layer is Layer.FLOW


def test_to_bytes_is_the_struct_of_the_abi() -> None:
    program = language.compile("packet16[-3b] = 0x1234 or timestamp < -0x1122334455667788").program
    expected = struct.pack("=II", 2, 0)
    expected += struct.pack("=HBBHHiI4I", 72, 0, 0, ACCEPT, 1, -3, 0, 0x1234, 0, 0, 0)
    expected += struct.pack(
        "=HBBHHiI4I", 81, 2, 1, ACCEPT, REJECT, 0, 0, 0x55667788, 0x11223344, 0, 0
    )
    assert program.to_bytes() == expected


def test_to_bytes_writes_addresses_least_significant_word_first() -> None:
    program = language.compile("ipv6.DstAddr == 1:2:3:4:5:6:7:8").program
    assert program.to_bytes()[-16:] == struct.pack("=4I", 0x70008, 0x50006, 0x30004, 0x10002)


@given(filters(tests_max=30))
def test_the_core_accepts_every_program(text: str) -> None:
    program = language.compile(text).program
    core = _core.Program(program.to_bytes())
    assert (core.length, core.layer) == (len(program), program.layer)


@given(filters(tests_max=30))
def test_every_test_is_reachable_and_decides_something(text: str) -> None:
    program = language.compile(text).program
    if program.constant is not None:
        assert len(program) == 1
        return
    reached = {0}
    for number, test in enumerate(program.tests):
        assert number in reached
        assert test.success != test.failure
        reached |= {test.success, test.failure}
        assert all(target > number for target in (test.success, test.failure))


def test_a_filter_is_a_value() -> None:
    one = language.compile("tcp == 1", Layer.FLOW)
    other = language.compile("tcp", Layer.FLOW)
    assert one == other
    assert len({one, other}) == 1
    assert one != "tcp"
    assert str(one) == one.text == "tcp == 1"
    assert repr(one) == "fastdivert.compile('tcp == 1', Layer.FLOW)"
    assert repr(language.compile("not (tcp)", extensions=True)).endswith("extensions=True)")
    for twin in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert (twin, twin.text, twin.layer) == (one, one.text, one.layer)


@pytest.mark.parametrize("name", ["text", "program", "other"])
def test_a_filter_is_immutable(name: str) -> None:
    compiled = language.compile("tcp")
    with pytest.raises(AttributeError, match="immutable"):
        setattr(compiled, name, None)
    with pytest.raises(AttributeError, match="immutable"):
        delattr(compiled, name)


def test_match_asks_the_batch() -> None:
    class Batch:
        def match(self, asked: object) -> object:
            return asked

    compiled = language.compile("tcp")
    asked: object = compiled.match(Batch())
    assert asked is compiled


def test_dump_lists_tests_and_jumps() -> None:
    text = "outbound and (tcp.DstPort == 443 or udp.DstPort == 443)"
    assert language.compile(text).program.dump() == (
        "  0  outbound           true: 1       false: reject\n"
        "  1  tcp.DstPort = 443  true: accept  false: 2\n"
        "  2  udp.DstPort = 443  true: accept  false: reject"
    )


def test_a_program_without_text_is_a_program() -> None:
    assert Program.of_constant(Layer.NETWORK, True) == language.compile("true").program
