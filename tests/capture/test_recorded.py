# SPDX-License-Identifier: MIT
"""Recorded traffic, as tshark and dpkt see it."""

from __future__ import annotations

import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from fastdivert.enums import Link
from fastdivert.pcap import CaptureReader, read_pcap, write_pcap
from tests.capture.rows import Row, rows_of

FOLDER = Path(__file__).parent.parent / "captures"
FILES = sorted(path.name for path in FOLDER.glob("*.pcap*"))
PCAP_FILES = [name for name in FILES if name.endswith(".pcap")]

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
Fields = dict[str, str]


def tshark(path: Path, *fields: str) -> list[Fields]:
    """The first occurrence of each field, for each packet; no reassembly."""
    wanted = [word for field in fields for word in ("-e", field)]
    result = subprocess.run(
        [
            "tshark",
            "-n",
            "-r",
            str(path),
            "-T",
            "fields",
            "-E",
            "occurrence=f",
            "-o",
            "ip.defragment:FALSE",
            "-o",
            "ipv6.defragment:FALSE",
            "-o",
            "tcp.desegment_tcp_streams:FALSE",
            *wanted,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = result.stdout.split("\n")[:-1]
    return [dict(zip(fields, line.split("\t"), strict=True)) for line in lines]


FIELDS = (
    "frame.time_epoch",
    "frame.len",
    "frame.cap_len",
    "frame.protocols",
    "frame.packet_flags_direction",
    "ip.len",
    "ip.src",
    "ipv6.plen",
    "ipv6.src",
    "tcp.srcport",
    "udp.srcport",
    "tcp.seq_raw",
)


def packets_only(fields: list[Fields]) -> list[Fields]:
    """Without the blocks of unknown types that tshark counts as frames."""
    return [each for each in fields if each["frame.protocols"] != "data"]


def check_against_tshark(reader: CaptureReader, expected: list[Fields]) -> None:
    batches = list(reader)
    rows = rows_of(batches)
    assert len(rows) == len(expected)
    columns = {
        name: [int(value) for batch in batches for value in batch[name]]
        for name in ("ip.Length", "ipv6.Length", "tcp.SrcPort", "udp.SrcPort", "tcp.SeqNum")
    }
    present = {
        name: [bool(value) for batch in batches for value in batch.has(name)]
        for name in ("ip.Length", "ipv6.Length", "tcp.SeqNum", "udp.SrcPort")
    }
    for i, (row, fields) in enumerate(zip(rows, expected, strict=True)):
        time = fields["frame.time_epoch"]
        assert row.timestamp == (int(Decimal(time) * 10**9) if time else 0), i
        assert len(row.frame) == int(fields["frame.cap_len"]), i
        assert row.length + len(row.l2) == int(fields["frame.len"]), i
        protocols = fields["frame.protocols"].split(":")
        assert row.malformed == (not {"ip", "ipv6"} & set(protocols)), i
        first = next((name for name in protocols if name in ("ip", "ipv6")), None)
        assert present["ip.Length"][i] == (first == "ip"), i
        assert present["ipv6.Length"][i] == (first == "ipv6"), i
        if present["ip.Length"][i]:
            assert columns["ip.Length"][i] == int(fields["ip.len"]), i
        if present["ipv6.Length"][i]:
            assert columns["ipv6.Length"][i] == int(fields["ipv6.plen"]), i
        if present["tcp.SeqNum"][i]:
            assert columns["tcp.SrcPort"][i] == int(fields["tcp.srcport"]), i
            assert columns["tcp.SeqNum"][i] == int(fields["tcp.seq_raw"]), i
        if present["udp.SrcPort"][i]:
            assert columns["udp.SrcPort"][i] == int(fields["udp.srcport"]), i


@needs_tshark
@pytest.mark.parametrize("name", FILES)
def test_tshark_sees_the_same(name: str) -> None:
    check_against_tshark(read_pcap(FOLDER / name), packets_only(tshark(FOLDER / name, *FIELDS)))


@needs_tshark
@pytest.mark.parametrize("suffix", [".pcap", ".pcapng"])
@pytest.mark.parametrize("name", FILES)
def test_tshark_reads_what_is_written(tmp_path: Path, name: str, suffix: str) -> None:
    target = tmp_path / f"written{suffix}"
    write_pcap(target, read_pcap(FOLDER / name))
    check_against_tshark(read_pcap(FOLDER / name), tshark(target, *FIELDS))


@pytest.mark.parametrize("suffix", [".pcap", ".pcapng"])
@pytest.mark.parametrize("name", FILES)
def test_written_and_read_again(tmp_path: Path, name: str, suffix: str) -> None:
    target = tmp_path / f"written{suffix}"
    write_pcap(target, read_pcap(FOLDER / name))
    before, after = rows_of(read_pcap(FOLDER / name)), rows_of(read_pcap(target))
    assert [comparable(row, suffix) for row in after] == [comparable(row, suffix) for row in before]


def comparable(row: Row, suffix: str) -> tuple[object, ...]:
    """pcap has no interfaces, and knows a direction only from a cooked header."""
    common = row.timestamp, row.link, row.l2, row.packet, row.length
    if suffix == ".pcapng":
        return *common, row.ifindex, row.flags
    return *common, row.flags & ~1 if row.link not in (Link.SLL, Link.SLL2) else row.flags


@pytest.mark.parametrize("name", PCAP_FILES)
def test_dpkt_reads_the_same_frames(name: str) -> None:
    dpkt = pytest.importorskip("dpkt")
    with (FOLDER / name).open("rb") as file:
        expected = [(int(Decimal(str(t)) * 10**6), frame) for t, frame in dpkt.pcap.Reader(file)]
    found = [(row.timestamp // 1000, row.frame) for row in rows_of(read_pcap(FOLDER / name))]
    assert [frame for _, frame in found] == [frame for _, frame in expected]
    # dpkt's times are floats (or decimals of ns): a microsecond either way
    assert all(abs(a - b) <= 1 for (a, _), (b, _) in zip(found, expected, strict=True))


@pytest.mark.parametrize("suffix", [".pcap", ".pcapng"])
def test_dpkt_reads_what_is_written(tmp_path: Path, suffix: str) -> None:
    dpkt = pytest.importorskip("dpkt")
    target = tmp_path / f"written{suffix}"
    write_pcap(target, read_pcap(FOLDER / "http.pcap"))
    reader = dpkt.pcap.Reader if suffix == ".pcap" else dpkt.pcapng.Reader
    with target.open("rb") as file:
        frames = [frame for _, frame in reader(file)]
    assert frames == [row.frame for row in rows_of(read_pcap(FOLDER / "http.pcap"))]


@pytest.mark.parametrize("name", ["null.pcap", "loop.pcap", "dns-big-endian.pcap"])
def test_converted_captures_hold_the_packets_of_their_source(name: str) -> None:
    source = [row.packet for row in rows_of(read_pcap(FOLDER / "dns.pcap")) if not row.malformed]
    assert [row.packet for row in rows_of(read_pcap(FOLDER / name))] == source


def test_the_captures_hold_what_their_names_say() -> None:
    def matching(name: str, text: str) -> int:
        return sum(int(batch.match(text).sum()) for batch in read_pcap(FOLDER / name))

    assert matching("icmp.pcap", "ip and fragment") > 0
    assert matching("icmp.pcap", "ipv6 and fragment") > 0
    assert matching("icmp.pcap", "icmp.Type == 3") == 1
    assert matching("icmp.pcap", "icmpv6.Type == 1") == 1
    assert matching("bulk.pcap", "ip.Length > 20000") > 0
    assert matching("http.pcap", "ipv6 and tcp") > 0
    assert matching("dns.pcap", "udp.SrcPort == 53 or tcp.SrcPort == 53") > 0
    assert matching("snapped.pcap", "tcp") > 100
    assert {len(row.l2) for row in rows_of(read_pcap(FOLDER / "vlan.pcap"))} == {18, 22}
    assert {row.ifindex for row in rows_of(read_pcap(FOLDER / "two-interfaces.pcapng"))} == {0, 1}
