# SPDX-License-Identifier: MIT
"""Packets as lines: made-up ones, each of a kind."""

import struct
import time

import numpy as np
import pytest

import fastdivert as fd
from fastdivert.cli import packet_text

SOURCE, DESTINATION = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    if not hasattr(time, "tzset"):  # Windows reads TZ when Python starts
        if time.timezone:
            pytest.skip("the zone of this machine is not UTC, and cannot be changed")
        yield
        return
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def ipv4(protocol, payload, *, fragment=0):
    length = 20 + len(payload)
    return (
        struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, length, 1, fragment, 64, protocol, 0, SOURCE, DESTINATION
        )
        + payload
    )


def ipv6(protocol, payload):
    addresses = bytes.fromhex("20010db800000000000000000000000120010db8000000000000000000000002")
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + addresses + payload


def tcp(flags, payload=b""):
    return struct.pack("!HHIIBBHHH", 1025, 80, 7, 9, 0x50, flags, 512, 0, 0) + payload


def line(packet, *, flags=0):
    address = fd.Batch.from_packets([packet]).addresses
    address["Timestamp"] = 45_296 * 10**9 + 123_456_789  # 12:34:56
    address["Flags"] |= np.uint8(flags)
    address["Network"]["IfIdx"] = 4_000_000  # no interface has this number
    (found,) = packet_text.lines(fd.Batch.from_packets([packet], address))
    return found


V4 = "IP 192.0.2.1 > 192.0.2.2"
V6 = "IP6 2001:db8::1 > 2001:db8::2"
TCP = "IP 192.0.2.1.1025 > 192.0.2.2.80"


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        (ipv4(6, tcp(0x02)), f"{TCP}: TCP [S], seq 7, win 512, length 0"),
        (ipv4(6, tcp(0x12)), f"{TCP}: TCP [S.], seq 7, ack 9, win 512, length 0"),
        (ipv4(6, tcp(0x19, b"abc")), f"{TCP}: TCP [FP.], seq 7, ack 9, win 512, length 3"),
        (ipv4(6, tcp(0x00)), f"{TCP}: TCP [none], seq 7, win 512, length 0"),
        (
            ipv4(17, struct.pack("!HHHH", 53, 5353, 12, 0) + b"abcd"),
            "IP 192.0.2.1.53 > 192.0.2.2.5353: UDP, length 4",
        ),
        (
            ipv4(1, struct.pack("!BBHHH", 8, 0, 0, 5, 6) + b"ping"),
            f"{V4}: ICMP echo request, id 5, seq 6, length 4",
        ),
        (ipv4(1, struct.pack("!BBHHH", 3, 1, 0, 0, 0)), f"{V4}: ICMP type 3 code 1, length 0"),
        (
            ipv6(58, struct.pack("!BBHHH", 129, 0, 0, 5, 6)),
            f"{V6}: ICMPv6 echo reply, id 5, seq 6, length 0",
        ),
        (ipv4(47, bytes(8)), f"{V4}: GRE, length 8"),
        (ipv4(99, bytes(5)), f"{V4}: 99, length 5"),
        (ipv4(17, bytes(16), fragment=3), f"{V4}: UDP fragment at 24, length 16"),
    ],
)
def test_each_kind_of_packet(packet, says):
    assert line(packet) == f"12:34:56.123456 #4000000 In  {says}"


@pytest.mark.parametrize(
    ("flags", "direction"),
    [
        (0, "In "),
        (fd.AddressFlag.OUTBOUND, "Out"),
        (fd.AddressFlag.OUTBOUND | fd.AddressFlag.LOOPBACK, "Lo "),
    ],
)
def test_direction(flags, direction):
    assert f" #4000000 {direction} IP" in line(ipv4(6, tcp(0x02)), flags=flags)


def test_what_a_packet_does_not_have_is_left_out():
    (packet,) = packet_text.objects(fd.Batch.from_packets([ipv4(47, bytes(8))]))
    assert set(packet) == {
        "timestamp",
        "interface",
        "direction",
        "protocol",
        "source",
        "destination",
        "length",
        "payload_length",
        "ttl",
    }
