# SPDX-License-Identifier: MIT
"""Where the IP packet of a frame begins and ends, for every link type."""

from __future__ import annotations

import struct

import pytest

from fastdivert.enums import HeaderFlag, Link
from tests.capture.building import (
    ARP,
    IPV4,
    IPV6,
    LINK_HEADERS,
    MACS,
    ethernet,
    pcap,
    pcap_header,
    pcap_record,
)
from tests.capture.conftest import Opener
from tests.capture.rows import rows_of

LINKS = {
    0: Link.NULL,
    1: Link.ETHERNET,
    108: Link.LOOP,
    113: Link.SLL,
    276: Link.SLL2,
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("link_type", sorted(LINK_HEADERS))
def test_packet_begins_after_the_link_header(capture: Opener, link_type: int, order: str) -> None:
    head4, head6 = LINK_HEADERS[link_type]
    first, second = rows_of(capture(pcap([head4 + IPV4, head6 + IPV6], link_type, order)))
    assert (first.l2, first.packet) == (head4, IPV4)
    assert (second.l2, second.packet) == (head6, IPV6)
    assert first.link == second.link == LINKS.get(link_type, Link.RAW)
    assert HeaderFlag.IPV6 in second.flags and HeaderFlag.IPV6 not in first.flags
    assert not first.malformed and not second.malformed


@pytest.mark.parametrize("tags", [(0x8100,), (0x88A8, 0x8100), (0x9100,), (0x9200, 0x8100, 0x8100)])
def test_vlan_tags_belong_to_the_link_header(capture: Opener, tags: tuple[int, ...]) -> None:
    (row,) = rows_of(capture(pcap([ethernet(IPV6, 0x86DD, *tags)])))
    assert row.packet == IPV6
    assert len(row.l2) == 14 + 4 * len(tags)


def test_more_tags_than_are_kept_make_a_frame_that_is_no_packet(capture: Opener) -> None:
    frame = ethernet(IPV4, 0x0800, *[0x8100] * 20)
    (row,) = rows_of(capture(pcap([frame])))
    assert row.malformed
    assert row.frame == frame
    assert len(row.l2) == 62


@pytest.mark.parametrize("family", [10, 23, 24, 28, 30])
@pytest.mark.parametrize("order", ["<", ">"])
def test_null_family_in_either_byte_order(capture: Opener, family: int, order: str) -> None:
    (row,) = rows_of(capture(pcap([struct.pack(order + "I", family) + IPV6], 0)))
    assert row.packet == IPV6 and not row.malformed


@pytest.mark.parametrize("link_type", [113, 276])
def test_cooked_packet_type_4_is_outbound(capture: Opener, link_type: int) -> None:
    head4, head6 = LINK_HEADERS[link_type]
    sent, received = rows_of(capture(pcap([head4 + IPV4, head6 + IPV6], link_type)))
    assert HeaderFlag.OUTBOUND in sent.flags
    assert HeaderFlag.OUTBOUND not in received.flags


@pytest.mark.parametrize("at", [2, 8])
def test_cooked_loopback_device_is_loopback(capture: Opener, at: int) -> None:
    link_type = 113 if at == 2 else 276
    head = bytearray(LINK_HEADERS[link_type][0])
    head[at : at + 2] = struct.pack(">H", 772)
    (row,) = rows_of(capture(pcap([bytes(head) + IPV4], link_type)))
    assert HeaderFlag.LOOPBACK in row.flags


@pytest.mark.parametrize(
    ("frame", "link_type", "l2_length"),
    [
        (ethernet(ARP, 0x0806), 1, 14),
        (ethernet(ARP, 0x0806, 0x8100), 1, 18),
        (MACS + b"\0\x26\x42\x42\x03" + bytes(35), 1, 14),  # 802.3 length, LLC
        (ethernet(b"", 0x0800), 1, 14),
        (MACS, 1, 0),  # cut within the header
        (ethernet(b"\0\1", 0x8100), 1, 14),  # cut within a tag
        (b"", 1, 0),
        (b"", 101, 0),
        (struct.pack("<I", 7) + IPV4, 0, 4),
        (b"\2\0\0", 0, 0),
        (b"\0" * 15, 113, 0),
        (b"\0" * 19, 276, 0),
        (ethernet(IPV6, 0x0800), 1, 14),  # the EtherType lies
        (b"\x45" + bytes(30), 101, 0),  # an IP length of 0
    ],
)
def test_a_frame_that_is_no_packet_is_delivered(
    capture: Opener, frame: bytes, link_type: int, l2_length: int
) -> None:
    (row,) = rows_of(capture(pcap([frame], link_type)))
    assert row.malformed
    assert row.frame == frame
    assert len(row.l2) == l2_length
    assert row.length == len(row.packet)


def test_a_frame_of_an_unknown_link_is_never_taken_for_a_packet(capture: Opener) -> None:
    batch = next(iter(capture(pcap([IPV4], 127))))
    assert batch.headers["link"][0] == Link.OTHER
    assert not batch.match("ip").any()
    batch._packets.parse(True)  # nor when it is parsed again
    assert not batch.match("ip").any()


def test_arp_is_not_parsed_again_as_a_packet(capture: Opener) -> None:
    looks_like_ip = IPV4
    batch = next(iter(capture(pcap([ethernet(looks_like_ip, 0x0806), ethernet(IPV4, 0x0800)]))))
    batch["ip.TTL"] = [9, 9]
    batch._packets.parse(True)
    assert batch.match("ip").tolist() == [False, True]
    assert batch.match("ip.TTL == 9").tolist() == [False, True]


@pytest.mark.parametrize("link_type", [1, 113, 276])
def test_padding_is_not_part_of_the_packet(capture: Opener, link_type: int) -> None:
    head = LINK_HEADERS[link_type][0]
    reader = capture(pcap([head + IPV4 + bytes(6)], link_type))
    batch = next(iter(reader))
    (row,) = rows_of([batch])
    assert row.packet == IPV4
    assert row.length == len(IPV4)
    assert HeaderFlag.TRUNCATED not in row.flags
    assert batch.parse(())["state"][0] == 0


def test_what_follows_a_raw_packet_stays(capture: Opener) -> None:
    batch = next(iter(capture(pcap([IPV4 + b"tail"], 101))))
    assert batch.headers["captured"][0] == len(IPV4) + 4
    assert batch.parse(())["state"][0] == 8  # FD_PARSED_EXTENDED


def test_padding_of_a_cut_frame_is_not_missing(capture: Opener) -> None:
    frame = ethernet(IPV4, 0x0800)[:50]  # 36 of 40 bytes of the packet; 60 on the wire
    (row,) = rows_of(capture(pcap_header() + pcap_record(frame, length=60)))
    assert row.packet == IPV4[:36]
    assert row.length == 40
    assert HeaderFlag.TRUNCATED in row.flags


def test_a_jumbogram_is_not_cut_to_its_zero_length(capture: Opener) -> None:
    jumbo = struct.pack(">IHBB", 0x60000000, 0, 0, 64) + bytes(32)
    jumbo += bytes((6, 0, 0xC2, 4)) + struct.pack(">I", 70_000) + TCP_FILL
    (row,) = rows_of(capture(pcap([ethernet(jumbo, 0x86DD)])))
    assert row.packet == jumbo


TCP_FILL = bytes(69_992)


def test_an_original_length_below_the_captured_one_is_raised(capture: Opener) -> None:
    (row,) = rows_of(capture(pcap_header(101) + pcap_record(IPV4, length=3)))
    assert row.length == len(row.packet) == len(IPV4)
