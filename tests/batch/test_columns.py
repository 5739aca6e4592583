"""Columns by the names of the filter language: dtypes, shapes, presence, errors."""

from __future__ import annotations

import numpy as np
import pytest

import fastdivert as fd
from tests.traffic import CLIENT6, icmp, later_fragment, tcp, tcp6, udp, udp6


def mixed() -> fd.Batch:
    return fd.Batch.from_packets(
        [tcp(1000, 80, b"GET /"), udp(2000, 53, b"dns?"), tcp6(3000, 443), udp6(4000, 123), icmp()]
    )


@pytest.mark.parametrize(
    ("name", "dtype", "shape"),
    [
        ("ip.TTL", np.uint8, (5,)),
        ("ip.Length", np.uint16, (5,)),
        ("ip.SrcAddr", np.uint32, (5,)),
        ("ip.DF", np.bool_, (5,)),
        ("ip.FragOff", np.uint16, (5,)),
        ("ipv6.SrcAddr", np.uint8, (5, 16)),
        ("ipv6.TrafficClass", np.uint16, (5,)),
        ("ipv6.FlowLabel", np.uint32, (5,)),
        ("tcp.Syn", np.bool_, (5,)),
        ("tcp", np.bool_, (5,)),
        ("outbound", np.bool_, (5,)),
        ("fragment", np.bool_, (5,)),
        ("timestamp", np.int64, (5,)),
        ("localAddr", np.uint8, (5, 16)),
        ("length", np.uint32, (5,)),
        ("packet[0]", np.uint8, (5,)),
        ("packet16[0]", np.uint16, (5,)),
        ("packet32[0]", np.uint32, (5,)),
        ("tcp.Payload[0]", np.uint8, (5,)),
    ],
)
def test_a_column_is_as_wide_as_its_field(name, dtype, shape):
    column = mixed()[name]

    assert (column.dtype, column.shape) == (dtype, shape)
    assert column.flags.c_contiguous


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("endpointId", np.uint64), ("processId", np.uint32), ("localPort", np.uint16)],
)
def test_an_event_has_columns_too(name, dtype):
    assert fd.Batch.from_packets([b""], layer=fd.Layer.SOCKET)[name].dtype == dtype


def test_a_column_is_a_read_only_copy():
    batch = mixed()
    column = batch["ip.TTL"]
    with pytest.raises(ValueError, match="read-only"):
        column[0] = 1
    batch["ip.TTL"] = 7

    assert column[0] == 64


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tcp.SrcPort", [1000, 0, 3000, 0, 0]),
        ("udp.DstPort", [0, 53, 0, 123, 0]),
        ("ip.TTL", [64, 64, 0, 0, 64]),
        ("ipv6.HopLimit", [0, 0, 64, 64, 0]),
        ("icmp.Type", [0, 0, 0, 0, 8]),
        ("tcp.Payload[0]", [ord("G"), 0, 0, 0, 0]),
        ("tcp.Payload[-1]", [ord("/"), 0, 0, 0, 0]),
        ("udp.Payload32[0]", [0, int.from_bytes(b"dns?", "big"), 0, 0, 0]),
        ("packet[0]", [0x45, 0x45, 0x60, 0x60, 0x45]),
        ("packet16[1]", [45, 32, 0, 0, 32]),
        ("packet16[2b]", [45, 32, 0, 0, 32]),
        ("packet[1000]", [0, 0, 0, 0, 0]),
    ],
)
def test_a_field_that_a_packet_lacks_is_zero(name, expected):
    assert mixed()[name].tolist() == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tcp.SrcPort", [1, 0, 1, 0, 0]),
        ("ip.TTL", [1, 1, 0, 0, 1]),
        ("ipv6.SrcAddr", [0, 0, 1, 1, 0]),
        ("tcp.Payload[4]", [1, 0, 0, 0, 0]),
        ("tcp.Payload[5]", [0, 0, 0, 0, 0]),
        ("tcp.Payload[-5]", [1, 0, 0, 0, 0]),
        ("tcp.Payload[-6]", [0, 0, 0, 0, 0]),
        ("packet[44]", [1, 0, 1, 1, 0]),
        ("length", [1, 1, 1, 1, 1]),
    ],
)
def test_has_says_which_packets_have_the_field(name, expected):
    has = mixed().has(name)

    assert has.dtype == np.bool_
    assert has.tolist() == list(map(bool, expected))


def test_addresses_are_numbers_or_network_order_bytes():
    batch = mixed()

    assert batch["ip.SrcAddr"][0] == fd.parse_ipv4("10.0.0.1")
    assert batch["ipv6.SrcAddr"][2].tobytes() == fd.parse_ipv6(CLIENT6)
    assert batch["localAddr"][0].tobytes() == fd.parse_ipv6("::ffff:10.0.0.2")


def test_a_later_fragment_has_no_ports():
    batch = fd.Batch.from_packets([later_fragment()])

    assert not batch.has("udp.SrcPort")[0]
    assert batch["fragment"].tolist() == [True]
    assert batch["ip.FragOff"].tolist() == [5]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ttl",
        "ip.ttl",
        "ip.TTL ",
        "tcp.DstPort == 80",
        "packet",
        "ip.TTL[0]",
        "packet[]",
        "packet[x]",
        "packet[65535]x",
        "packet[65536]",
        "packet32[-0x10000]",
        "packet16[-1b]",
        "processId",
        "true",
        "\0",
        "ip.TTL" * 1000,
    ],
)
def test_no_such_column_is_a_key_error(name):
    batch = mixed()

    with pytest.raises(KeyError):
        batch[name]
    with pytest.raises(KeyError):
        batch.has(name)
    with pytest.raises(KeyError):
        batch[name] = 1


def test_network_fields_do_not_exist_for_events():
    with pytest.raises(KeyError, match="layer"):
        fd.Batch.from_packets([b""], layer=fd.Layer.FLOW)["ip.TTL"]


def test_forwarded_packets_have_no_direction():
    with pytest.raises(KeyError, match="layer"):
        fd.Batch.from_packets([tcp()], layer=fd.Layer.NETWORK_FORWARD)["outbound"]


@pytest.mark.parametrize("key", [1.5, None, (0, 1), object(), b"ip.TTL"])
def test_other_keys_are_refused(key):
    with pytest.raises((TypeError, KeyError, IndexError)):
        mixed()[key]


def test_parse_gives_places_and_every_field():
    batch = mixed()
    table = batch.parse()

    assert table.shape == (5,)
    assert table["l4_offset"].tolist() == [20, 20, 40, 40, 20]
    assert table["payload_offset"].tolist() == [40, 28, 60, 48, 28]
    assert table["payload_length"].tolist() == [5, 4, 0, 0, 4]
    for name in ("ip.TTL", "tcp.DstPort", "ipv6.SrcAddr", "timestamp", "tcp.Syn"):
        assert table[name].tolist() == batch[name].tolist()


def test_parse_takes_a_choice_of_fields():
    table = mixed().parse(["tcp.Payload[0]", "ipv6.DstAddr"])

    assert table.dtype.names[: len(fd.PARSED_DTYPE.names)] == fd.PARSED_DTYPE.names
    assert table.dtype.names[len(fd.PARSED_DTYPE.names) :] == ("tcp.Payload[0]", "ipv6.DstAddr")
    assert table["tcp.Payload[0]"].tolist() == [ord("G"), 0, 0, 0, 0]


def test_parse_of_no_fields_is_the_layout_alone():
    assert mixed().parse(()).dtype == fd.PARSED_DTYPE


@pytest.mark.parametrize("fields", [["ip.Nothing"], ["processId"]])
def test_parse_refuses_a_field_that_does_not_exist(fields):
    with pytest.raises(KeyError):
        mixed().parse(fields)


def test_parse_gives_a_field_once_however_often_it_is_asked_for():
    table = mixed().parse(["ip.TTL", "protocol", "ip.TTL"])

    assert table.dtype.names == (*fd.PARSED_DTYPE.names, "ip.TTL")


def test_a_cut_packet_is_truncated():
    parsed = fd.Batch.from_packets([tcp(1, 2, bytes(100))[:60]]).parse(())[0]

    assert parsed["ip_length"] == 140
    assert parsed["payload_length"] == 20
    assert parsed["state"] & 4


def test_what_is_no_packet_has_what_is_known_without_parsing_it():
    batch = fd.Batch.from_packets([b"\x00" * 30])
    batch.headers["timestamp"] = 123
    batch.headers["ifindex"] = 7
    assert batch["timestamp"].tolist() == [123]
    assert batch["ifIdx"].tolist() == [7]
    assert batch["length"].tolist() == [30]
    assert batch.has("timestamp").tolist() == [True]
    assert batch.has("ip.TTL").tolist() == [False]
    assert not batch.match("true").any()
