"""The guests themselves: each stock kernel boots, has what the driver needs, and is bounded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import fastdivert as fd
from tests.kernels.facts import replay
from tests.kernels.guest import GuestTimeoutError, run_in_guest
from tests.kernels.packages import CHECKOUT, KERNELS, missing_packages

FOLDER = Path(__file__).parent
RUN = FOLDER / "run.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.live,
    pytest.mark.skipif(
        bool(missing_packages()),
        reason=f"missing: {', '.join(missing_packages())}; see tests/kernels/run.py --install",
    ),
]


@pytest.fixture(scope="module", params=KERNELS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def facts(version: str) -> dict[str, Any]:
    """What one guest found out about itself, from the checkout and environment that run this."""
    result = run_in_guest(version, [sys.executable, "-m", "tests.kernels.facts"])
    assert result.status == 0, result.stderr
    print(f"{result.release}: boot {result.boot_seconds:.1f} s, command {result.seconds:.1f} s")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_it_is_the_kernel_asked_for(version: str, facts: dict[str, Any]) -> None:
    assert facts["release"].startswith(f"{version}.")
    assert facts["release"].endswith("-amd64")
    assert facts["uid"] == 0


def test_it_has_type_information(facts: dict[str, Any]) -> None:
    assert facts["btf"] > 1_000_000


def test_it_has_the_file_systems_of_a_booted_host(facts: dict[str, Any]) -> None:
    expected = {"/sys/fs/bpf": "bpf", "/sys/fs/cgroup": "cgroup2", "/proc": "proc", "/sys": "sysfs"}
    assert {path: facts["mounts"].get(path) for path in expected} == expected


def test_it_imports_the_checkout(facts: dict[str, Any]) -> None:
    assert facts["module"] == fd.__file__


def test_a_replay_gives_what_it_gives_here(facts: dict[str, Any]) -> None:
    assert facts["replay"] == replay()
    assert facts["replay"]["matched"] == 24  # of 41 frames, by tshark
    assert facts["replay"]["arrived"] == 41
    assert facts["replay"]["ttl"] == [33]


def test_a_program_can_be_attached(version: str, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    subprocess.run(
        ["gcc", "-std=c11", "-D_GNU_SOURCE", "-o", hook, FOLDER / "hook.c"], check=True, timeout=60
    )
    result = run_in_guest(version, [str(FOLDER / "hooks.sh"), str(hook)])
    assert result.status == 0, result.stderr
    tcx = {
        "6.1": ["tcx: refused"],
        "6.12": ["tcx: dropped", "tcx, killed: arrives"],
    }
    assert result.stdout.splitlines() == [
        "without a hook: arrives",
        *tcx[version],
        "clsact: dropped",
        "clsact, removed: arrives",
    ]


def test_streams_and_status_are_those_of_the_command(version: str) -> None:
    script = "seq 200000; echo trouble >/dev/stderr; printf 'no newline'; exit 42"
    result = run_in_guest(version, ["sh", "-c", script], cwd="/")
    assert result.status == 42
    lines = result.stdout.split("\n")
    assert lines[:-1] == [str(number) for number in range(1, 200_001)]
    assert lines[-1] == "no newline"
    assert result.stderr == "trouble\n"


def test_arguments_environment_and_folder_arrive_whole(tmp_path: Path) -> None:
    script = 'printf "%s|" "$@" "$VALUE" "$(pwd)"'
    arguments = ["two words", "quo'te", "$HOME", "back\\slash", ""]
    result = run_in_guest(
        "6.12", ["sh", "-c", script, "sh", *arguments], cwd=tmp_path, env={"VALUE": "a 'b' \"c\""}
    )
    assert result.stdout.split("|") == [*arguments, "a 'b' \"c\"", str(tmp_path), ""]


def test_writes_stay_in_the_guest(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    script = "echo new >old && echo new >made && cat old made && ! test -e /sys/class/net/eth0"
    result = run_in_guest("6.12", ["sh", "-c", script], cwd=tmp_path)
    assert (result.status, result.stdout) == (0, "new\nnew\n"), result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"


def test_a_command_that_does_not_end_is_ended() -> None:
    begin = time.monotonic()
    with pytest.raises(GuestTimeoutError) as raised:
        run_in_guest("6.12", ["sh", "-c", "echo begun; sleep 1000"], timeout=30)
    assert time.monotonic() - begin < 35
    assert raised.value.stdout == "begun\n"
    assert not machines()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_machine_ends_with_its_runner(end: signal.Signals) -> None:
    runner = subprocess.Popen(
        [sys.executable, RUN, "--kernel", "6.12", "--", "sh", "-c", "echo begun; sleep 1000"],
        stdout=subprocess.PIPE,
    )
    try:
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"begun\n"
        assert machines()
        runner.send_signal(end)
        runner.wait(timeout=10)
        deadline = time.monotonic() + 5
        while machines() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not machines()
    finally:
        runner.kill()
        runner.wait()


def test_a_dying_kernel_is_told() -> None:
    done = subprocess.run(
        [RUN, "--kernel", "6.12", "--", "sh", "-c", "echo c >/proc/sysrq-trigger"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 125
    assert "died under the command" in done.stderr
    assert "Kernel panic" in done.stderr


def test_the_command_line_exits_as_the_command() -> None:
    done = subprocess.run(
        [RUN, "--kernel", "6.12", "--", "sh", "-c", "pwd; exit 3"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{CHECKOUT}\n", "")


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
