# SPDX-License-Identifier: MIT
"""What the driver says of a host, good or not."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fastdivert as fd
from fastdivert.linux import DriverError
from fastdivert.linux._linux import Divert, probe
from tests.live.namespaces import Namespace

_WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all")
_OPEN = (
    "import fastdivert as fd\n"
    "from fastdivert.linux._linux import Divert, probe\n"
    "for check, fault in probe(): print(check, '|', fault)\n"
    "try: Divert(fd.compile('true').program.to_bytes())\n"
    "except Exception as error: print(error.kind, error.errno, error)\n"
)


def test_this_host_can_do_all_of_it(alone: Namespace) -> None:
    with alone.entered():
        assert [fault for _, fault in probe() if fault] == []


def test_without_capabilities_the_error_names_them(alone: Namespace) -> None:
    done = subprocess.run(
        alone.command(*_WITHOUT_CAPABILITIES, sys.executable, "-c", _OPEN),
        capture_output=True,
        text=True,
        check=True,
    )
    last = done.stdout.splitlines()[-1]
    assert last.startswith("permission 1 ")
    assert "CAP_NET_ADMIN" in last
    assert "bpf |" in done.stdout


def test_no_more_handles_than_there_are_marks(alone: Namespace) -> None:
    program = fd.compile("false").program.to_bytes()
    with alone.entered():
        alone.ip("link", "set", "lo", "down")
        kept = []
        with pytest.raises(DriverError, match="network namespace") as caught:
            for _ in range(64):
                kept.append(Divert(program, queue_length=32, queue_size=65536))
        for one in kept:
            one.close()
    assert caught.value.kind == "busy"
    assert len(kept) == 63
