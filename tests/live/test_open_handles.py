# SPDX-License-Identifier: MIT
"""The list of open handles: of every process and namespace, and without ghosts."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastdivert as fd
from fastdivert.linux.open_handles import OpenHandle, handles
from tests.cli.command import COMMAND
from tests.live.kernel_objects import bpf
from tests.live.namespaces import Namespace
from tests.live.traffic import receiver, send_numbers

INITIAL_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO

HOLDER = """
import sys
import fastdivert as fd
handle = fd.open(sys.argv[1], priority=int(sys.argv[2]), flags=fd.Flag(int(sys.argv[3])))
print("ready", flush=True)
sys.stdin.read()
"""


def within(where: Namespace) -> list[OpenHandle]:
    inode = os.stat(f"/run/netns/{where.name}").st_ino
    return [handle for handle in handles() if handle.net_namespace == inode]


@contextlib.contextmanager
def holding(
    where: Namespace, text: str, priority: int = 0, flags: fd.Flag = fd.Flag.NONE, *before: str
) -> Iterator[subprocess.Popen[str]]:
    """Another process with an open handle."""
    process = where.start(
        *before,
        sys.executable,
        "-c",
        HOLDER,
        text,
        str(priority),
        str(int(flags)),
        stdin=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.communicate()


def test_handles_of_several_processes_and_namespaces_are_listed_whole(
    pair: tuple[Namespace, Namespace],
) -> None:
    left, right = pair
    with (
        holding(left, "udp.DstPort == 5001", 30000) as one,
        holding(left, "tcp", -30000, fd.Flag.SNIFF | fd.Flag.RECV_ONLY) as two,
        holding(right, "false", 5, fd.Flag.DROP) as three,
    ):
        assert [(each.own_pid, each.filter, each.priority) for each in within(left)] == [
            (one.pid, "udp.DstPort == 5001", 30000),
            (two.pid, "tcp", -30000),
        ]
        assert within(left)[1].flags == fd.Flag.SNIFF | fd.Flag.RECV_ONLY
        (other,) = within(right)
        assert (other.own_pid, other.pid_here, other.flags) == (three.pid, three.pid, fd.Flag.DROP)
        assert other.command.startswith("python")
        assert other.layer is fd.Layer.NETWORK
        assert other.user == os.getuid()
        assert other.pid_namespace == os.stat("/proc/self/ns/pid").st_ino
        assert other.program == fd.compile("false").program.to_bytes()
        assert 0 < other.age < 60
        assert len({each.identity for each in (*within(left), other)}) == 3


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_dies_leaves_no_ghost(alone: Namespace, number: signal.Signals) -> None:
    with holding(alone, "udp") as process:
        assert len(within(alone)) == 1
        process.send_signal(number)
        process.wait(10)
        assert within(alone) == []


def test_closing_ends_the_entry_even_if_a_child_keeps_what_it_inherited(alone: Namespace) -> None:
    with alone.entered():
        handle = fd.open("udp")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)  # until the parent closes its end
        os._exit(0)
    os.close(reading)
    assert len(within(alone)) == 1
    handle.close()
    try:
        assert within(alone) == []
    finally:
        os.close(writing)
        os.waitpid(child, 0)


def test_a_process_in_a_pid_namespace_has_the_number_that_the_host_knows(alone: Namespace) -> None:
    with holding(
        alone, "udp", 0, fd.Flag.NONE, "unshare", "--pid", "--mount-proc", "--fork"
    ) as outer:
        (found,) = within(alone)
        assert found.own_pid == 1
        assert found.pid == found.pid_here != 1
        if os.stat("/proc/self/ns/pid").st_ino == INITIAL_PID_NAMESPACE:
            status = Path(f"/proc/{found.pid}/status").read_text()
            assert f"NSpid:\t{found.pid}\t1\n" in status
            assert f"PPid:\t{outer.pid}\n" in status
            assert found.pid_namespace == os.stat(f"/proc/{found.pid}/ns/pid").st_ino


def test_a_swapped_filter_is_told_at_once_and_it_stays_one_handle(alone: Namespace) -> None:
    with alone.entered(), fd.open("udp") as handle:
        (before,) = within(alone)
        handle.filter = "tcp.DstPort == 80"
        (after,) = within(alone)
    assert (before.filter, after.filter) == ("udp", "tcp.DstPort == 80")
    assert (before.identity, before.opened) == (after.identity, after.opened)
    assert after.revision == before.revision + 1
    assert after.program == fd.compile("tcp.DstPort == 80").program.to_bytes()


def test_what_waits_and_what_was_lost_is_seen_from_outside(
    pair: tuple[Namespace, Namespace],
) -> None:
    left, right = pair
    with left.entered():
        handle = fd.open("udp.DstPort == 5001", queue_length=64)
    with handle, receiver(right, "10.1.0.2"):
        send_numbers(left, "10.1.0.2", 1000)
        (found,) = within(left)
        assert found.queues is not None
        stats = handle.stats()
        assert found.queues.length == 64
        assert found.queues.matched == 1000
        assert found.queues.waiting == stats["waiting"] > 0
        assert found.queues.dropped.items() <= stats["dropped"].items()
        assert found.queues.waiting + sum(found.queues.dropped.values()) == 1000
        batch = handle.recv(10, timeout=1)
        (found,) = within(left)
        assert found.queues is not None
        assert (found.queues.delivered, found.queues.held) == (
            stats["waiting"] - found.queues.waiting,
            found.queues.delivered,
        )
        batch.release()


def test_a_long_filter_is_listed_whole(alone: Namespace) -> None:
    text = " or ".join(f"ip.DstAddr == 10.0.0.{number}" for number in range(250))
    with alone.entered(), fd.open(text):
        assert [each.filter for each in within(alone)] == [text]


@pytest.mark.parametrize("size", [8, 200, 4096])
def test_a_map_of_that_name_that_holds_something_else_is_passed_over(
    alone: Namespace, size: int
) -> None:
    """Whoever may create maps may call one so."""
    attributes = struct.pack("=IIIIIII16s", 2, 4, size, 1, 0, 0, 0, b"fdv_handle")
    fake = bpf(0, attributes)
    try:
        for garbage in (bytes(size), b"\xff" * size, os.urandom(size)):
            key, value = ctypes.c_uint32(0), ctypes.create_string_buffer(garbage, size)
            element = ctypes.addressof(key), ctypes.addressof(value)
            bpf(2, struct.pack("=I4xQQQ", fake, *element, 0))
            assert within(alone) == []
            with alone.entered(), fd.open("udp"):
                assert len(within(alone)) == 1
    finally:
        os.close(fake)


def test_many_handles_open_and_close_while_others_look(alone: Namespace) -> None:
    churn = alone.start(
        sys.executable,
        "-c",
        "import fastdivert as fd\nprint('ready', flush=True)\n"
        "while True: fd.open('udp', queue_length=32, queue_size=65536).close()",
    )
    try:
        assert churn.stdout is not None and churn.stdout.readline() == "ready\n"
        seen = set()
        end = time.monotonic() + 5
        while time.monotonic() < end:
            found = within(alone)
            assert len(found) <= 1
            assert all((each.own_pid, each.filter) == (churn.pid, "udp") for each in found)
            seen |= {each.identity for each in found}
        assert len(seen) > 3
    finally:
        churn.kill()
        churn.communicate()


# ---- the command ---------------------------------------------------------------


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "handles", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_command_prints_two_lines_a_handle(pair: tuple[Namespace, Namespace]) -> None:
    left, right = pair
    with (
        holding(left, "udp.DstPort == 5001", 7) as process,
        holding(right, "tcp", flags=fd.Flag.DROP),
    ):
        done = command("--netns", left.name)
        assert (done.returncode, done.stderr) == (0, "")
        head, row, text = done.stdout.splitlines()
        assert head.split()[:5] == ["pid", "process", "layer", "priority", "flags"]
        assert row.split()[0] == str(process.pid)
        assert row.split()[2:6] == ["network", "7", "-", left.name]
        assert text.strip() == "udp.DstPort == 5001"
        both = command().stdout
        assert left.name in both and right.name in both
    assert command("--netns", left.name).stdout == "no open handles\n"


def test_the_command_gives_the_whole_record_as_json(alone: Namespace) -> None:
    with holding(alone, "udp", 3, fd.Flag.SNIFF | fd.Flag.RECV_ONLY) as process:
        (found,) = json.loads(command("--json", "--netns", alone.name).stdout)["handles"]
    assert (found["own_pid"], found["netns"], found["filter"]) == (process.pid, alone.name, "udp")
    assert (found["layer"], found["flags"]) == ("NETWORK", ["SNIFF", "RECV_ONLY"])
    assert (found["queues"]["length"], found["queues"]["waiting"]) == (4096, 0)


def test_the_command_says_which_capability_it_needs(alone: Namespace) -> None:
    done = subprocess.run(
        ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", *COMMAND, "handles"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "CAP_SYS_ADMIN" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_namespace_that_is_not_there_is_a_wrong_command_line() -> None:
    done = command("--netns", "fdtest-there-is-none")
    assert done.returncode == 2
    assert "there is no such namespace; see ip netns" in done.stderr
