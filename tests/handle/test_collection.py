"""A forgotten handle may be closed by the garbage collector at any moment, also in a kernel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = """
import faulthandler, gc, warnings
import fastdivert as fd
from tests.traffic import numbered

faulthandler.dump_traceback_later(20, exit=True)
warnings.simplefilter("ignore", ResourceWarning)
gc.disable()
batch = numbered(200)
for _ in range(20):
    passing = fd.open("udp", driver="replay", source=batch, sink=lambda left: None)
    queued = fd.open("true", driver="replay", source=batch, sink=lambda left: None, queue_length=32)
    queued.recv(1)
    cycle = [passing, queued]
    cycle.append(cycle)
    del passing, queued, cycle
    gc.set_threshold(1)
    gc.enable()
    {use}
    gc.disable()
    gc.collect()
"""


@pytest.mark.parametrize(
    "use",
    [
        "batch.headers",
        "batch.payload(3)",
        "batch[:3]",
        "batch.match('tcp')",
        "batch['ip.TTL']",
        "batch['ip.TTL'] = 4",
        "batch.parse()",
        "batch.addresses",
        "batch.checksums('verify')",
        "batch.copy()",
        "batch.replace_payload(1, b'other')",
    ],
)
def test_a_handle_collected_while_its_source_is_used_does_not_hang(use):
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(use=use)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
