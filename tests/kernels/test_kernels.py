# SPDX-License-Identifier: MIT
"""The Linux driver on Debian's kernels: the doctor's verdict, and the live tests, in each.

One boot a kernel, all of them at once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

import fastdivert as fd
from tests.kernels.facts import replay
from tests.kernels.guest import GuestResult, run_in_guest
from tests.kernels.packages import BUILD, CHECKOUT, KERNELS, exclusive, kernel
from tests.kernels.streams import Listener

#: What runs in each kernel, beside the doctor. 6.12 attaches as the host does, whose own run of
#: test_clsact has the same programs.
ESSENTIALS, DEVICES, CLSACT = (
    f"tests/live/test_{name}.py" for name in ("essentials", "devices", "clsact")
)
LIVE = {"6.1": [ESSENTIALS, DEVICES, CLSACT], "6.12": [ESSENTIALS, DEVICES]}
FILES = [(version, file) for version in KERNELS for file in LIVE[version]]
#: Left out where there is little time, as pytest's -k has it: what differs little from the rest.
SPARED = "streams_over or in_band or sit or clsact and not (closed or handle_left_p)"
IS_SHORT = os.environ.get("FASTDIVERT_KERNELS") == "short"
TIERS = {"6.1": "clsact", "6.12": "full"}
SECONDS = 900


def kept(version: str) -> Listener:
    """Writes what a guest says to build/kernels, where one can follow it."""
    log = BUILD / f"{version}.log"
    log.write_bytes(b"")

    def keep(stream: str, data: bytes) -> None:
        if stream == "stderr":
            with log.open("ab") as file:
                file.write(data)

    return keep


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, Future[GuestResult]]]:
    programs = BUILD / "programs"
    builder = CHECKOUT / "driver" / "linux" / "build.py"
    subprocess.run([sys.executable, builder, "--tests", programs], check=True, timeout=120)
    spared = ["-k", f"not ({SPARED})"] if IS_SHORT else []
    environment = {"FASTDIVERT_LIVE": "required", "FASTDIVERT_PROGRAMS": str(programs)}
    for version in KERNELS:
        with exclusive(version, wait=600):
            kernel(version)  # unpacked now, and not against the time limit
    with ThreadPoolExecutor(len(KERNELS)) as pool:
        yield {
            version: pool.submit(
                run_in_guest,
                version,
                [sys.executable, "-m", "tests.kernels.inside", *spared, *LIVE[version]],
                SECONDS,
                env=environment,
                listener=kept(version),
            )
            for version in KERNELS
        }


@pytest.fixture(params=KERNELS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def report(running: dict[str, Future[GuestResult]], version: str) -> dict[str, Any]:
    return reported(running, version)


def reported(running: dict[str, Future[GuestResult]], version: str) -> dict[str, Any]:
    result = running[version].result()
    assert result.status == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return {**found, "guest": result}


def test_the_guest_is_a_host_with_that_kernel(version: str, report: dict[str, Any]) -> None:
    facts = report["facts"]
    assert facts["release"].startswith(f"{version}.")
    assert facts["release"].endswith("-amd64")
    assert facts["uid"] == 0
    assert facts["btf"] > 1_000_000
    expected = {"/sys/fs/bpf": "bpf", "/sys/fs/cgroup": "cgroup2", "/proc": "proc", "/sys": "sysfs"}
    assert {path: facts["mounts"].get(path) for path in expected} == expected
    assert facts["module"] == fd.__file__


def test_a_replay_gives_what_it_gives_here(report: dict[str, Any]) -> None:
    assert report["facts"]["replay"] == replay()
    assert report["facts"]["replay"]["matched"] == 24  # of 41 frames, by tshark
    assert report["facts"]["replay"]["arrived"] == 41


def test_the_doctor_names_the_tier_and_finds_live_capture_working(
    version: str, report: dict[str, Any]
) -> None:
    verdict = report["doctor"]
    checks = {check["name"]: check for check in verdict["checks"]}
    assert (verdict["status"], verdict["works"], verdict["tier"]) == (0, True, TIERS[version])
    assert f"tier {TIERS[version]}" in checks["kernel"]["found"]
    results = {name: check["result"] for name, check in checks.items()}
    # Only these may be anything but ok: features, which are the next test's.
    features = results.pop("features")
    assert set(results.values()) == {"ok"}, results
    assert features == ("ok" if version == "6.12" else "note")
    missing = {
        word
        for word in ("bpf_cast_to_kern_ctx", "bpf_iter_num", "lockdown")
        if word in checks["features"]["found"]
    }
    assert missing == ({"bpf_cast_to_kern_ctx", "bpf_iter_num"} if version == "6.1" else set())


def test_in_lockdown_a_packet_is_diverted_and_the_doctor_says_what_is_less(
    report: dict[str, Any],
) -> None:
    verdict = report["locked"]
    checks = {check["name"]: check for check in verdict["checks"]}
    assert (verdict["status"], verdict["works"]) == (0, True)
    assert checks["lockdown"]["result"] == "note"
    assert checks["lockdown"]["found"].startswith("confidentiality")
    assert "(lockdown)" in checks["features"]["found"]
    assert checks["a packet diverted"]["result"] == "ok"


@pytest.mark.parametrize(("version", "file"), FILES)
def test_live_tests_pass(running: dict[str, Future[GuestResult]], version: str, file: str) -> None:
    report = reported(running, version)
    tests = {name: row for name, row in report["tests"].items() if name.startswith(file)}
    assert tests, report["guest"].stderr
    failures = [
        f"{name}\n{row['why']}" for name, row in tests.items() if row["outcome"] == "failed"
    ]
    assert not failures, "\n\n".join(failures)
    # A kernel of Debian's has every device. Of the others that are skipped, each is so everywhere.
    skipped = [row["why"] for row in tests.values() if row["outcome"] == "skipped"]
    assert not [why for why in skipped if "this kernel" in why]
    assert len(skipped) < len(tests)


def test_the_kernel_has_nothing_to_complain_of(report: dict[str, Any]) -> None:
    for word in ("WARNING:", "BUG:", "Oops"):
        assert word not in report["guest"].console
