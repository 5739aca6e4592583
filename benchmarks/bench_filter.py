"""Filters of 1, 5 and 20 tests over packets that nobody has parsed yet."""

from __future__ import annotations

import pytest

from benchmarks.contest import LIMIT, OURS, Contest, few
from benchmarks.filters import QUESTIONS
from benchmarks.peers import (
    dpkt_peer,
    libpcap,
    limit,
    numpy_alone,
    ours,
    pydivert_peer,
    scapy_peer,
)
from benchmarks.traffic import traffic

CONTESTANTS = {
    LIMIT: (limit.match, 4096),
    OURS: (ours.match, 4096),
    f"{OURS}, interpreter": (ours.match_interpreted, 4096),
    "libpcap in C": (libpcap.match, 4096),
    "numpy": (numpy_alone.match, 4096),
    "pcapy-ng": (libpcap.pcapy_match, 4096),
    "WinDivert's C by ctypes": (pydivert_peer.match_by_ctypes, 1024),
    "dpkt": (dpkt_peer.match, 1024),
    "pydivert": (pydivert_peer.match, 1024),
    "scapy": (scapy_peer.match, 256),
}
FAST = [LIMIT, OURS, "libpcap in C"]


@pytest.mark.parametrize("name", CONTESTANTS)
@pytest.mark.parametrize("tests", QUESTIONS)
def bench_filter(contest: Contest, tests: int, name: str) -> None:
    make, count = CONTESTANTS[name]
    packets = traffic(64, few(4096)).first(count)
    question = QUESTIONS[tests]
    case = "1 test" if tests == 1 else f"{tests} tests"
    right = question.answer(packets)
    contest.time("filter (64 B)", case, name, make(packets, question), len(packets), right)


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("size", [512, 1500])
def bench_filter_sizes(contest: Contest, size: int, name: str) -> None:
    packets, question = traffic(size, few(4096)), QUESTIONS[5]
    contestant = CONTESTANTS[name][0](packets, question)
    right = question.answer(packets)
    contest.time("filter, by size (5 tests)", f"{size} B", name, contestant, len(packets), right)


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("count", [64, 1024, 4096, 65536])
def bench_filter_batches(contest: Contest, count: int, name: str) -> None:
    packets, question = traffic(64, few(count)), QUESTIONS[5]
    contestant = CONTESTANTS[name][0](packets, question)
    work = "filter, by batch size (64 B, 5 tests)"
    contest.time(work, f"{count}", name, contestant, len(packets), question.answer(packets))
