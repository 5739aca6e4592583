# SPDX-License-Identifier: MIT
"""The commands on live traffic, as a person starts them, in namespaces of their own."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fastdivert as fd
from tests.cli.command import COMMAND
from tests.live.namespaces import Namespace
from tests.live.traffic import received_numbers, receiver, send_numbers, stream

HOST, HOST6 = "10.1.0.2", "fd00:1::2"
Pair = tuple[Namespace, Namespace]


class Command:
    """A running command that has opened its handle."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""
        self.complained = ""

    def end(self, number: signal.Signals | None = None, code: int = 0) -> Command:
        """Waits for its end, which a signal may bring."""
        if number is not None:
            self.process.send_signal(number)
        self.said, self.complained = self.process.communicate(timeout=10)
        assert self.process.returncode == code, self.complained
        assert "Traceback" not in self.complained
        return self

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said.splitlines()]


@contextlib.contextmanager
def running(where: Namespace, *arguments: object) -> Iterator[Command]:
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments), "--netns", where.name],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        ready = process.stderr.readline()
        assert ready.startswith("open: "), ready + process.communicate(timeout=10)[1]
        yield Command(process)
    finally:
        process.kill()
        process.communicate()


def fastdivert(where: Namespace, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command from its start to its end, inside of the namespace."""
    return subprocess.run(
        where.command(*COMMAND, *map(str, arguments)),
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


# ---- dump --------------------------------------------------------------------


@pytest.mark.parametrize("how", [[], ["--divert"]], ids=["sniffed", "diverted"])
def test_dump_prints_a_line_a_packet_and_ends_at_the_count(pair: Pair, how: list[str]) -> None:
    left, right = pair
    with receiver(right, HOST) as sink, running(left, "dump", "udp", "-c", 5, *how) as command:
        send_numbers(left, HOST, 12, size=100)
        command.end()
        assert received_numbers(sink) == list(range(12))
    lines = command.said.splitlines()
    assert len(lines) == 5
    for line in lines:
        clock, rest = line.split(" ", 1)
        assert time.strptime(clock, "%H:%M:%S.%f")
        assert rest.startswith("wire0 Out IP 10.1.0.1.")
        assert rest.endswith(f" > {HOST}.5001: UDP, length 100")
    assert command.complained.startswith("5 packets, ")


def test_dump_knows_directions_protocols_and_both_versions(pair: Pair) -> None:
    left, right = pair
    with running(
        right, "dump", "icmp or tcp or (icmpv6 and icmpv6.Type >= 128 and icmpv6.Type <= 129)"
    ) as command:
        left.run("ping", "-c", "1", HOST)
        left.run("ping", "-c", "1", HOST6)
        right.run("ping", "-c", "1", "127.0.0.1")
        stream(left, right, HOST, 1)
        time.sleep(0.3)
        command.end(signal.SIGINT)
    said = command.said
    assert "wire1 In  IP 10.1.0.1 > 10.1.0.2: ICMP echo request, id " in said
    assert "wire1 Out IP 10.1.0.2 > 10.1.0.1: ICMP echo reply, id " in said
    assert "wire1 In  IP6 fd00:1::1 > fd00:1::2: ICMPv6 echo request, id " in said
    assert "lo Lo  IP 127.0.0.1 > 127.0.0.1: ICMP echo request, id " in said
    opening = next(line for line in said.splitlines() if "TCP [S]," in line)
    assert opening.endswith("length 0")
    assert "ack" not in opening
    assert any("TCP [S.]," in line and ", ack " in line for line in said.splitlines())


def test_dump_json_has_an_object_a_line(pair: Pair) -> None:
    left, right = pair
    with receiver(right, HOST6), running(left, "dump", "udp", "-c", 3, "--json") as command:
        send_numbers(left, HOST6, 3, size=50)
        command.end()
    for packet in command.objects:
        assert abs(packet["timestamp"] / 1e9 - time.time()) < 60
        del packet["timestamp"], packet["source_port"]
        assert packet == {
            "interface": "wire0",
            "direction": "Out",
            "protocol": "UDP",
            "source": "fd00:1::1",
            "destination": HOST6,
            "destination_port": 5001,
            "length": 98,
            "payload_length": 50,
            "hop_limit": 64,
        }


@pytest.mark.parametrize("name", ["out.pcap", "out.pcapng"])
@pytest.mark.parametrize("how", [[], ["--divert"]], ids=["sniffed", "diverted"])
def test_dump_writes_captures(pair: Pair, tmp_path: Path, name: str, how: list[str]) -> None:
    left, right = pair
    with (
        receiver(right, HOST) as sink,
        running(left, "dump", "udp", "-w", tmp_path / name, *how) as command,
    ):
        send_numbers(left, HOST, 300)
        assert received_numbers(sink) == list(range(300))
        command.end(signal.SIGTERM)
    assert command.said == ""
    assert command.complained == "300 packets, 300 matched, 0 lost\n"
    with fd.read_pcap(tmp_path / name) as reader:
        numbers = [
            int.from_bytes(bytes(packet.payload[:4])) for batch in reader for packet in batch
        ]
    assert numbers == list(range(300))


def test_dump_writes_to_standard_output(pair: Pair, tmp_path: Path) -> None:
    left, right = pair
    out = tmp_path / "out.pcapng"
    with receiver(right, HOST), out.open("wb") as file:
        process = subprocess.Popen(
            [*COMMAND, "dump", "udp", "-c", "7", "-w", "-", "--netns", left.name],
            stdout=file,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        process.stderr.readline()
        send_numbers(left, HOST, 7)
        process.communicate(timeout=10)
    with fd.read_pcap(out) as reader:
        assert sum(len(batch) for batch in reader) == 7


def test_a_dump_whose_reader_goes_gives_every_packet_back(pair: Pair) -> None:
    left, right = pair
    with receiver(right, HOST) as sink, running(left, "dump", "udp", "--divert") as command:
        assert command.process.stdout is not None
        command.process.stdout.close()
        send_numbers(left, HOST, 50, pause=0.001)
        assert received_numbers(sink) == list(range(50))
        assert command.process.wait(10) == 141


def test_dump_at_the_forward_layer(routed: tuple[Namespace, Namespace, Namespace]) -> None:
    left, router, right = routed
    with receiver(right, "10.2.0.2") as sink:
        with running(router, "dump", "udp", "--layer", "forward", "-c", 2) as command:
            send_numbers(left, "10.2.0.2", 2)
            command.end()
        assert received_numbers(sink) == [0, 1]
    assert [line.split()[2] for line in command.said.splitlines()] == ["Fwd"] * 2


# ---- pass, drop, top -----------------------------------------------------------


@pytest.mark.parametrize("side", [0, 1], ids=["outbound", "inbound"])
def test_pass_puts_back_all_that_it_takes(pair: Pair, side: int) -> None:
    left, right = pair
    with (
        receiver(right, HOST) as sink,
        running(pair[side], "pass", "udp", "--json", "--interval", 0.2) as command,
    ):
        send_numbers(left, HOST, 1000, pause=1e-4)
        assert received_numbers(sink) == list(range(1000))
        command.end(signal.SIGINT)
    *looks, last = command.objects
    assert looks and not any(look["final"] for look in looks)
    assert last["final"]
    assert last["matched"] == last["delivered"] == last["sent"] == 1000


def test_pass_ends_after_its_seconds_with_a_table(pair: Pair) -> None:
    left, right = pair
    with running(right, "pass", "icmp", "--seconds", 1.5) as command:
        left.run("ping", "-c", "2", "-i", "0.1", HOST)
        command.end()
    table = [line.split() for line in command.said.splitlines() if line.strip()]
    assert table[0] == ["pass:", "icmp"]
    assert ["put", "back", "4"] in table  # two requests, two replies
    assert ["time", "1.5", "s"] in table


def test_on_a_terminal_the_counters_are_redrawn(pair: Pair) -> None:
    left, _ = pair
    mine, its = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "pass", "icmp", "--interval", "0.1", "--seconds", "1.5", "--netns", left.name],
        stdout=its,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(its)
    assert process.stderr is not None
    process.stderr.readline()
    left.run("ping", "-c", "2", "-i", "0.2", HOST)
    seen = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while data := os.read(mine, 4096):
            seen += data
    os.close(mine)
    assert (process.wait(10), process.stderr.read()) == (0, b"")
    process.stderr.close()
    assert seen.count(b"put back") > 3
    assert b"\x1b[" in seen


def test_pass_with_the_whole_of_tcp_going_through_it(pair: Pair) -> None:
    left, right = pair
    with running(left, "pass", "tcp", "--json") as command:
        stream(left, right, HOST, 20)
        command.end(signal.SIGINT)
    last = command.objects[-1]
    assert last["bytes"] > 20 << 20
    assert last["sent"] == last["delivered"] == last["matched"]


def test_drop_drops_until_it_ends(pair: Pair) -> None:
    left, right = pair
    with receiver(right, HOST) as sink:
        with running(right, "drop", "udp.DstPort == 5001", "--json") as command:
            send_numbers(left, HOST, 100)
            assert received_numbers(sink) == []
            command.end(signal.SIGINT)
        assert command.objects[-1]["dropped"]["flag"] == 100
        send_numbers(left, HOST, 3)
        assert received_numbers(sink) == [0, 1, 2]


def test_top_names_conversations_by_their_bytes(pair: Pair) -> None:
    left, right = pair
    with (
        receiver(right, HOST),
        receiver(right, HOST6),
        receiver(right, HOST, 5002),
        running(left, "top", "udp", "--json") as command,
    ):
        send_numbers(left, HOST, 100, size=972)
        send_numbers(left, HOST6, 100, size=452)
        send_numbers(left, HOST, 10, size=72, port=5002)
        time.sleep(0.2)
        command.end(signal.SIGINT)
    last = command.objects[-1]
    assert (last["packets"], last["bytes"], last["lost"]) == (210, 151_000, 0)
    found = [(each["name"], each["packets"], each["bytes"]) for each in last["talkers"]]
    assert [counts for _, *counts in found] == [[100, 100_000], [100, 50_000], [10, 1000]]
    assert all(name.startswith("UDP ") for name, *_ in found)
    assert f"{HOST}.5001" in found[0][0] and f"{HOST6}.5001" in found[1][0]


def test_top_counts_both_directions_as_one_conversation_or_apart(pair: Pair) -> None:
    left, _ = pair
    for by, names in (
        ("conversation", ["ICMP 10.1.0.1 - 10.1.0.2"]),
        ("source", ["10.1.0.1", HOST]),
    ):
        with running(left, "top", "icmp", "--by", by, "--json") as command:
            left.run("ping", "-c", "1", HOST)
            time.sleep(0.2)
            command.end(signal.SIGINT)
        talkers = command.objects[-1]["talkers"]
        assert sorted(each["name"] for each in talkers) == names
        assert sum(each["bytes"] for each in talkers) == 2 * 84


# ---- doctor --------------------------------------------------------------------


def test_the_doctor_finds_nothing_wrong_here(alone: Namespace) -> None:
    done = fastdivert(alone, "doctor", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["works"], report["tier"]) == (0, True, "full")
    results = {check["name"]: check["result"] for check in report["checks"]}
    assert "failed" not in results.values()
    assert results["a handle here"] == results["a packet diverted"] == "ok"
    said = fastdivert(alone, "doctor").stdout
    assert said.endswith("\nLive capture works here: tier full.\n")


def test_the_doctor_names_who_has_a_handle_open(alone: Namespace) -> None:
    with running(alone, "drop", "udp", "--priority", "-1234") as command:
        report = json.loads(fastdivert(alone, "doctor", "--json").stdout)
        found = {check["name"]: check["found"] for check in report["checks"]}
        assert f"({command.process.pid})" in found["open handles"]
        assert "-1234" in found["loaded programs"]
        command.end(signal.SIGINT)
    report = json.loads(fastdivert(alone, "doctor", "--json").stdout)
    found = {check["name"]: check["found"] for check in report["checks"]}
    assert found["open handles"].startswith("none")
    assert "-1234" not in found["loaded programs"]


@pytest.mark.parametrize("missing", ["bpf", "perfmon", "net_admin", "net_raw"])
def test_the_doctor_names_the_capability_that_is_missing(alone: Namespace, missing: str) -> None:
    held = {"bpf", "perfmon", "net_admin", "net_raw"} - {missing}
    kept = ",".join(["-all", *(f"+{name}" for name in sorted(held))])
    done = subprocess.run(
        alone.command(
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            f"--inh-caps={kept}",
            f"--ambient-caps={kept}",
            f"--bounding-set={kept}",
            *COMMAND,
            "doctor",
            "--json",
        ),
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    if "Permission denied" in done.stderr:
        pytest.skip("the checkout is not readable by others")
    report = json.loads(done.stdout)
    assert (done.returncode, report["works"]) == (1, False)
    failed = {check["name"]: check for check in report["checks"] if check["result"] == "failed"}
    assert failed["capabilities"]["found"] == f"CAP_{missing.upper()} is missing"
    assert "refused (permission)" in failed["a handle here"]["found"]
    assert "run as root" in failed["a handle here"]["cure"]


# ---- what is refused -------------------------------------------------------------


def test_a_namespace_that_is_not_there_is_a_wrong_command_line(alone: Namespace) -> None:
    done = fastdivert(alone, "dump", "--netns", "fdtest-there-is-none")
    assert done.returncode == 2
    assert "there is no such namespace; see ip netns" in done.stderr
    done = fastdivert(alone, "dump", "--netns", "/proc/self/ns/mnt")
    assert done.returncode == 2
    assert "is it a network namespace?" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["dump", "tcp.Nonsense"], "FILTER: "),
        (["drop"], "required: FILTER"),
        (["pass", "--priority", "40000"], "-30000 to 30000 is needed"),
        (["pass", "--queue-length", "1"], "QUEUE_LENGTH"),
        (["dump", "--seconds", "0"], "no time above 0"),
        (["dump", "--json", "-w", "x.pcap"], "choose one"),
        (["dump", "-w", "x.unknown"], "does not tell the format"),
    ],
)
def test_a_wrong_command_line_is_told_without_a_traceback(
    alone: Namespace, arguments: list[str], complaint: str
) -> None:
    done = fastdivert(alone, *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_an_idle_dump_at_once(alone: Namespace) -> None:
    with running(alone, "dump", "udp") as command:
        begin = time.monotonic()
        command.end(signal.SIGINT)
    assert time.monotonic() - begin < 2
    assert command.complained == "0 packets, 0 matched, 0 lost\n"
