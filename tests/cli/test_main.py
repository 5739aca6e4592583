# SPDX-License-Identifier: MIT

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastdivert as fd
from tests.cli.command import fastdivert


def test_version():
    assert fastdivert("--version").stdout == f"fastdivert {fd.__version__}\n"


def test_help_names_every_command():
    text = fastdivert("--help").stdout
    live = ("dump", "pass", "drop", "top", "doctor")
    assert all(command in text for command in (*live, "replay", "filter", "convert", "Exit codes"))


def test_without_a_command_the_usage_is_printed():
    done = fastdivert()
    assert done.returncode == 2
    assert "usage: fastdivert" in done.stderr


def test_the_installed_script_is_the_same_program():
    script = shutil.which("fastdivert", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("installed without its script")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == fastdivert("--version").stdout


def test_neither_the_package_nor_a_filter_check_imports_rich():
    code = (
        "import sys; from fastdivert.cli import main; main(['filter', 'check', 'tcp']);"
        "sys.exit('rich' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.skipif(sys.platform == "win32", reason="the shell of this test is sh")
def test_a_closed_standard_output_ends_quietly():
    command = f"{sys.executable} -m fastdivert filter explain tcp | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
