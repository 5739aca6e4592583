# SPDX-License-Identifier: MIT
"""Many filters over one batch, by WinDivert and by both of our back ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

import fastdivert as fd
from fastdivert import _core
from fastdivert.filter.program import Program
from tests import oracle
from tests.differential.reading import is_excluded, windivert_program


class Arena:
    """A batch, and the same packets as the reference has them."""

    def __init__(self, batch: fd.Batch, packets: list[bytes]) -> None:
        self.batch = batch
        self._contents = packets
        self._addresses = [address.tobytes() for address in batch.addresses]
        is_event = batch.layer > fd.Layer.NETWORK_FORWARD
        self._subjects = oracle.Subjects(
            [None] * len(batch) if is_event else packets, self._addresses
        )
        self._is_packet = np.array(
            [is_event or bool(headers) for headers in batch.parse(())["headers"]]
        )

    def compare(self, filters: Iterable[str], tally: Counter[str]) -> None:
        """Every packet of the batch with every filter; AssertionError at a disagreement."""
        layer = self.batch.layer
        for text in filters:
            filter_ = fd.compile(text, layer)
            as_read = windivert_program(text, layer)
            if is_excluded(as_read):
                tally["filters excluded"] += 1
                continue
            theirs = self._subjects.evaluate(text)
            ours = evaluated(self.batch, as_read)
            self._check(text, theirs, ours)
            if as_read == filter_.program:
                mask = self.batch.match(filter_)
                assert (mask == ours).all(), text
                tally["filters compared"] += 1
            else:
                tally["filters compared as WinDivert reads them"] += 1
            tally["pairs of a filter and a packet"] += len(theirs)
            tally["pairs that matched"] += int(ours.sum())

    def compare_object(self, program: Program, text: str, tally: Counter[str]) -> None:
        """Every packet with a program and its filter object; AssertionError as above."""
        theirs = self._subjects.evaluate(text)
        ours = evaluated(self.batch, program)
        self._check(text, theirs, ours)
        tally["filter objects compared"] += 1
        tally["pairs of a filter object and a packet"] += len(theirs)

    def _check(self, text: str, theirs: list[bool | None], ours: npt.NDArray[np.bool_]) -> None:
        matched = np.array([verdict is True for verdict in theirs])
        refused = np.array([verdict is None for verdict in theirs])
        if (matched == ours).all() and (refused == ~self._is_packet).all():
            return
        row = int(np.flatnonzero((matched != ours) | (refused == self._is_packet))[0])
        raise AssertionError(
            f"WinDivert says {theirs[row]}, we say {bool(ours[row])}, of\n"
            f"  filter  {text!r} at {self.batch.layer.name}\n"
            f"  packet  {self._contents[row].hex()}\n"
            f"  address {self._addresses[row].hex()}"
        )


def evaluated(batch: fd.Batch, program: Program | bytes) -> npt.NDArray[np.bool_]:
    """What the batch evaluator says, after the interpreter said the same."""
    data = program if isinstance(program, bytes) else program.to_bytes()
    core_program = _core.Program(data)
    by_batch = np.empty(len(batch), np.bool_)
    interpreted = np.empty(len(batch), np.bool_)
    batch._packets.match(core_program, by_batch)
    batch._packets.match(core_program, interpreted, interpreted=True)
    wrong = np.flatnonzero(by_batch != interpreted)
    if len(wrong):
        row = int(wrong[0])
        raise AssertionError(
            f"the batch evaluator says {by_batch[row]}, the interpreter {interpreted[row]}, of\n"
            f"  program {data.hex()}\n"
            f"  packet  {bytes(batch[row]).hex()}, row {row} of {len(batch)}"
        )
    return by_batch
