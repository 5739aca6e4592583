# SPDX-License-Identifier: MIT
"""Hosts that forbid or lack something: who cannot open a handle is told why and what to do, by the
error and by the doctor; who can do without it is told that, and diverts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from tests.live.namespaces import Namespace

#: Opens a handle, and says what the error was; then the doctor. argv: an errno for bpf(2), or 0.
_TRIES = """
import ctypes, struct, sys
forbidden = int(sys.argv[1])
if forbidden:
    # seccomp(2): load the number of the call; if it is bpf's, fail with the errno; else allow.
    number = {"x86_64": 321, "aarch64": 280}[__import__("os").uname().machine]
    fails, allows = 0x50000 | forbidden, 0x7fff0000
    rows = ((0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, fails), (6, 0, 0, allows))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *row) for row in rows))
    program = ctypes.create_string_buffer(struct.pack("HP", len(rows), ctypes.addressof(code)))
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
import fastdivert as fd
try:
    fd.open("udp").close()
except fd.FastDivertError as error:
    print(type(error).__name__, error.kind, error)
else:
    print("opened")
sys.argv[1:] = ["doctor", "--json"]
import runpy
runpy.run_module("fastdivert", run_name="__main__")
"""


@dataclass(frozen=True)
class Told:
    error: str
    works: bool
    checks: dict[str, dict[str, Any]]

    def found(self, check: str) -> tuple[str, str, str]:
        row = self.checks[check]
        return row["result"], row["found"], row["cure"]


def told(where: Namespace, *before: str, forbidden: int = 0) -> Told:
    """What is said below `before`, a command that runs a command."""
    done = subprocess.run(
        where.command(*before, sys.executable, "-c", _TRIES, str(forbidden)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    error, _, report = done.stdout.partition("\n")
    assert report, done.stderr
    verdict = json.loads(report)
    assert done.returncode == (0 if verdict["works"] else 1)
    return Told(error, verdict["works"], {row["name"]: row for row in verdict["checks"]})


def without(*capabilities: str) -> tuple[str, str]:
    return "setpriv", f"--bounding-set={','.join(f'-{name}' for name in capabilities)}"


@pytest.mark.parametrize(
    ("dropped", "missing"),
    [
        (("net_admin", "sys_admin"), "CAP_NET_ADMIN"),
        (("net_raw", "sys_admin"), "CAP_NET_RAW"),
        (("bpf", "sys_admin"), "CAP_BPF"),
        (("perfmon", "sys_admin"), "CAP_PERFMON"),
    ],
)
def test_a_capability_that_is_missing_is_named(
    alone: Namespace, dropped: tuple[str, ...], missing: str
) -> None:
    said = told(alone, *without(*dropped))
    assert not said.works
    assert said.error.startswith("DriverError permission ")
    assert said.error.endswith(f"run as root, or with the capabilities that are missing: {missing}")
    result, found, cure = said.found("capabilities")
    assert (result, found) == ("failed", f"{missing} is missing")
    assert "give these capabilities to the process" in cure
    assert said.found("a handle here")[2].endswith(f"that are missing: {missing}")
    assert said.found("a packet diverted")[0] == "skipped"


@pytest.mark.parametrize(
    ("errno", "kind", "cure"),
    [
        (1, "permission", "seccomp profile"),  # EPERM: Docker's
        (38, "kernel", "seccomp profile"),  # ENOSYS: others'
    ],
)
def test_where_seccomp_forbids_bpf_its_profile_is_named(
    alone: Namespace, errno: int, kind: str, cure: str
) -> None:
    said = told(alone, forbidden=errno)
    assert not said.works
    assert said.error.startswith(f"DriverError {kind} ")
    assert cure in said.error
    assert said.found("capabilities")[0] == "ok"
    result, found, doctors_cure = said.found("a handle here")
    assert (result, f"refused ({kind})" in found) == ("failed", True)
    assert cure in found + doctors_cure


def hidden(path: str) -> tuple[str, ...]:
    """ip netns exec has given the command mounts of its own."""
    return "sh", "-c", f'mount -t tmpfs hidden {path} && exec "$@"', "sh"


def test_without_type_information_a_handle_works_and_the_doctor_says_what_is_less(
    alone: Namespace,
) -> None:
    said = told(alone, *hidden("/sys/kernel/btf"))
    assert (said.error, said.works) == ("opened", True)
    assert said.found("BTF")[0] == "note"
    assert "No such file" in said.found("BTF")[1]
    assert said.found("features")[0] == "note"
    assert "bpf_cast_to_kern_ctx" in said.found("features")[1]
    assert said.found("a packet diverted")[0] == "ok"


def test_a_bpf_file_system_is_not_needed(alone: Namespace) -> None:
    said = told(alone, *hidden("/sys/fs"))
    assert (said.error, said.works) == ("opened", True)
    assert said.found("a packet diverted")[0] == "ok"
