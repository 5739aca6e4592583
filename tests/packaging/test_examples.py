# SPDX-License-Identifier: MIT
"""Every example runs on a capture, and does what it says."""

import subprocess
import sys
from pathlib import Path

import numpy as np

import fastdivert as fd

ROOT = Path(__file__).parents[2]
CAPTURES = ROOT / "tests" / "captures"
HTTP = CAPTURES / "http.pcap"


def run(name, *arguments):
    command = [sys.executable, ROOT / "examples" / name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def column(path, name):
    with fd.read_pcap(path) as reader:
        return np.concatenate([batch[name] for batch in reader])


def test_firewall(tmp_path):
    out = tmp_path / "out.pcap"
    assert run("firewall.py", HTTP, out) == "3 connections refused\n"
    assert len(column(out, "tcp")) == 41 - 3
    assert not (column(out, "tcp.Syn") & ~column(out, "tcp.Ack")).any()


def test_anonymise(tmp_path):
    out = tmp_path / "out.pcap"
    assert run("anonymise.py", HTTP, out) == "39 packets anonymised\n"
    before, after = column(HTTP, "ip.SrcAddr"), column(out, "ip.SrcAddr")
    before = before[column(HTTP, "ip") | column(HTTP, "ipv6")]
    assert (before >> 16 == after >> 16).all()
    pairs = set(zip(before.tolist(), after.tolist(), strict=True))
    assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})
    with fd.read_pcap(out) as reader:
        for batch in reader:
            assert batch.checksums("verify")["l4_right"].all()
            assert not any(packet.payload.any() for packet in batch)


def test_top_talkers():
    icmp = CAPTURES / "icmp.pcap"
    total = int(column(icmp, "ip.Length")[column(icmp, "ip")].sum())
    assert run("top_talkers.py", icmp) == f"{total:>14,} bytes  10.77.0.1 - 10.77.0.2\n"


def test_the_demo_on_a_capture_says_why_it_is_one():
    text = run("demo", "--replay")
    assert text.startswith("On a recorded capture instead of live traffic: it was asked for.")
    assert "seen 41, matched 36, dropped 15, sent 21" in text
    assert "million/s" in text
