# SPDX-License-Identifier: MIT
"""The doctor and the live commands where there is no privilege, and the doctor's judgement."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from fastdivert.linux import doctor
from fastdivert.linux.doctor import Result
from tests.cli.command import COMMAND

NOBODY = 65534
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux's doctor")


def as_nobody(*arguments):
    """A command without any privilege: as it is if that is how the tests run."""
    drop = ()
    if os.geteuid() == 0:
        drop = (
            "setpriv",
            f"--reuid={NOBODY}",
            f"--regid={NOBODY}",
            "--clear-groups",
            "--bounding-set=-all",
        )
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is not installed")
        readable = subprocess.run(
            [*drop, sys.executable, "-c", "import fastdivert"], capture_output=True, check=False
        )
        if readable.returncode != 0:
            pytest.skip("the checkout is not readable by others")
    return subprocess.run(
        [*drop, *COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@needs_linux
def test_without_privilege_the_doctor_says_what_is_missing_and_what_to_do():
    done = as_nobody("doctor")
    assert done.returncode == 1
    assert done.stderr == ""
    assert "CAP_NET_ADMIN, CAP_NET_RAW, CAP_PERFMON, CAP_BPF are missing" in done.stdout
    assert "cure: run as root, or give these capabilities to the process" in done.stdout
    assert "Live capture does not work here. fastdivert replay needs none of this." in done.stdout


@needs_linux
def test_its_json_has_every_check_and_the_verdict():
    report = json.loads(as_nobody("doctor", "--json").stdout)
    assert report["works"] is False
    names = [check["name"] for check in report["checks"]]
    assert names[:3] == ["platform", "driver", "kernel"]
    assert names[-2:] == ["a handle here", "a packet diverted"]
    for check in report["checks"]:
        assert set(check) == {"name", "result", "found", "cure"}
        assert check["result"] in {"ok", "failed", "note", "skipped"}
        assert check["found"]
    failed = {check["name"] for check in report["checks"] if check["result"] == "failed"}
    assert {"capabilities", "a handle here"} <= failed


@needs_linux
def test_a_user_namespace_is_told():
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    namespace = ("unshare", "--user", "--map-root-user")
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("user namespaces are not allowed here")
    done = subprocess.run(
        [*namespace, *COMMAND, "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1
    assert checks["capabilities"]["result"] == "ok"  # as seen from inside
    assert checks["user namespace"]["result"] == "failed"
    assert checks["a handle here"]["result"] == "failed"
    assert checks["a packet diverted"]["result"] == "skipped"


@needs_linux
@pytest.mark.parametrize("command", ["dump", "pass", "drop", "top"])
def test_live_commands_without_privilege_name_the_cure(command):
    done = as_nobody(command, "udp", "--json")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Operation not permitted; run as root, or with the capabilities" in done.stderr
    assert "fastdivert doctor looks for the cause" in done.stderr
    assert "fastdivert replay does the same with a capture" in done.stderr
    assert "Traceback" not in done.stderr


@needs_linux
def test_entering_a_namespace_without_privilege_names_the_cure():
    done = as_nobody("dump", "--netns", "/proc/self/ns/net")
    assert done.returncode == 1
    assert "entering a namespace needs CAP_SYS_ADMIN; run as root" in done.stderr


EVERYTHING = {"tier": "full", "tcx": True, "casts": True, "reads": True, "loops": True}


@pytest.mark.parametrize(
    ("found", "kernel", "features", "words"),
    [
        (EVERYTHING, Result.OK, Result.OK, "tier full: programs at tcx"),
        ({**EVERYTHING, "tier": "clsact"}, Result.OK, Result.OK, "tier clsact: filters at clsact"),
        ({**EVERYTHING, "casts": False}, Result.OK, Result.NOTE, "tier full"),
        ({"tier": "none"}, Result.SKIPPED, Result.SKIPPED, "tier none: programs cannot be loaded"),
    ],
)
def test_the_tier_of_a_kernel_is_that_of_what_was_tried(
    monkeypatch, found, kernel, features, words
):
    monkeypatch.setattr(doctor, "_found", lambda: found)
    check = doctor._kernel()
    assert check.result is kernel
    assert words in check.found
    assert doctor._features().result is features


def test_every_missing_feature_is_told(monkeypatch):
    found = {**EVERYTHING, "casts": False, "reads": False, "loops": False}
    monkeypatch.setattr(doctor, "_found", lambda: found)
    text = doctor._features().found
    for word in ("bpf_cast_to_kern_ctx", "lockdown", "bpf_iter_num"):
        assert word in text


@pytest.mark.parametrize(
    ("state", "result"),
    [
        (None, Result.OK),
        ("[none] integrity confidentiality", Result.OK),
        ("none [integrity] confidentiality", Result.OK),
        ("none integrity [confidentiality]", Result.NOTE),
    ],
)
def test_lockdown(monkeypatch, state, result):
    monkeypatch.setattr(doctor, "_setting", lambda path: state)
    assert doctor._lockdown().result is result


@pytest.mark.parametrize(
    ("state", "result"),
    [(None, Result.SKIPPED), ("1", Result.OK), ("2", Result.OK), ("0", Result.FAILED)],
)
def test_the_kernel_must_compile_programs(monkeypatch, state, result):
    monkeypatch.setattr(doctor, "_setting", lambda path: state)
    assert doctor._compiler().result is result


@pytest.mark.parametrize(("data", "result"), [(b"..", Result.OK), (None, Result.NOTE)])
def test_type_information_is_spared_where_there_is_none(monkeypatch, tmp_path, data, result):
    path = tmp_path / "vmlinux"
    if data is not None:
        path.write_bytes(data)
    monkeypatch.setattr(doctor, "_BTF", str(path))
    assert doctor._btf().result is result


def test_elsewhere_than_on_linux_it_says_so(monkeypatch):
    monkeypatch.setattr(doctor.sys, "platform", "win32")
    report = doctor.examine()
    assert (report.works, report.tier) == (False, "none")
    assert [check.result for check in report.checks] == [Result.FAILED]
    assert "replay" in report.checks[0].cure
