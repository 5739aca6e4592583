# SPDX-License-Identifier: MIT

import os
import signal
import subprocess
import time

import numpy as np
import pytest

import fastdivert as fd
from tests.cli.command import CAPTURES, COMMAND, HTTP, answer, fastdivert, refused


def column(path, name):
    with fd.read_pcap(path) as reader:
        return np.concatenate([batch[name] for batch in reader])


def times(path):
    with fd.read_pcap(path) as reader:
        return np.concatenate([batch.headers["timestamp"] for batch in reader])


def packets_of(path):
    with fd.read_pcap(path) as reader:
        return sum(len(batch) for batch in reader)


def test_counts_what_matches():
    found = answer("replay", HTTP, "--filter", "tcp")
    assert (found["read"], found["matched"], found["sent"], found["written"]) == (41, 36, 36, None)
    assert found["protocols"] == {"IPv4 TCP": 24, "IPv6 TCP": 12}
    assert found["dropped"]["verdict"] == 0
    assert found["error"] is None
    assert found["interrupted"] is False


def test_writes_what_matches_and_is_not_dropped(tmp_path):
    out = tmp_path / "out.pcap"
    command = ("replay", HTTP, "--filter", "tcp", "--drop", "tcp.Syn", "--write", out)
    found = answer(*command)
    assert found["dropped"]["verdict"] == 6
    assert found["sent"] == found["written"] == packets_of(out) == 30
    assert not column(out, "tcp.Syn").any()
    assert column(out, "tcp").all()


def test_all_writes_the_rest_too_in_the_order_of_the_capture(tmp_path):
    out = tmp_path / "out.pcap"
    answer("replay", HTTP, "--filter", "tcp", "--drop", "tcp.Syn", "--all", "--write", out)
    assert packets_of(out) == 35
    stamps = times(out)
    assert (np.diff(stamps) >= 0).all()
    assert (~column(out, "tcp")).sum() == 5


def test_set_edits_what_matches_and_repairs_checksums(tmp_path):
    out = tmp_path / "out.pcap"
    edits = ("--set", "ip.TTL=9", "--set", "ip.SrcAddr = 192.0.2.1", "--set", "tcp.Psh=true")
    answer("replay", HTTP, "--filter", "ip and tcp", *edits, "--checksums", "--write", out)
    assert set(column(out, "ip.TTL")) == {9}
    assert set(column(out, "ip.SrcAddr")) == {fd.parse_ipv4("192.0.2.1")}
    assert column(out, "tcp.Psh").all()
    with fd.read_pcap(out) as reader:
        for batch in reader:
            found = batch.checksums("verify")
            assert found["ip_right"].all()
            assert found["l4_right"].all()


def test_limit_reads_only_the_first_packets(tmp_path):
    out = tmp_path / "out.pcap"
    found = answer("replay", HTTP, "--limit", "10", "--all", "--write", out)
    assert found["read"] == packets_of(out) == 10


def test_talkers_are_the_sources_with_the_most_bytes():
    found = answer("replay", HTTP, "--filter", "tcp", "--talkers", "2")
    totals = {}
    with fd.read_pcap(HTTP) as reader:
        for batch in reader:
            for packet in batch[batch["tcp"]]:
                totals[packet.src_addr] = totals.get(packet.src_addr, 0) + len(packet)
    most = sorted(totals, key=totals.get, reverse=True)[:2]
    assert found["talkers"] == {address: totals[address] for address in most}


def test_the_table_says_the_same_as_json():
    pytest.importorskip("rich")
    done = fastdivert("replay", HTTP, "--filter", "udp or tcp", "--drop", "tcp.Fin")
    assert done.returncode == 0
    # Where the output's encoding has no lines, rich draws them of | and -.
    cells = done.stdout.replace("|", " ")
    lines = [" ".join(line.split()) for line in cells.splitlines()]
    assert "packets read 41" in lines
    assert any(line.startswith("matched 36 87.8%") for line in lines)
    assert "dropped by --drop 6" in lines
    assert "sent 30" in lines
    assert any(line.startswith("packets/s") for line in lines)


def test_without_rich_the_summary_names_the_cure(tmp_path):
    (tmp_path / "rich.py").write_text("raise ImportError('not installed')\n")
    hidden = {"PYTHONPATH": str(tmp_path)}
    done = fastdivert("replay", HTTP, environment=hidden)
    assert done.returncode == 2
    assert "pip install 'fastdivert[cli]'" in done.stderr
    assert "--json" in done.stderr
    assert fastdivert("replay", HTTP, "--json", environment=hidden).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--filter", "tcp and"], "--filter: "),
        (["--drop", "nope"], "--drop: "),
        (["--set", "ip.TTL"], "FIELD=VALUE"),
        (["--set", "ip.TTL=256"], "0 to 255"),
        (["--set", "ip.Nope=1"], "no field is called 'ip.Nope'"),
        (["--set", "ip.SrcAddr=1.2.3"], "1.2.3"),
        (["--set", "random8=1"], "cannot be written"),
        (["--priority", "30001"], "30001"),
        (["--queue-length", "1"], "QUEUE_LENGTH"),
        (["--pace=0"], "above 0"),
        (["--limit", "0"], "less than 1"),
        (["--all", "--only-matching"], "not allowed"),
        (["--write", "somewhere.txt"], "suffix"),
    ],
)
def test_a_wrong_command_line_is_refused_before_anything_is_written(arguments, words, tmp_path):
    out = tmp_path / "out.pcap"
    write = [] if "--write" in arguments else ["--write", out]
    assert words in refused("replay", HTTP, *write, *arguments)
    assert not out.exists()


def test_a_capture_is_not_overwritten_by_itself():
    before = HTTP.read_bytes()
    assert "another file" in refused("replay", HTTP, "--write", HTTP)
    assert HTTP.read_bytes() == before


def test_a_missing_file_is_named():
    assert "nowhere.pcap: No such file" in refused("replay", "nowhere.pcap", code=1)


def test_no_capture_is_named(tmp_path):
    text = tmp_path / "text.pcap"
    text.write_text("this is no capture, but long enough for a header")
    assert str(text) in refused("replay", text, code=1)


def test_a_cut_capture_is_replayed_up_to_the_fault(tmp_path):
    cut, out = tmp_path / "cut.pcap", tmp_path / "out.pcap"
    cut.write_bytes(HTTP.read_bytes()[:-5])
    found = answer("replay", cut, "--all", "--write", out, code=1)
    assert found["read"] == packets_of(out) == found["written"] == 40
    assert found["error"]["offset"] > 0
    done = fastdivert("replay", cut, "--json")
    assert str(cut) in done.stderr


def test_pace_plays_at_the_captures_own_times():
    stamps = times(HTTP)
    length = (stamps[-1] - stamps[0]) / 1e9
    factor = length / 0.5
    found = answer("replay", HTTP, f"--pace={factor}")
    assert 0.5 <= found["seconds"] < 5
    assert found["matched"] == found["delivered"] + sum(found["dropped"].values()) == 39


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_with_the_summary_so_far(tmp_path):
    out = tmp_path / "out.pcap"
    # Slow enough that the capture lasts for minutes: the first packets come at once.
    command = [*COMMAND, "replay", HTTP, "--pace=0.0001", "--json", "--write", out]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    printed, complaint = process.communicate(timeout=20)
    assert process.returncode == 130, complaint
    assert "Traceback" not in complaint
    assert '"interrupted": true' in printed
    assert packets_of(out) < 41


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.pcap*")), ids=lambda path: path.name)
def test_every_capture_goes_through_whole(path, tmp_path):
    out = tmp_path / "out.pcapng"
    found = answer("replay", path, "--all", "--write", out)
    ip = int((column(path, "ip") | column(path, "ipv6")).sum())
    assert found["matched"] == found["sent"] == sum(found["protocols"].values()) == ip
    assert found["read"] == found["written"] == packets_of(path) == packets_of(out)
