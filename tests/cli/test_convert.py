# SPDX-License-Identifier: MIT

import os
import subprocess
from pathlib import Path

import pytest

import fastdivert as fd
from tests.cli.command import COMMAND, HTTP, answer, fastdivert, refused


def rows(path):
    """Time and bytes of every packet."""
    with fd.read_pcap(path) as reader:
        return [
            (int(packet.header["timestamp"]), bytes(packet)) for batch in reader for packet in batch
        ]


@pytest.mark.parametrize("suffix", ["pcap", "pcapng"])
def test_a_converted_capture_has_the_same_packets(tmp_path, suffix):
    out = tmp_path / f"out.{suffix}"
    found = answer("convert", HTTP, out)
    assert (found["read"], found["written"]) == (41, 41)
    assert found["bytes"] == out.stat().st_size
    assert rows(out) == rows(HTTP)


def test_the_format_can_differ_from_the_suffix(tmp_path):
    out = tmp_path / "out.bin"
    answer("convert", HTTP, out, "--format", "pcapng")
    with fd.read_pcap(out) as reader:
        assert reader.format == "pcapng"
    assert "suffix" in refused("convert", HTTP, tmp_path / "other.bin")


def test_only_what_matches(tmp_path):
    out = tmp_path / "out.pcap"
    found = answer("convert", HTTP, out, "--filter", "tcp.Syn and not tcp.Ack")
    assert (found["read"], found["written"]) == (41, 3)


def test_microseconds(tmp_path):
    out = tmp_path / "out.pcap"
    answer("convert", HTTP, out, "--microseconds")
    expected = [(stamp // 1000 * 1000, data) for stamp, data in rows(HTTP)]
    assert rows(out) == expected


def test_raw_leaves_out_the_link_layer(tmp_path):
    out = tmp_path / "out.pcap"
    found = answer("convert", HTTP, out, "--raw", "--filter", "ip or ipv6")
    assert found["written"] == 39
    with fd.read_pcap(out) as reader:
        batch = next(reader)
        assert reader.interfaces[0].link_type == 101
    assert not batch.headers["l2_length"].any()


def test_limit(tmp_path):
    out = tmp_path / "out.pcap"
    assert answer("convert", HTTP, out, "--limit", "7")["written"] == 7
    assert rows(out) == rows(HTTP)[:7]


def test_standard_output(tmp_path):
    out = tmp_path / "out.pcapng"
    command = [*COMMAND, "convert", str(HTTP), "-", "--format", "pcapng"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    out.write_bytes(done.stdout)
    assert rows(out) == rows(HTTP)
    assert b"41 of 41 packets" in done.stderr
    assert "--format" in refused("convert", HTTP, "-")


def test_a_filter_that_is_wrong_writes_nothing(tmp_path):
    out = tmp_path / "out.pcap"
    refused("convert", HTTP, out, "--filter", "nope")
    assert not out.exists()


def test_a_cut_capture_is_converted_up_to_the_fault(tmp_path):
    cut, out = tmp_path / "cut.pcap", tmp_path / "out.pcap"
    cut.write_bytes(HTTP.read_bytes()[:-5])
    assert "at byte" in refused("convert", cut, out, code=1)
    assert rows(out) == rows(HTTP)[:40]


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_goes_away_is_no_error_message():
    read, write = os.pipe()
    os.close(read)
    command = [*COMMAND, "convert", str(HTTP), "-", "--format", "pcap"]
    with os.fdopen(write, "wb") as gone:
        done = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (141, "")


def test_what_cannot_be_written_is_said():
    path = Path("/nowhere/out.pcap").absolute()
    done = fastdivert("convert", HTTP, path)
    assert done.returncode == 1
    assert f"{path}: No such file or directory" in done.stderr
