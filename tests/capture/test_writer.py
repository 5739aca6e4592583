# SPDX-License-Identifier: MIT
"""What is written is what was read, or an error that names the packet."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdivert.batch import Batch
from fastdivert.enums import HeaderFlag, Link, Verdict
from fastdivert.errors import CaptureError
from fastdivert.pcap import CaptureWriter, Format, read_pcap, write_pcap
from tests.capture.building import (
    ARP,
    IPV4,
    IPV6,
    LINK_HEADERS,
    clock,
    enhanced,
    ethernet,
    interface,
    obsolete,
    pcap,
    pcap_header,
    pcap_record,
    section,
)
from tests.capture.conftest import Opener
from tests.capture.rows import Row, rows_of

WRITABLE = [0, 1, 101, 108, 113, 276]


def stamped(frames: list[bytes], link_type: int) -> bytes:
    data = pcap_header(link_type, nanosecond=True)
    for i, frame in enumerate(frames):
        data += pcap_record(frame, fraction=123_456_789 + i, length=len(frame) + i)
    return data


@pytest.mark.parametrize("link_type", WRITABLE)
@pytest.mark.parametrize("name", ["again.pcap", "again.pcapng"])
def test_round_trip(capture: Opener, tmp_path: Path, link_type: int, name: str) -> None:
    head4, head6 = LINK_HEADERS[link_type]
    data = stamped([head4 + IPV4, head6 + IPV6, head4 + IPV4[:30]], link_type)
    before = rows_of(capture(data))
    assert write_pcap(tmp_path / name, capture(data, "other.pcap")) == 3
    assert rows_of(read_pcap(tmp_path / name)) == before


def test_microseconds(capture: Opener, tmp_path: Path) -> None:
    (batch,) = capture(stamped([IPV4], 101))
    write_pcap(tmp_path / "us.pcap", batch, nanosecond=False)
    (row,) = rows_of(read_pcap(tmp_path / "us.pcap"))
    assert row.timestamp == 1_700_000_000_123_456_000
    assert (tmp_path / "us.pcap").read_bytes()[:4] == b"\xd4\xc3\xb2\xa1"


def test_direction_and_interfaces_come_back_from_pcapng(tmp_path: Path, capture: Opener) -> None:
    outbound = b"\2\0\4\0\2\0\0\0"
    data = section() + interface(101) + interface(1, options=clock(9))
    data += enhanced(ethernet(IPV6, 0x86DD), interface=1, ticks=7)
    data += enhanced(IPV4, options=outbound) + enhanced(ethernet(ARP, 0x0806), interface=1)
    before = rows_of(capture(data))
    write_pcap(tmp_path / "two.pcapng", capture(data))
    reader = read_pcap(tmp_path / "two.pcapng")
    after = rows_of(reader)
    assert [i.link_type for i in reader.interfaces] == [1, 101]
    assert [row.ifindex for row in after] == [0, 1, 0]
    assert [without_interface(row) for row in after] == [without_interface(row) for row in before]
    assert HeaderFlag.OUTBOUND in after[1].flags


def without_interface(row: Row) -> tuple[object, ...]:
    return row.timestamp, row.link, row.l2, row.packet, row.length, row.flags


def test_link_headers_can_be_left_out(capture: Opener, tmp_path: Path) -> None:
    frames = [ethernet(IPV4, 0x0800, 0x8100), ethernet(IPV6, 0x86DD)]
    for name in ("bare.pcap", "bare.pcapng"):
        write_pcap(tmp_path / name, capture(pcap(frames)), link=Link.RAW)
        rows = rows_of(read_pcap(tmp_path / name))
        assert [(row.link, row.frame) for row in rows] == [(Link.RAW, IPV4), (Link.RAW, IPV6)]


@pytest.mark.parametrize("format_", ["pcap", "pcapng"])
def test_only_packets_go_without_a_link_header(capture: Opener, format_: Format) -> None:
    (batch,) = capture(pcap([ethernet(IPV4, 0x0800), ethernet(ARP, 0x0806)]))
    writer = CaptureWriter(io.BytesIO(), format=format_, link=Link.RAW)
    with pytest.raises(CaptureError, match=r"packet 1 of the batch.*only an IP packet"):
        writer.write(batch)


def test_a_pcap_file_has_one_link_type(capture: Opener) -> None:
    (framed,) = capture(pcap([ethernet(IPV4, 0x0800)]))
    writer = CaptureWriter(io.BytesIO(), format="pcap")
    writer.write(framed)
    with pytest.raises(CaptureError, match=r"packet 0 of the batch.*another link type"):
        writer.write(Batch.from_packets([IPV4, IPV6]))
    assert writer.packets == 1


def test_a_pcap_file_that_begins_with_raw_packets_stays_raw(
    capture: Opener, tmp_path: Path
) -> None:
    (framed,) = capture(pcap([ethernet(IPV4, 0x0800)]))
    write_pcap(tmp_path / "raw.pcap", [Batch.from_packets([IPV6]), framed])
    rows = rows_of(read_pcap(tmp_path / "raw.pcap"))
    assert [(row.link, row.frame) for row in rows] == [(Link.RAW, IPV6), (Link.RAW, IPV4)]


def test_pcapng_mixes_link_types(capture: Opener, tmp_path: Path) -> None:
    (framed,) = capture(pcap([ethernet(ARP, 0x0806)]))
    raw = Batch.from_packets([IPV4, IPV6])
    assert write_pcap(tmp_path / "mixed.pcapng", [framed, raw]) == 3
    rows = rows_of(read_pcap(tmp_path / "mixed.pcapng"))
    assert [row.link for row in rows] == [Link.ETHERNET, Link.RAW, Link.RAW]


@pytest.mark.parametrize("name", ["other.pcap", "other.pcapng"])
def test_a_frame_of_an_unknown_link_is_refused(capture: Opener, tmp_path: Path, name: str) -> None:
    with pytest.raises(CaptureError, match=r"packet 0 of the batch.*not understood"):
        write_pcap(tmp_path / name, capture(pcap([b"whatever"], 127), "source.pcap"))


@pytest.mark.parametrize(
    ("timestamp", "format_", "fits"),
    [
        (-1, "pcap", False),
        (-1, "pcapng", False),
        ((1 << 32) * 10**9 - 1, "pcap", True),
        ((1 << 32) * 10**9, "pcap", False),
        ((1 << 63) - 1, "pcapng", True),
    ],
)
def test_times_that_a_format_cannot_say(
    tmp_path: Path, timestamp: int, format_: Format, fits: bool
) -> None:
    batch = Batch.from_packets([IPV4, IPV4])
    batch.headers["timestamp"][1] = timestamp
    path = tmp_path / "time"
    if not fits:
        with pytest.raises(CaptureError, match=r"packet 1 of the batch.*timestamp"):
            write_pcap(path, batch, format=format_)
        return
    write_pcap(path, batch, format=format_)
    assert rows_of(read_pcap(path))[1].timestamp == timestamp


def test_a_refused_batch_leaves_nothing(capture: Opener) -> None:
    (mixed,) = capture(pcap([ethernet(IPV4, 0x0800), ethernet(ARP, 0x0806)]))
    for format_ in ("pcap", "pcapng"):
        file = io.BytesIO()
        writer = CaptureWriter(file, format=format_, link=Link.RAW)
        writer.write(Batch.from_packets([IPV4]))
        size = len(file.getvalue())
        with pytest.raises(CaptureError):
            writer.write(mixed)
        assert len(file.getvalue()) == size
        writer.write(Batch.from_packets([IPV6]))
        assert (writer.packets, writer.bytes) == (2, len(file.getvalue()))


def test_verdicts_do_not_matter(tmp_path: Path) -> None:
    batch = Batch.from_packets([IPV4, IPV6])
    batch.verdicts[:] = Verdict.DROP
    assert write_pcap(tmp_path / "all.pcap", batch) == 2
    assert len(rows_of(read_pcap(tmp_path / "all.pcap"))) == 2


def test_edits_are_written(capture: Opener, tmp_path: Path) -> None:
    (batch,) = capture(pcap([ethernet(IPV4, 0x0800), ethernet(IPV6, 0x86DD)]))
    batch["ip.TTL"] = [9, 9]
    batch.replace_payload(1, b"a longer payload")
    write_pcap(tmp_path / "edited.pcap", batch)
    (again,) = read_pcap(tmp_path / "edited.pcap")
    assert again["ip.TTL"].tolist() == [9, 0]
    assert again.payload(1).tobytes() == b"a longer payload"
    assert again._bytes(1, "link").tobytes() == ethernet(b"", 0x86DD)


def test_events_are_no_packets() -> None:
    from fastdivert.enums import Layer

    events = Batch.from_packets([b""], layer=Layer.FLOW)
    with pytest.raises(CaptureError, match="not events"):
        CaptureWriter(io.BytesIO(), format="pcapng").write(events)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not let go of a mapped file")
def test_a_capture_can_be_written_over_itself(tmp_path: Path) -> None:
    path = tmp_path / "same.pcap"
    path.write_bytes(pcap([ethernet(IPV4, 0x0800)] * 1000))
    before = rows_of(read_pcap(path))
    assert write_pcap(path, read_pcap(path, max_packets=10)) == 1000
    assert rows_of(read_pcap(path)) == before


def test_without_packets_there_is_a_valid_file(tmp_path: Path) -> None:
    for name in ("none.pcap", "none.pcapng"):
        assert write_pcap(tmp_path / name, []) == 0
        assert list(read_pcap(tmp_path / name)) == []


def test_a_file_object_stays_open() -> None:
    file = io.BytesIO()
    write_pcap(file, Batch.from_packets([IPV4]), format="pcap")
    assert file.getvalue()[-len(IPV4) :] == IPV4


def test_a_suffix_that_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give format="):
        CaptureWriter(tmp_path / "capture.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_closed_writer_says_so(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "closed.pcap") as writer:
        pass
    writer.close()
    with pytest.raises(ValueError, match="is closed"):
        writer.write(Batch.from_packets([IPV4]))


def test_more_interfaces_than_a_file_can_have() -> None:
    batch = Batch.from_packets([IPV4] * 1025)
    batch.headers["ifindex"] = np.arange(1025)
    writer = CaptureWriter(io.BytesIO(), format="pcapng")
    with pytest.raises(CaptureError, match=r"packet 1024 of the batch.*1024 interfaces"):
        writer.write(batch)
    assert writer.write(batch.select(slice(0, 1024))) == 1024


def test_obsolete_packets_become_enhanced_ones(capture: Opener, tmp_path: Path) -> None:
    data = section(">") + interface(101, ">") + obsolete(IPV4, ">", ticks=1)
    write_pcap(tmp_path / "new.pcapng", capture(data))
    assert (tmp_path / "new.pcapng").read_bytes()[28 + 32 : 28 + 36] == b"\6\0\0\0"
    assert rows_of(read_pcap(tmp_path / "new.pcapng")) == rows_of(capture(data, "old"))


@settings(max_examples=60, deadline=None)
@given(
    frames=st.lists(st.binary(max_size=100) | st.sampled_from([IPV4, IPV6, ARP]), max_size=20),
    link_type=st.sampled_from(WRITABLE),
    name=st.sampled_from(["any.pcap", "any.pcapng"]),
    chunk=st.integers(1, 7),
)
def test_any_bytes_come_back(frames: list[bytes], link_type: int, name: str, chunk: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source", Path(folder) / name
        source.write_bytes(stamped(frames, link_type))
        before = rows_of(read_pcap(source))
        write_pcap(target, read_pcap(source, max_packets=chunk))
        assert rows_of(read_pcap(target)) == before
