#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Takes bounds checks out of driver/core, one at a time, and asks who notices.

    mutation.py                 every mutant must fail the C tests of its subject
    mutation.py --fuzz SECONDS  ... and is shown to the fuzz target alone, too

A mutant is a copy of driver/ in a temporary folder with one text replaced; it
must still compile without warnings. A mutant that lives is an error: a test is
missing.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMPILE = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
TIME_LIMIT = 180  # a mutant that hangs is noticed as well


@dataclass(frozen=True)
class Mutant:
    """One check, and what is left when it is gone."""

    file: str
    check: str
    without: str
    tests: str  # the tests/c/test_*.c that must fail
    fuzz: str  # the tests/fuzz/fuzz_*.c that sees this code


PACKET = ("test_packet.c", "packet")
SEGMENT = ("test_engine_segment.c", "segment")
VERIFY = ("test_verify.c", "program")
VALUE = ("test_program.c", "program")
RING = ("test_ring.c", "producer")
PRODUCER = ("test_ring_hostile.c", "producer")
CONSUMER = ("test_ring_hostile.c", "consumer")

MUTANTS = [
    Mutant("packet.c", "if (captured < FD_IPV4_LENGTH)", "if (captured < 1)", *PACKET),
    Mutant("packet.c", "if (captured < FD_IPV6_LENGTH)", "if (captured < 1)", *PACKET),
    Mutant("packet.c", " || header_length > end)", ")", *PACKET),
    Mutant("packet.c", "&& end - at >= 2)", ")", *PACKET),
    Mutant("packet.c", "if (header_length > end - at)", "if (header_length > 4096)", *PACKET),
    Mutant("packet.c", "if (left < FD_TCP_LENGTH)", "if (left < 1)", *PACKET),
    Mutant("packet.c", "return length < left ? length : left;", "return length;", *PACKET),
    Mutant("packet.c", "if (left >= FD_UDP_LENGTH)", "if (left > 0)", *PACKET),
    Mutant("packet.c", "else if (left >= FD_ICMP_LENGTH)", "else if (left > 0)", *PACKET),
    Mutant("segment.c", "parsed->length <= captured &&", "captured != 0 &&", *SEGMENT),
    Mutant(
        "segment.c", "(parsed->state & FD_PARSED_FRAGMENT) == 0", "parsed->state < 255", *SEGMENT
    ),
    Mutant(
        "segment.c",
        "size <= payload_most(parsed)",
        "payload_most(parsed) != 0",
        "test_segment.c",
        "segment",
    ),
    Mutant("checksum.c", "* 4 > found.length)", "* 4 > 60)", "test_checksum.c", "packet"),
    Mutant("verify.c", "target <= at || ", "(target == at && at > length) || ", *VERIFY),
    Mutant("verify.c", " || target >= length", " || (target == at && at > length)", *VERIFY),
    Mutant("verify.c", "test->field >= FD_FIELD_COUNT || ", "", *VERIFY),
    Mutant("verify.c", "if (test->op >= FD_OPERATOR_COUNT)", "if (test->op > 250)", *VERIFY),
    Mutant("verify.c", "length > FD_PROGRAM_TESTS_MAX ||", "", *VERIFY),
    Mutant("verify.c", "if (size < head)", "if (size < 1)", *VERIFY),
    Mutant("verify.c", "return index > INDEX_MAX - width;", "return 0;", *VERIFY),
    Mutant("value.h", "if (at < begin || ", "if (", *VALUE),
    Mutant("value.h", " || at > end - (int64_t)width)", ")", *VALUE),
    Mutant(
        "value.h",
        "return subject->captured >= FD_EVENT_DATA_SIZE;",
        "return subject->captured > 0;",
        *VALUE,
    ),
    Mutant(
        "ring.c",
        "descriptor_region_size < fd_ring_descriptor_region_size(descriptor_count) ||",
        "",
        "test_ring.c",
        "consumer",
    ),
    Mutant(
        "ring.c",
        "|| byte_region_size < fd_ring_byte_region_size(byte_size))",
        " || byte_region_size < byte_size)",
        "test_ring.c",
        "consumer",
    ),
    Mutant("record.h", "l2_length > FD_L2_MAX ||", "l2_length > 255 ||", *CONSUMER),
    Mutant("record.h", "|| captured > FD_CAPTURED_MAX", "|| captured > UINT32_MAX - 128", *RING),
    Mutant("producer.c", "if (size > ring->byte_size)", "if (size > FD_GUARD_SIZE)", *RING),
    Mutant("producer.c", "waiting >= queue_length)", "waiting > queue_length)", *RING),
    Mutant(
        "producer.c",
        "waiting_bytes + size > queue_size",
        "waiting_bytes + 0 * size > queue_size",
        *RING,
    ),
    Mutant(
        "producer.c",
        "(uint32_t)at_least(queue_length, FD_QUEUE_LENGTH_MIN)",
        "(uint32_t)at_least(queue_length, 0)",
        *RING,
    ),
    Mutant(
        "producer.c",
        "at_least(queue_size, FD_QUEUE_SIZE_MIN)",
        "at_least(queue_size, 0)",
        *RING,
    ),
    Mutant(
        "producer.c",
        "if (tail - producer->cached_tail > producer->published - ",
        "if (tail - producer->cached_tail > UINT32_MAX / 2 + 0 * ",
        *PRODUCER,
    ),
    Mutant("producer.c", "if (byte_tail % FD_RECORD_ALIGN != 0 ||", "if (", *PRODUCER),
    Mutant(
        "producer.c",
        "byte_tail - producer->cached_byte_tail > "
        "producer->byte_published - producer->cached_byte_tail)",
        "        byte_tail > UINT64_MAX / 2)",
        *PRODUCER,
    ),
    Mutant(
        "consumer.c",
        "if (head - consumer->taken > ring->descriptor_count - held)",
        "if (head - consumer->taken > UINT32_MAX / 2 + 0 * held)",
        *CONSUMER,
    ),
    Mutant(
        "consumer.c",
        "bytes - consumer->byte_taken > ring->byte_size - held_bytes)",
        "bytes - consumer->byte_taken > UINT64_MAX / 2 + 0 * held_bytes)",
        *CONSUMER,
    ),
    Mutant("consumer.c", "if (*size > room)", "if (*size > room + FD_GUARD_SIZE)", *CONSUMER),
    Mutant("consumer.c", "if (offset != (uint32_t)", "if (0 && offset != (uint32_t)", *CONSUMER),
    Mutant("consumer.c", "if (layer >= FD_LAYER_COUNT ||", "if (", *CONSUMER),
    Mutant("consumer.c", "captured != FD_EVENT_DATA_SIZE)", "captured == 0)", *CONSUMER),
    Mutant(
        "consumer.c",
        "descriptor_end - consumer->released > consumer->taken - consumer->released ||",
        "",
        "test_ring.c",
        "consumer",
    ),
]


def compiler() -> str:
    for name in (os.environ.get("CC"), "clang-19", "clang", "gcc"):
        if name and shutil.which(name):
            return name
    raise SystemExit("no C compiler: install clang or gcc, or set CC")


def replace_once(path: Path, check: str, without: str) -> None:
    """Takes the check out of a file, where it must stand exactly once."""
    text = path.read_text()
    # A formatter may have broken the line elsewhere.
    pattern = r"\s+".join(re.escape(word) for word in check.split())
    if len(re.findall(pattern, text)) != 1:
        raise SystemExit(
            f"{path.name}: {check!r} stands there {len(re.findall(pattern, text))}"
            " times, not once: bring MUTANTS up to date"
        )
    path.write_text(re.sub(pattern, lambda _: without, text))


def make_mutant(mutant: Mutant, folder: Path) -> None:
    """Writes driver/ with this one check gone to folder."""
    shutil.copytree(ROOT / "driver" / "abi", folder / "abi")
    shutil.copytree(ROOT / "driver" / "core", folder / "core")
    replace_once(folder / "core" / mutant.file, mutant.check, mutant.without)
    for source in sorted((folder / "core").glob("*.c")):
        compiled = subprocess.run(
            [compiler(), *COMPILE, str(source)], check=False, capture_output=True, text=True
        )
        if compiled.returncode != 0:
            raise SystemExit(
                f"{mutant.file} without {mutant.check!r} does not compile:\n{compiled.stderr}"
            )


def passes(command: list[str], **environment: str) -> bool:
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=dict(os.environ, **environment),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return process.wait(TIME_LIMIT) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the session that we started, no other
        process.wait()
        return False


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--fuzz", type=int, default=0, metavar="SECONDS")
    arguments.add_argument("--file", help="only mutants of this file of driver/core")
    options = arguments.parse_args()
    mutants = [m for m in MUTANTS if options.file in (None, m.file)]

    with tempfile.TemporaryDirectory() as scratch:
        for name in sorted({m.tests for m in mutants}):
            if not passes(["tests/c/run.sh", name]):
                raise SystemExit(f"{name} fails already without a mutation")
        alive = 0
        for number, mutant in enumerate(mutants):
            folder = Path(scratch) / str(number)
            make_mutant(mutant, folder)
            core = str(folder / "core")
            noticed = not passes(["tests/c/run.sh", mutant.tests], CORE=core)
            alive += not noticed
            line = f"{'noticed' if noticed else 'LIVES  '} by {mutant.tests}"
            if options.fuzz:
                fuzz = ["tests/fuzz/run.sh", str(options.fuzz), mutant.fuzz]
                crashed = not passes(fuzz, CORE=core, CORE_ONLY="1", ARTIFACTS=str(folder))
                line += f", {'noticed' if crashed else 'missed'} by fuzz_{mutant.fuzz}"
            print(f"{line}: {mutant.file}: {' '.join(mutant.check.split())}", flush=True)
    print(f"{len(mutants) - alive} of {len(mutants)} mutants noticed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
