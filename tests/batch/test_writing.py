"""Columns written back: values, masks, checksums, and refusals that change nothing."""

from __future__ import annotations

import numpy as np
import pytest

import fastdivert as fd
from tests.traffic import icmp, tcp, tcp6, udp, udp6


def mixed() -> fd.Batch:
    batch = fd.Batch.from_packets(
        [tcp(1000, 80, b"GET /"), udp(2000, 53, b"dns?"), tcp6(3000, 443), udp6(4000, 123), icmp()]
    )
    batch.checksums()
    return batch


def contents(batch: fd.Batch) -> list[bytes]:
    return [bytes(packet) for packet in batch.copy()] + [batch.headers.tobytes()]


_VALUES = {
    "ip.TOS": 7,
    "ip.Id": 0xBEEF,
    "ip.DF": 1,
    "ip.TTL": 3,
    "ip.SrcAddr": 0x7F000001,
    "ip.DstAddr": 0x08080808,
    "ipv6.TrafficClass": 0xA5,
    "ipv6.FlowLabel": 0xFEDCB,
    "ipv6.HopLimit": 1,
    "icmp.Type": 0,
    "icmp.Code": 9,
    "icmp.Body": 0xDEADBEEF,
    "tcp.SrcPort": 1,
    "tcp.DstPort": 65535,
    "tcp.SeqNum": 0xFFFFFFFF,
    "tcp.AckNum": 0,
    "tcp.Syn": True,
    "tcp.Ack": False,
    "tcp.Window": 0x1234,
    "tcp.UrgPtr": 0xFFFF,
    "udp.SrcPort": 9,
    "udp.DstPort": 0x8000,
    "tcp.Payload[0]": 0xFF,
    "tcp.Payload[1]": 0xFF,
    "tcp.Payload[-1]": 0xFF,
    "tcp.Payload16[1b]": 0xABCD,
    "udp.Payload32[0]": 0xABCDEF01,
}


@pytest.mark.parametrize("name", sorted(_VALUES))
def test_a_written_field_reads_back_and_right_checksums_stay_right(name):
    batch = mixed()
    batch[name] = _VALUES[name]
    has, sums = batch.has(name), batch.checksums("verify")

    assert (batch[name][has] == _VALUES[name]).all()
    assert has.any()
    assert (sums["ip_right"] == sums["ip_present"]).all()
    assert sums["l4_right"].all()


@pytest.mark.parametrize("name", sorted(_VALUES))
def test_a_wrong_checksum_stays_wrong(name):
    batch = mixed()
    for checksum in ("ip.Checksum", "tcp.Checksum", "udp.Checksum", "icmp.Checksum"):
        batch[checksum] = batch[checksum].astype(np.uint32) ^ 0x1111
    batch[name] = _VALUES[name]
    sums = batch.checksums("verify")

    assert not (sums["ip_right"] & sums["ip_present"]).any()
    assert not sums["l4_right"].any()


def test_packets_without_the_field_stay_as_they_are():
    batch = mixed()
    before = [bytes(packet) for packet in batch]
    batch["tcp.DstPort"] = 8080

    assert [bytes(packet) == old for packet, old in zip(batch, before, strict=True)] == [
        False,
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    "values", [[1, 2, 3, 4, 5], (1, 2, 3, 4, 5), np.arange(1, 6, dtype=np.int8), range(1, 6)]
)
def test_any_array_of_whole_numbers_will_do(values):
    batch = mixed()
    batch["ip.TTL"] = values

    assert batch["ip.TTL"].tolist() == [1, 2, 0, 0, 5]


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">i8", "u8", "?"])
def test_the_byte_order_and_width_of_the_values_do_not_matter(dtype):
    batch = mixed()
    batch["tcp.DstPort"] = np.ones(5, dtype)

    assert batch["tcp.DstPort"].tolist() == [1, 0, 1, 0, 0]


def test_strided_and_reversed_values_are_taken_in_their_order():
    batch = mixed()
    batch["ip.TTL"] = np.arange(10)[::-2]

    assert batch["ip.TTL"].tolist() == [9, 7, 0, 0, 1]


def test_set_writes_where_the_mask_says():
    batch = mixed()
    batch.set("ip.TTL", 5, batch["udp"])

    assert batch["ip.TTL"].tolist() == [64, 5, 0, 0, 64]


@pytest.mark.parametrize(
    "where",
    [[True], np.ones(5, np.uint8), np.ones((5, 1), np.bool_), [0, 1], True, "tcp", np.ones(6, "?")],
)
def test_a_mask_of_another_kind_is_refused(where):
    batch = mixed()
    before = contents(batch)

    with pytest.raises(ValueError, match="mask"):
        batch.set("ip.TTL", 5, where)
    with pytest.raises(ValueError, match="mask"):
        batch.decrement_ttl(where)
    assert contents(batch) == before


@pytest.mark.parametrize(
    ("name", "values", "index"),
    [
        ("ip.TTL", [1, 2, 256, 4, -1], "index 2"),
        ("ip.TTL", -1, "-1"),
        ("ip.TTL", 1 << 70, str(1 << 70)),
        ("ip.TTL", [1, 2, 1 << 70, 4, 5], "index 2"),
        ("tcp.DstPort", [0, 0, 0, 65536, 0], "index 3"),
        ("tcp.DstPort", np.array([0, 1, -5, 0, 0], np.int32), "index 2"),
        ("tcp.SeqNum", [0, 1 << 32, 0, 0, 0], "index 1"),
        ("tcp.SeqNum", np.array([0, 0, 0, 0, 1 << 63], np.uint64), "index 4"),
        ("tcp.Syn", [0, 1, 2, 0, 0], "index 2"),
        ("ipv6.FlowLabel", [1 << 20] * 5, "index 0"),
        ("ip.HdrLength", [16, 5, 5, 5, 5], "index 0"),
        ("packet[0]", [0, 0, 0, 0, 256], "index 4"),
        ("timestamp", [0, 0, 0, 1 << 63, 0], "index 3"),
        ("timestamp", np.array([0, 0, 0, 1 << 63, 0], np.uint64), "index 3"),
    ],
)
def test_a_value_out_of_range_is_named_and_nothing_is_written(name, values, index):
    batch = mixed()
    before = contents(batch)

    with pytest.raises(ValueError, match=index):
        batch[name] = values
    assert contents(batch) == before


@pytest.mark.parametrize(
    "values",
    [
        1.0,
        [1.5] * 5,
        float("nan"),
        [float("inf")] * 5,
        np.full(5, np.nan),
        "64",
        ["64"] * 5,
        None,
        [None] * 5,
        object(),
        1j,
        np.zeros(5, "M8[ns]"),
        np.zeros(5, [("a", "u1")]),
        b"\x01\x02\x03\x04\x05",
        {},
    ],
)
def test_values_of_another_kind_are_refused_and_nothing_is_written(values):
    batch = mixed()
    before = contents(batch)

    with pytest.raises(ValueError, match=r"ip\.TTL"):
        batch["ip.TTL"] = values
    assert contents(batch) == before


@pytest.mark.parametrize("values", [[], [1], [1] * 4, [1] * 6, [[1] * 5], np.ones((5, 1), int)])
def test_values_of_another_shape_are_refused(values):
    batch = mixed()

    with pytest.raises(ValueError, match=r"shape .* is needed|whole numbers"):
        batch["ip.TTL"] = values


def test_ragged_values_are_refused():
    with pytest.raises(ValueError, match=r"ip\.TTL"):
        mixed()["ip.TTL"] = [[1], [2, 3], [4], [5], [6]]


@pytest.mark.parametrize(
    "name",
    ["tcp", "ip", "tcp.PayloadLength", "length", "localAddr", "event", "fragment", "random8"],
)
def test_what_is_computed_cannot_be_written(name):
    batch = mixed()
    before = contents(batch)

    with pytest.raises(ValueError, match="cannot be written"):
        batch[name] = 1
    with pytest.raises(ValueError, match="cannot be written"):
        batch[0][name] = 1
    assert contents(batch) == before


@pytest.mark.parametrize("layer", [fd.Layer.FLOW, fd.Layer.SOCKET, fd.Layer.REFLECT])
def test_events_cannot_be_written(layer):
    with pytest.raises(ValueError, match="cannot be written"):
        fd.Batch.from_packets([b""], layer=layer)["timestamp"] = 1


@pytest.mark.parametrize(
    "values",
    [
        "192.168.1.2",
        0xC0A80102,
        np.uint32(0xC0A80102),
        ["192.168.1.2"] * 5,
        np.array(["192.168.1.2"] * 5),
        np.full(5, 0xC0A80102, np.uint32),
    ],
)
def test_an_ipv4_address_is_text_or_a_number(values):
    batch = mixed()
    batch["ip.DstAddr"] = values

    assert batch[0].dst_addr == batch[4].dst_addr == "192.168.1.2"
    assert batch.checksums("verify")["l4_right"].all()


@pytest.mark.parametrize(
    "values",
    [
        "fe80::1",
        fd.parse_ipv6("fe80::1"),
        ["fe80::1"] * 5,
        np.frombuffer(fd.parse_ipv6("fe80::1"), np.uint8),
        np.tile(np.frombuffer(fd.parse_ipv6("fe80::1"), np.uint8), (5, 1)),
    ],
)
def test_an_ipv6_address_is_text_or_bytes(values):
    batch = mixed()
    batch["ipv6.SrcAddr"] = values

    assert batch[2].src_addr == batch[3].src_addr == "fe80::1"
    assert batch.checksums("verify")["l4_right"].all()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ip.SrcAddr", "10.0.0"),
        ("ip.SrcAddr", "10.0.0.256"),
        ("ip.SrcAddr", "::1"),
        ("ip.SrcAddr", ""),
        ("ipv6.SrcAddr", "10.0.0.1.2"),
        ("ipv6.SrcAddr", "1::2::3"),
        ("ipv6.SrcAddr", b"\0" * 15),
        ("ip.SrcAddr", ["10.0.0.1", "10.0.0.2", "nowhere", "10.0.0.4", "10.0.0.5"]),
    ],
)
def test_what_is_no_address_is_refused_and_nothing_is_written(name, text):
    batch = mixed()
    before = contents(batch)

    with pytest.raises(ValueError):
        batch[name] = text
    assert contents(batch) == before


def test_packet_bytes_can_be_written_at_any_index():
    batch = mixed()
    batch["packet16[-2b]"] = 0xABCD

    assert [bytes(packet)[-2:] for packet in batch] == [b"\xab\xcd"] * 5


def test_timestamps_and_interfaces_are_written_to_the_headers():
    batch = mixed()
    batch["timestamp"] = np.arange(5, dtype=np.int64) - 2
    batch["ifIdx"] = 3
    batch["loopback"] = [True, False, True, False, True]

    assert batch.headers["timestamp"].tolist() == [-2, -1, 0, 1, 2]
    assert batch.headers["ifindex"].tolist() == [3] * 5
    assert batch["loopback"].tolist() == [True, False, True, False, True]


def test_inbound_is_not_outbound():
    batch = mixed()
    batch["inbound"] = [True, False, True, False, True]

    assert batch["outbound"].tolist() == [False, True, False, True, False]


def test_decrement_ttl_counts_down_and_says_where():
    batch = fd.Batch.from_packets([tcp(ttl=0), tcp(ttl=1), tcp(ttl=2), tcp6(), b""])
    batch.checksums()
    done = batch.decrement_ttl()

    assert done.tolist() == [False, False, True, True, False]
    assert batch["ip.TTL"].tolist() == [0, 1, 1, 0, 0]
    assert batch["ipv6.HopLimit"][3] == 63
    assert batch.checksums("verify")["ip_right"][:3].all()


def test_decrement_ttl_keeps_to_its_mask():
    batch = mixed()

    assert batch.decrement_ttl([True, False, False, False, True]).tolist() == [1, 0, 0, 0, 1]
    assert batch["ip.TTL"].tolist() == [63, 64, 0, 0, 63]


def test_checksums_leaves_out_what_flags_name():
    batch = mixed()
    batch["tcp.Checksum"] = 0
    batch["ip.Checksum"] = 0
    batch.checksums(flags=fd.ChecksumFlag.NO_TCP)

    assert batch["tcp.Checksum"].tolist() == [0] * 5
    assert batch.checksums("verify")["ip_right"].tolist() == [True, True, False, False, True]


@pytest.mark.parametrize("action", ["", "check", None, 1])
def test_checksums_does_two_things(action):
    with pytest.raises(ValueError, match="neither"):
        mixed().checksums(action)


@pytest.mark.parametrize("flags", [-1, 1 << 9])
def test_checksum_flags_that_do_not_exist_are_refused(flags):
    with pytest.raises(ValueError):
        mixed().checksums(flags=flags)


@pytest.mark.parametrize("seed", [-1, 1 << 64, 1.5, "x"])
def test_a_seed_has_64_bits(seed):
    with pytest.raises((ValueError, OverflowError, TypeError)):
        mixed().hash(seed)
