# SPDX-License-Identifier: MIT
"""The runner of guests: what goes in and comes out is whole, and a guest ends, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kernels.guest import GuestTimeoutError, run_in_guest
from tests.kernels.packages import CHECKOUT

RUN = Path(__file__).parent / "run.py"
KERNEL = "6.12"


def test_arguments_environment_folder_and_streams_are_whole_and_writes_stay_in(
    tmp_path: Path,
) -> None:
    (tmp_path / "old").write_text("old")
    script = """
        printf '%s|' "$@" "$VALUE" "$(pwd)"
        echo new >old && echo new >made && ! test -e /sys/class/net/eth0 || exit 1
        seq 200000; echo trouble >/dev/stderr; printf 'no newline'; exit 42
    """
    arguments = ["two words", "quo'te", "$HOME", "back\\slash", ""]
    result = run_in_guest(
        KERNEL, ["sh", "-c", script, "sh", *arguments], cwd=tmp_path, env={"VALUE": "a 'b' \"c\""}
    )
    told, _, numbers = result.stdout.rpartition("|")
    assert told.split("|") == [*arguments, "a 'b' \"c\"", str(tmp_path)]
    assert numbers.split("\n") == [*map(str, range(1, 200_001)), "no newline"]
    assert (result.status, result.stderr) == (42, "trouble\n")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"


def test_a_command_that_does_not_end_is_ended() -> None:
    begin = time.monotonic()
    with pytest.raises(GuestTimeoutError) as raised:
        run_in_guest(KERNEL, ["sh", "-c", "echo begun; sleep 1000"], timeout=20)
    assert time.monotonic() - begin < 25
    assert raised.value.stdout == "begun\n"
    assert not machines()


def test_the_machine_ends_with_a_runner_that_is_killed() -> None:
    runner = subprocess.Popen(
        [sys.executable, RUN, "--kernel", KERNEL, "--", "sh", "-c", "echo begun; sleep 1000"],
        stdout=subprocess.PIPE,
    )
    try:
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"begun\n"
        assert machines()
        runner.send_signal(signal.SIGKILL)
        runner.wait(timeout=10)
        deadline = time.monotonic() + 5
        while machines() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not machines()
    finally:
        runner.kill()
        runner.wait()


def test_the_command_line_tells_a_kernel_that_dies() -> None:
    done = subprocess.run(
        [RUN, "--kernel", KERNEL, "--", "sh", "-c", "pwd; echo c >/proc/sysrq-trigger"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (125, f"{CHECKOUT}\n")
    assert "died under the command" in done.stderr
    assert "Kernel panic" in done.stderr


def machines() -> list[int]:
    """The process ids of this checkout's running guests."""
    found = []
    image = os.fsencode(CHECKOUT / "build" / "kernels")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile
        if b"qemu-system" in arguments[0] and any(a.startswith(image) for a in arguments):
            found.append(int(folder.name))
    return found
