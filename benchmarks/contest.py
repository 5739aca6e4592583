"""What a contestant is, and how one is timed.

A contestant is made for its input outside the timed part. Before it is timed,
its answer is compared with the right one: nobody is fast by being wrong.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

#: "1": each benchmark once, on few packets, to see that it runs.
SHORT = os.environ.get("FASTDIVERT_BENCH_SHORT") == "1"

#: Seconds that one benchmark may take, and the least that one round takes:
#: the clock's own cost disappears in it.
_SECONDS = 1.0
_ROUND = 200e-6
_ROUNDS = 400

OURS, LIMIT = "fastdivert", "C limit"


class Contestant(NamedTuple):
    """run is timed; answer makes an array of what run returned (or left behind)."""

    run: Callable[[], Any]
    answer: Callable[[Any], Any]


class Contest:
    """Times contestants; ``contest`` in every benchmark is one."""

    def __init__(self, benchmark: BenchmarkFixture) -> None:
        self._benchmark = benchmark

    def time(
        self,
        work: str,
        case: str,
        name: str,
        contestant: Contestant,
        packets: int,
        right: Any,
        *,
        once: bool = False,
    ) -> None:
        """Checks the answer, then times. once: one round, for what takes seconds."""
        _check(name, contestant.answer(contestant.run()), right)
        rounds, iterations = (1, 1) if SHORT or once else _plan(contestant.run)
        self._benchmark.group = f"{work}, {case}"
        # Not what --benchmark-disable-gc does: that is not heard by pedantic.
        gc.collect()
        gc.disable()
        try:
            pedantic: Callable[..., Any] = self._benchmark.pedantic
            pedantic(contestant.run, rounds=rounds, iterations=iterations)
        finally:
            gc.enable()
        info = self._benchmark.extra_info
        info.update(work=work, case=case, contestant=name, packets=packets)
        if self._benchmark.stats is not None:  # None under --benchmark-disable
            stats = self._benchmark.stats.stats
            info["ns_per_packet"] = stats.median * 1e9 / packets
            info["best_ns_per_packet"] = stats.min * 1e9 / packets


def few(packets: int) -> int:
    """So many packets, or only some in a short run."""
    return min(packets, 64) if SHORT else packets


def _check(name: str, found: Any, right: Any) -> None:
    found, right = np.asarray(found), np.asarray(right)
    if found.shape != right.shape:
        raise AssertionError(f"{name} answers in shape {found.shape}, not {right.shape}")
    wrong = np.argwhere(found != right)
    if len(wrong):
        at = tuple(wrong[0].tolist())
        raise AssertionError(
            f"{len(wrong)} answers of {name} are wrong, the first at {at}: "
            f"{found[at]!r:.200} instead of {right[at]!r:.200}"
        )


def _plan(run: Callable[[], Any]) -> tuple[int, int]:
    """Rounds, and calls in each."""
    started = time.perf_counter()
    calls = 0
    while calls < 3 or time.perf_counter() - started < 0.02:
        run()
        calls += 1
        if time.perf_counter() - started > _SECONDS:
            break
    each = (time.perf_counter() - started) / calls
    iterations = max(1, round(_ROUND / each))
    return max(3, min(_ROUNDS, round(_SECONDS / (each * iterations)))), iterations
