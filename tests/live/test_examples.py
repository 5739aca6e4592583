# SPDX-License-Identifier: MIT
"""Every live example, run between two hosts, does what it says."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.live.kernel_objects import everything, new_since
from tests.live.namespaces import Namespace
from tests.live.traffic import open_socket, received_numbers, receiver, send_numbers, stream

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES, README = ROOT / "examples", ROOT / "README.md"
HOST = "10.1.0.2"
Pair = tuple[Namespace, Namespace]


class Example:
    """A running example: its first line says that it is ready."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.ready = process.stdout.readline()

    def stop(self) -> str:
        """Ctrl-C; what it says then."""
        self.process.send_signal(signal.SIGINT)
        said, complaint = self.process.communicate(timeout=10)
        assert (self.process.returncode, complaint) == (0, "")
        return said


@contextlib.contextmanager
def running(where: Namespace, name: str, *arguments: str) -> Iterator[Example]:
    process = where.start(sys.executable, str(EXAMPLES / name), *arguments)
    try:
        example = Example(process)
        assert "Ctrl-C ends it" in example.ready, process.communicate(timeout=10)[1]
        yield example
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextlib.contextmanager
def listening(where: Namespace, host: str, port: int) -> Iterator[socket.socket]:
    with open_socket(where, socket.SOCK_STREAM, host) as made:
        made.bind((host, port))
        made.listen()
        yield made


def connects(where: Namespace, host: str, port: int) -> bool:
    with open_socket(where, socket.SOCK_STREAM, host) as made:
        made.settimeout(1.5)
        try:
            made.connect((host, port))
        except TimeoutError:
            return False
        return True


def test_the_readme_does_what_it_says(pair: Pair) -> None:
    live, _ = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    code = live.replace("    for batch", "    print('ready', flush=True)\n    for batch", 1)
    left, right = pair
    with receiver(right, HOST, 9000) as sink:
        process = right.start(sys.executable, "-c", code)
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            send_numbers(left, HOST, 80, port=5000)
            assert received_numbers(sink) == [number for number in range(80) if number % 8]
        finally:
            process.kill()
            process.communicate()


def demo(*before: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*before, sys.executable, str(EXAMPLES / "demo")],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.slow
def test_the_demo_accounts_for_every_packet_and_leaves_nothing_behind() -> None:
    before = everything()
    process = demo()
    said, complaint = process.communicate(timeout=120)
    assert (process.returncode, complaint) == (0, "")
    assert said.count("SHA-256 equal") == 2
    rows = {line[:30].strip(): line[30:].split() for line in said.splitlines()}
    assert rows["seen by the handle"] == ["100.00%", "100.00%"]
    assert rows["unaccounted for"] == rows["out of order"] == ["0", "0"]
    assert all(int(number.replace(",", "")) > 1000 for number in rows["delivered to port 9000"])
    assert not new_since(before)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_demo_can_be_ended_in_the_middle(number: signal.Signals) -> None:
    before = everything()
    process = demo()
    assert process.stdout is not None
    process.stdout.readline()  # the hosts are there
    time.sleep(1.5)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=20)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in complaint
    assert not new_since(before)


def test_the_demo_without_privileges_plays_a_capture_and_says_why() -> None:
    process = demo("setpriv", "--bounding-set", "-all", "--inh-caps", "-all")
    said, complaint = process.communicate(timeout=120)
    assert (process.returncode, complaint) == (0, "")
    assert said.startswith(
        "On a recorded capture instead of live traffic: "
        "making a network namespace: Operation not permitted; run as root."
    )
    assert "seen 41, matched 36, dropped 15, sent 21" in said


def test_the_firewall_opens_one_port_and_closes_the_others(pair: Pair) -> None:
    left, right = pair
    with listening(right, HOST, 80), listening(right, HOST, 81):
        assert connects(left, HOST, 81)
        with running(right, "live_firewall.py", "80") as example:
            assert connects(left, HOST, 80)
            assert not connects(left, HOST, 81)
            refused = re.fullmatch(r"(\d+) packets refused\n", example.stop())
            assert refused and int(refused[1]) >= 1
        assert connects(left, HOST, 81)


@pytest.mark.parametrize("host", [HOST, "fd00:1::2"])
def test_the_nat_redirects_a_port_both_ways(pair: Pair, host: str) -> None:
    left, right = pair
    with listening(right, host, 8080) as server:
        with running(right, "live_nat.py", "80", "8080") as example:
            with open_socket(left, socket.SOCK_STREAM, host) as client:
                client.connect((host, 80))
                client.sendall(b"request")
                accepted, _ = server.accept()
                with accepted, ThreadPoolExecutor(1) as pool:
                    accepted.settimeout(10)
                    assert accepted.recv(64) == b"request"
                    assert accepted.getsockname()[1] == 8080
                    answer = bytes(range(256)) * 4096  # a megabyte, in super-packets
                    sending = pool.submit(send_all, accepted, answer)
                    assert b"".join(iter(lambda: client.recv(65536), b"")) == answer
                    sending.result()
            example.stop()
        assert refuses(left, host, 80)


def send_all(to: socket.socket, data: bytes) -> None:
    to.sendall(data)
    to.shutdown(socket.SHUT_WR)


def refuses(where: Namespace, host: str, port: int) -> bool:
    with open_socket(where, socket.SOCK_STREAM, host) as made:
        return made.connect_ex((host, port)) != 0


def test_the_bad_network_delays(pair: Pair) -> None:
    left, _ = pair
    with running(left, "delay_loss.py", "60", "0") as example:
        said = left.run("ping", "-c", "3", "-i", "0.2", HOST)
        best = re.search(r"min/avg/max\S* = ([\d.]+)", said)
        assert best and 60 <= float(best[1]) < 100
        assert re.search(r"\d+ packets, 0 lost", example.stop())


def test_the_bad_network_loses_the_share_asked_for(pair: Pair) -> None:
    left, right = pair
    with (
        receiver(right, HOST) as sink,
        running(left, "delay_loss.py", "5", "0.3", "5", "outbound and udp") as example,
    ):
        send_numbers(left, HOST, 2000, pause=1e-4)
        delivered = received_numbers(sink)
        said = example.stop()
    counted = re.fullmatch(r"(\d+) packets, (\d+) lost\n", said)
    assert counted and int(counted[1]) == 2000
    assert len(set(delivered)) == len(delivered) == 2000 - int(counted[2])
    assert 450 < int(counted[2]) < 750  # seven standard deviations around 600
    assert delivered != sorted(delivered)  # jitter reorders


def test_tcp_gets_through_the_bad_network_whole(pair: Pair) -> None:
    left, right = pair
    with running(left, "delay_loss.py", "5", "0.01") as example:
        stream(left, right, HOST, 2)
        example.stop()
