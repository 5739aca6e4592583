"""One packet: fields, addresses, views."""

from __future__ import annotations

import numpy as np
import pytest

import fastdivert as fd
from tests.traffic import CLIENT6, icmp, tcp, tcp6, udp


def packet(data: bytes = b"") -> fd.Packet:
    return fd.Batch.from_packets([data or tcp(1000, 80, b"hello")])[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ip.TTL", 64),
        ("ip.DF", False),
        ("tcp.DstPort", 80),
        ("tcp.Ack", True),
        ("ip.SrcAddr", 0x0A000001),
        ("tcp.Payload[0]", ord("h")),
        ("tcp.Payload[-1]", ord("o")),
        ("udp.DstPort", None),
        ("ipv6.SrcAddr", None),
        ("tcp.Payload[5]", None),
        ("packet[999]", None),
        ("timestamp", 0),
    ],
)
def test_a_field_is_a_plain_number_or_none(name, value):
    found = packet()[name]

    assert found == value
    assert type(found) is type(value)


def test_an_ipv6_address_is_sixteen_bytes():
    assert packet(tcp6())["ipv6.SrcAddr"] == fd.parse_ipv6(CLIENT6)


def test_a_field_is_written_with_its_checksums():
    one = packet()
    one._batch.checksums()
    one["ip.TTL"] = 3
    one["ip.SrcAddr"] = "1.2.3.4"
    one["ip.DF"] = True

    assert (one["ip.TTL"], one.src_addr, one["ip.DF"]) == (3, "1.2.3.4", True)
    assert one._batch.checksums("verify")["l4_right"].all()


@pytest.mark.parametrize("value", [-1, 256, 1.5, "x", None, [1, 2], float("nan"), 1 << 80])
def test_a_wrong_value_is_refused(value):
    one = packet()
    with pytest.raises(ValueError, match=r"ip\.TTL"):
        one["ip.TTL"] = value

    assert one["ip.TTL"] == 64


@pytest.mark.parametrize("name", ["nothing", "packet", "processId", ""])
def test_a_field_that_does_not_exist_is_a_key_error(name):
    with pytest.raises(KeyError):
        packet()[name]
    with pytest.raises(KeyError):
        packet()[name] = 1


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (tcp(1, 2), ("10.0.0.1", "10.0.0.2", 1, 2)),
        (udp(3, 4), ("10.0.0.1", "10.0.0.2", 3, 4)),
        (tcp6(5, 6), ("2001:db8::1", "2001:db8::2", 5, 6)),
        (icmp(), ("10.0.0.1", "10.0.0.2", None, None)),
        (b"garbage", (None, None, None, None)),
    ],
)
def test_ends_are_text_and_numbers(data, ends):
    one = packet(data)

    assert (one.src_addr, one.dst_addr, one.src_port, one.dst_port) == ends
    assert str(ends[0]) in repr(one)


def test_raw_is_the_packet_itself():
    one = packet()
    one.raw[8] = 5

    assert one["ip.TTL"] == 5
    assert one.raw.dtype == np.uint8
    assert bytes(one)[8] == 5


def test_a_payload_can_be_assigned():
    one = packet()
    one.payload = b"another, longer one"

    assert one.payload.tobytes() == b"another, longer one"
    assert len(one) == 59


def test_the_header_is_a_row_of_the_batch():
    batch = fd.Batch.from_packets([tcp(), tcp()])
    batch[1].header["verdict"] = fd.Verdict.DROP

    assert batch.verdicts.tolist() == [0, 1]


def test_the_address_is_a_copy():
    one = packet()
    one.address["Timestamp"] = 5

    assert one["timestamp"] == 0


def test_an_event_has_a_repr_too():
    assert "Packet 0" in repr(fd.Batch.from_packets([b""], layer=fd.Layer.FLOW)[0])


def test_a_made_up_packet_has_no_link_header():
    assert packet().link.size == 0


def test_a_packet_outlives_the_name_of_its_batch():
    packets = list(fd.Batch.from_packets([tcp(1, 1), tcp(2, 2)]))

    assert [one.src_port for one in packets] == [1, 2]
