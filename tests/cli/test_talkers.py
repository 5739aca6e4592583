# SPDX-License-Identifier: MIT
"""What is added up in numpy is what one gets by counting packet by packet."""

from collections import Counter

import pytest

import fastdivert as fd
from fastdivert.cli import talkers
from fastdivert.cli.talkers import Talkers
from tests.cli.command import CAPTURES


def batches(name):
    with fd.read_pcap(CAPTURES / name, max_packets=7) as reader:
        for batch in reader:
            yield batch[batch["ip"] | batch["ipv6"]]


def found(name, by):
    counted = Talkers(by)
    for batch in batches(name):
        counted.add(batch)
    return counted


@pytest.mark.parametrize("name", ["http.pcap", "dns.pcap", "icmp.pcap", "vlan.pcap"])
@pytest.mark.parametrize(("by", "end"), [("source", "src_addr"), ("destination", "dst_addr")])
def test_by_address(name, by, end):
    packets, sizes = Counter(), Counter()
    for batch in batches(name):
        for packet in batch:
            packets[getattr(packet, end)] += 1
            sizes[getattr(packet, end)] += len(packet)
    counted = found(name, by)
    assert {one.name: one.packets for one in counted.most(100)} == packets
    assert {one.name: one.bytes for one in counted.most(100)} == sizes
    assert (counted.packets, counted.bytes) == (packets.total(), sizes.total())
    assert counted.packets > 0


@pytest.mark.parametrize("name", ["http.pcap", "dns.pcap"])
def test_by_conversation(name):
    sizes = Counter()
    for batch in batches(name):
        for packet in batch:
            ends = {(packet.src_addr, packet.src_port), (packet.dst_addr, packet.dst_port)}
            sizes[frozenset(ends), int(packet.header["protocol"])] += len(packet)
    counted = found(name, "conversation").most(100)
    assert [one.bytes for one in counted] == sorted(sizes.values(), reverse=True)
    assert len({one.name for one in counted}) == len(counted)


def test_names_of_conversations_begin_with_the_lesser_end():
    assert [one.name for one in found("http.pcap", "conversation").most(3)] == [
        "TCP fd77::1.37904 - fd77::2.8000",
        "TCP 10.77.0.1.33696 - 10.77.0.2.8000",
        "TCP 10.77.0.1.33712 - 10.77.0.2.8000",
    ]


def test_what_is_recent_begins_anew_after_a_look():
    counted = found("icmp.pcap", "source")
    first = counted.most(1, recent=True)[0]
    assert first.recent == first.bytes > 0
    counted.look()
    assert {one.recent for one in counted.most(9)} == {0}
    for batch in batches("icmp.pcap"):
        counted.add(batch)
    assert first.bytes == 2 * first.recent


def test_nothing_is_added_by_an_empty_batch():
    counted = Talkers("conversation")
    counted.add(fd.Batch.from_packets([]))
    assert (counted.packets, counted.most(1)) == (0, [])


def test_memory_is_bounded_and_those_who_talk_most_are_kept(monkeypatch):
    monkeypatch.setattr(talkers, "_MOST", 4)
    counted = found("http.pcap", "conversation")
    assert len(counted.most(100)) <= 4
    most = found("http.pcap", "conversation").most(1)[0]
    assert counted.most(1)[0].name == most.name
    assert counted.packets == sum(len(batch) for batch in batches("http.pcap"))
