# SPDX-License-Identifier: MIT
"""The doctor and uninstall on Windows, as a person starts them."""

from __future__ import annotations

import pytest

import fastdivert as fd
from tests.cli.command import answer, fastdivert
from tests.windows_live.standin import Standin


def test_the_doctor_opens_a_handle_and_says_how_drivers_load(host: Standin) -> None:
    report = answer("doctor")
    checks = {check["name"]: check for check in report["checks"]}
    assert report["works"] and report["tier"] == "signed"
    assert checks["a handle here"]["result"] == "ok"
    assert checks["service"]["found"].startswith("running, ")
    assert "bcdedit" in checks["test signing"]["found"]


def test_uninstall_leaves_nothing_and_the_next_handle_installs_again(driver: None) -> None:
    from fastdivert.windows import _windows

    with fd.open("false", flags=fd.Flag.SNIFF):
        pass
    done = fastdivert("uninstall")
    assert done.returncode == 0 and "removed" in done.stdout, done.stderr
    assert _windows.query_service()[0] == "absent"
    assert "nothing is installed" in fastdivert("uninstall").stdout
    with pytest.raises(fd.FastDivertError) as refused:
        fd.open("false", flags=fd.Flag.SNIFF | fd.Flag.NO_INSTALL)
    assert getattr(refused.value, "kind", "") == "driver"
    fd.open("false", flags=fd.Flag.SNIFF).close()  # installs it again
    assert _windows.query_service()[0] == "running"
