#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Takes guards out of driver/windows, one at a time, and asks who notices.

    mutation.py            every mutant must fail the tests of its subject
    mutation.py NAME       only those of driver/windows/NAME

A mutant is a copy of driver/ in a temporary folder with one text replaced,
compiled with all warnings and run in the simulated kernel. A mutant that lives
is an error: a test is missing.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "c"))

from mutation import passes, replace_once  # noqa: E402


@dataclass(frozen=True)
class Mutant:
    """One guard of driver/windows, and what is left when it is gone."""

    file: str
    check: str
    without: str
    tests: str  # the sim/test/test_*.c that must fail


MUTANTS = [
    # What a process says
    Mutant("region.c", "(address & (PAGE_SIZE - 1)) != 0", "(address & 1) != 0", "register"),
    Mutant("call.c", "if (call->input != size)", "if (call->input < size)", "control"),
    Mutant(
        "call.c",
        "fd_program_verify(found, size, &test) != FD_PROGRAM_OK ||",
        "fd_program_verify(found, size, &test) > FD_PROGRAM_BAD_RESERVED ||",
        "open",
    ),
    Mutant("ioctl.c", "(flags & ~known) == 0 &&", "known != 0 &&", "open"),
    Mutant(
        "ioctl.c",
        "if (call->output < sizeof(flushed) + sizeof(LONG))",
        "if (call->output == 0)",
        "control",
    ),
    # Who may come in, and until when
    Mutant("driver.c", "FILE_DEVICE_SECURE_OPEN", "0", "load"),
    Mutant("slot.c", "|| GENERATION(word) != key >> 16", "", "close"),
    Mutant(
        "handle.c",
        "if (handle->owner == process && handle->state",
        "if (handle->owner != process && handle->state",
        "close",
    ),
    # Packets that come
    Mutant(
        "classify.c",
        "if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0 || lists == NULL)",
        "if (lists == NULL)",
        "capture",
    ),
    Mutant("capture.c", "if (length > FD_CAPTURED_MAX)", "if (length > 0x7fffffff)", "capture"),
    Mutant(
        "classify.c",
        "return FALSE; /* has been outbound */",
        "return TRUE; /* has been outbound */",
        "capture",
    ),
    Mutant(
        "queue.c",
        "publish_to(&queue->producer, queue->complete, queue->complete_bytes)",
        "publish_to(&queue->producer, queue->producer.head, queue->producer.byte_head)",
        "queues",
    ),
    # Packets that go back
    Mutant("injection.c", ">> 1 <= handle->order)", ">> 1 < handle->order)", "inject"),
    Mutant(
        "inject.c",
        "headers == 0 || (parsed.state & FD_PARSED_TRUNCATED) != 0",
        "headers == 0",
        "inject",
    ),
    Mutant(
        "inject.c",
        "if (guards_ttl && (way->flags & FD_FLAG_IMPOSTOR) != 0 &&",
        "if (guards_ttl && way->flags == 0xffffffff &&",
        "inject",
    ),
    Mutant(
        "flush.c",
        "if (record->layer != handle->layer)",
        "if (record->layer > FD_LAYER_NETWORK_FORWARD)",
        "inject",
    ),
    Mutant("inject.c", "count <= FD_WINDOWS_SEGMENTS_MAX &&", "count != 0 &&", "segments"),
    Mutant(
        "inject.c",
        "fd_super_size(&super) <= FD_WINDOWS_SEGMENTS_SIZE_MAX",
        "fd_super_size(&super) != 0",
        "segments",
    ),
    Mutant(
        "inject.c",
        "(way->flags & (FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP)) == kinds",
        "kinds != 0xffffffff",
        "segments",
    ),
]


def main() -> int:
    wanted = sys.argv[1:]
    mutants = [m for m in MUTANTS if not wanted or m.file in wanted]
    run = ["driver/windows/sim/run.sh"]
    if not passes([*run, *sorted({m.tests for m in mutants})], SANITIZERS="address"):
        raise SystemExit("the tests fail already without a mutation")

    alive = 0
    for mutant in mutants:
        with tempfile.TemporaryDirectory() as scratch:
            driver = Path(scratch) / "driver"
            shutil.copytree(ROOT / "driver", driver)
            replace_once(driver / "windows" / mutant.file, mutant.check, mutant.without)
            build = Path(scratch) / "build"
            build.mkdir()
            noticed = not passes(
                [*run, mutant.tests], SANITIZERS="address", DRIVER=str(driver), BUILD=str(build)
            )
            if not (build / "address" / f"test_{mutant.tests}.out").exists():
                raise SystemExit(f"{mutant.file} without {mutant.check!r} does not compile")
        alive += not noticed
        text = " ".join(mutant.check.split())
        print(
            f"{'noticed' if noticed else 'LIVES  '} by test_{mutant.tests}: {mutant.file}: {text}",
            flush=True,
        )
    print(f"{len(mutants) - alive} of {len(mutants)} mutants noticed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
