# SPDX-License-Identifier: MIT
"""``import fastdivert`` brings in no more than a program needs."""

import subprocess
import sys

import pytest


def loaded_by(code):
    command = [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def modules():
    return loaded_by("import fastdivert") - loaded_by("import numpy")


@pytest.mark.parametrize("name", ["asyncio", "argparse", "rich", "json", "fastdivert.cli"])
def test_what_few_programs_need_is_left_for_later(modules, name):
    assert name not in modules


def test_numpy_is_the_only_dependency(modules):
    known = {"numpy", "fastdivert", "cython_runtime"}
    foreign = {
        name.partition(".")[0]
        for name in modules
        if name.partition(".")[0] not in known | sys.stdlib_module_names
    }
    assert all(name.startswith("_cython_") for name in foreign), foreign
