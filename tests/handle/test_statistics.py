"""The counters add up, whatever is done in whatever order."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import fastdivert as fd
from tests.handle.replaying import assert_balanced, replay
from tests.traffic import Sink, numbered, numbers

TOTAL = 300


class ReplayMachine(RuleBasedStateMachine):
    """Two handles on one replay, driven at random and checked against sets of numbers."""

    @initialize(
        size=st.integers(1, 90),
        length=st.sampled_from([32, 40, 64]),
        filters=st.tuples(*[st.sampled_from(["true", "tcp.DstPort == 80", "udp"])] * 2),
        sniff=st.booleans(),
    )
    def open(self, size, length, filters, sniff):
        self.sink = Sink()
        batches = [
            numbered(min(size, TOTAL - first), first=first) for first in range(0, TOTAL, size)
        ]
        self.host = fd.Replay(batches, self.sink)
        flags = fd.Flag.SNIFF if sniff else fd.Flag.NONE
        self.handles = [
            replay(self.host, filters[0], priority=1, flags=flags, queue_length=length),
            replay(self.host, filters[1], queue_length=length),
        ]
        self.sniff = sniff
        self.held: list[tuple[int, fd.Batch]] = []
        self.dropped: set[int] = set()
        self.seen: list[list[int]] = [[], []]
        self.sent = [0, 0]

    @rule(which=st.integers(0, 1), most=st.integers(1, 50))
    def recv(self, which, most):
        try:
            batch = self.handles[which].recv(most, timeout=0)
        except (TimeoutError, fd.ShutdownError, fd.HandleClosedError):
            return
        assert 1 <= len(batch) <= most
        self.seen[which] += numbers(batch)
        self.held.append((which, batch))

    @precondition(lambda self: self.held)
    @rule(at=st.integers(0, 99), mask=st.integers(0, 2**50 - 1))
    def send(self, at, mask):
        which, batch = self.held.pop(at % len(self.held))
        if self.sniff and which == 0:
            batch.release()
            return
        lost = np.array([mask >> row & 1 == 1 for row in range(len(batch))])
        mine = np.array(numbers(batch))
        batch.drop(lost)
        try:
            sent = self.handles[which].send(batch)
        except fd.HandleClosedError:
            self.dropped.update(mine.tolist())
            batch.release()
            return
        assert sent == (~lost).sum()
        self.sent[which] += sent
        self.dropped.update(mine[lost].tolist())

    @precondition(lambda self: self.held)
    @rule(at=st.integers(0, 99))
    def release(self, at):
        which, batch = self.held.pop(at % len(self.held))
        if not (self.sniff and which == 0):
            self.dropped.update(numbers(batch))
        batch.release()

    @rule(which=st.integers(0, 1), length=st.sampled_from([32, 64, 128, 256]))
    def set_length(self, which, length):
        self.handles[which].set_param(fd.Param.QUEUE_LENGTH, length)

    @rule(which=st.integers(0, 1))
    def close(self, which):
        if not self.handles[1 - which]._closed:  # the replay ends with its last handle
            self.handles[which].close()

    @invariant()
    def counters_add_up(self):
        for which, handle in enumerate(getattr(self, "handles", ())):
            stats = handle.stats()
            assert_balanced(stats)
            assert sum(stats["dropped"].values()) == 0
            assert stats["sent"] == self.sent[which]
            assert stats["delivered"] >= len(self.seen[which])

    def teardown(self):
        if not hasattr(self, "handles"):
            return
        while self.held:
            self.release(0)
        for _ in range(2):
            for which, handle in enumerate(self.handles):
                while not handle._closed:
                    try:
                        batch = handle.recv(timeout=0)
                    except (TimeoutError, fd.ShutdownError):
                        break
                    self.seen[which] += numbers(batch)
                    handle.send(batch) if not (self.sniff and which == 0) else batch.release()
        self.counters_ended()
        for handle in self.handles:
            handle.close()
        for seen in self.seen:
            assert len(seen) == len(set(seen))
        assert self.sink.numbers == [n for n in range(TOTAL) if n not in self.dropped]
        assert self.sink.closed == 1

    def counters_ended(self):
        for handle in self.handles:
            assert handle.stats()["held"] == 0


TestReplay = ReplayMachine.TestCase
TestReplay.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_every_counter_of_a_plain_run():
    with replay(numbered(10), "tcp.DstPort == 80") as handle:
        batch = handle.recv(3)
        stats = handle.stats()
        assert (stats["seen"], stats["matched"], stats["queued"]) == (10, 5, 5)
        assert (stats["delivered"], stats["waiting"], stats["held"]) == (3, 2, 3)
        batch.drop([0])
        handle.send(batch)
        stats = handle.stats()
        assert (stats["sent"], stats["verdict_dropped"], stats["held"]) == (2, 1, 0)
        assert stats["bytes"] == 5 * 44
        assert stats["queue_wait_ns"] == 0


def test_stats_are_a_copy():
    with replay(numbered(10)) as handle:
        handle.stats()["dropped"]["queue_length"] = 99
        handle.stats()["seen"] = 99
        assert handle.stats()["dropped"]["queue_length"] == 0
        assert handle.stats()["seen"] == 0
