"""Payload views, and payloads of another length."""

from __future__ import annotations

import numpy as np
import pytest

import fastdivert as fd
from tests.traffic import (
    first_fragment,
    icmp,
    later_fragment,
    tcp,
    tcp6,
    udp,
    udp6,
)


def one(packet: bytes) -> fd.Batch:
    return fd.Batch.from_packets([tcp(7, 7, b"before"), packet, tcp(9, 9, b"behind")])


@pytest.mark.parametrize(
    ("packet", "payload"),
    [
        (tcp(1, 2, b"abc"), b"abc"),
        (udp(1, 2, b"abcd"), b"abcd"),
        (tcp6(1, 2, b"x"), b"x"),
        (icmp(b"ping"), b"ping"),
        (later_fragment(b"rest"), b"rest"),
        (tcp(), b""),
        (b"", b""),
        (b"garbage", b""),
        (tcp(1, 2, b"abc") + b"trailer", b"abc"),
    ],
)
def test_the_payload_is_what_follows_the_transport_header(packet, payload):
    assert one(packet).payload(1).tobytes() == payload


def test_a_payload_view_is_the_packet_itself():
    batch = one(tcp(1, 2, b"abc"))
    batch.payload(1)[1] = ord("X")

    assert bytes(batch[1]).endswith(b"aXc")
    assert batch["tcp.Payload[1]"][1] == ord("X")


@pytest.mark.parametrize("row", [3, -4])
def test_a_payload_outside_the_batch_is_an_index_error(row):
    with pytest.raises(IndexError):
        one(tcp()).payload(row)
    with pytest.raises(IndexError):
        one(tcp()).replace_payload(row, b"x")


@pytest.mark.parametrize("new", [b"", b"x", b"abcdef", b"longer than before", bytes(1400)])
@pytest.mark.parametrize("kind", [tcp, udp, tcp6, udp6])
def test_a_replaced_payload_has_right_lengths_and_checksums(kind, new):
    batch = one(kind(1, 2, b"abcdef"))
    batch.replace_payload(1, new)
    packet, sums = batch[1], batch.checksums("verify")[1]

    assert packet.payload.tobytes() == new
    assert bytes(packet) == bytes(packet)[: len(packet)]
    assert batch["length"][1] == len(kind(1, 2, new)) == len(packet)
    assert sums["l4_right"]
    assert sums["ip_right"] == sums["ip_present"]
    assert (packet.src_port, packet.dst_port) == (1, 2)


@pytest.mark.parametrize(("kind", "field"), [(udp, "udp.Length"), (udp6, "udp.Length")])
def test_a_replaced_payload_changes_the_udp_length(kind, field):
    batch = one(kind(1, 2, b"abcdef"))
    batch.replace_payload(1, b"123456789")

    assert batch[field][1] == 17


def test_the_packets_beside_stay_as_they_are():
    batch = one(tcp(1, 2, b"abc"))
    batch.replace_payload(1, bytes(3000))

    assert bytes(batch[0]) == tcp(7, 7, b"before")
    assert bytes(batch[2]) == tcp(9, 9, b"behind")


def test_the_headers_follow():
    batch = one(tcp(1, 2, b"abc"))
    batch.replace_payload(1, b"12345")

    assert batch.headers["captured"].tolist() == [46, 45, 46]
    assert batch.headers["length"].tolist() == [46, 45, 46]


@pytest.mark.parametrize(
    "flag",
    [
        fd.HeaderFlag.TCP_CHECKSUM_PARTIAL,
        fd.HeaderFlag.IP_CHECKSUM_PARTIAL,
        fd.HeaderFlag.GSO_TCP,
        fd.HeaderFlag.GSO_ECN,
        fd.HeaderFlag.TRUNCATED,
    ],
)
def test_what_was_unfinished_is_finished(flag):
    batch = one(tcp(1, 2, b"abc"))
    batch.headers["flags"][1] |= flag
    batch.headers["gso_size"][1] = 1000
    batch.replace_payload(1, b"12345")

    assert not batch.headers["flags"][1] & flag
    assert batch.headers["gso_size"][1] == 0
    assert batch.headers["flags"][1] & fd.HeaderFlag.TCP_CHECKSUM_VALID


@pytest.mark.parametrize(
    ("packet", "most"),
    [(tcp(), 65535 - 40), (udp(), 65535 - 28), (tcp6(), 65535 - 20), (udp6(), 65535 - 8)],
)
def test_the_longest_payload_is_what_the_ip_length_can_say(packet, most):
    batch = one(packet)
    batch.replace_payload(1, bytes(most))
    with pytest.raises(ValueError, match="16 bits"):
        batch.replace_payload(1, bytes(most + 1))

    assert batch.payload(1).size == most
    assert batch.checksums("verify")["l4_right"][1]


@pytest.mark.parametrize("packet", [b"", b"garbage", b"\x45" + bytes(10)])
def test_what_is_no_packet_gets_no_payload(packet):
    batch = one(packet)
    with pytest.raises(ValueError, match=r"packet 1 .* no IP packet"):
        batch.replace_payload(1, b"x")

    assert bytes(batch[1]) == packet


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2]])
def test_a_payload_is_bytes(data):
    batch = one(tcp(1, 2, b"abc"))
    with pytest.raises(TypeError):
        batch.replace_payload(1, data)

    assert batch.payload(1).tobytes() == b"abc"


def test_a_payload_longer_than_any_packet_is_refused():
    with pytest.raises(ValueError, match="more than a packet holds"):
        one(tcp()).replace_payload(1, bytes(524289))


def test_a_view_taken_before_shows_the_old_payload():
    batch = one(tcp(1, 2, b"abc"))
    before = batch.payload(1)
    batch.replace_payload(1, b"12345")
    before[:] = ord("?")

    assert batch.payload(1).tobytes() == b"12345"


def test_a_packet_takes_a_payload_from_itself():
    batch = one(tcp(1, 2, b"abc"))
    batch[1].payload = batch[1].payload[::-1].tobytes() + batch[1].payload.tobytes()

    assert batch.payload(1).tobytes() == b"cbaabc"


def test_a_view_of_the_same_packet_can_be_its_new_payload():
    batch = one(tcp(1, 2, b"abcdef"))
    batch.replace_payload(1, batch.payload(1)[2:])

    assert batch.payload(1).tobytes() == b"cdef"


def test_a_later_fragment_gets_other_bytes():
    batch = one(later_fragment(bytes(16)))
    batch.replace_payload(1, bytes(range(24)))

    assert batch.payload(1).tobytes() == bytes(range(24))
    assert batch["ip.Length"][1] == 44
    assert batch["ip.FragOff"][1] == 5
    assert batch.checksums("verify")["ip_right"][1]


def test_a_first_fragment_keeps_the_length_of_the_whole_datagram():
    packet = bytearray(first_fragment(bytes(16)))
    packet[24:26] = (1000).to_bytes(2, "big")  # of the datagram, as in any first fragment
    batch = one(bytes(packet))
    batch.replace_payload(1, bytes(range(24)))

    assert batch["udp.Length"][1] == 1000


def test_many_replacements_end_with_the_last():
    batch = one(udp(1, 2, b""))
    for size in range(0, 500, 7):
        batch.replace_payload(1, bytes([size % 256]) * size)

    assert batch.payload(1).tobytes() == bytes([497 % 256]) * 497


def test_a_replaced_payload_is_copied_along():
    batch = one(tcp(1, 2, b"abc"))
    batch.replace_payload(1, np.arange(5, dtype=np.uint8))
    copy = batch.copy()
    batch.release()

    assert copy.payload(1).tobytes() == bytes(range(5))
