# SPDX-License-Identifier: MIT
"""Compile and format against the reference on generated filters.

FASTDIVERT_FILTER_PAIRS sets how many (10,000 unless told otherwise), and
FASTDIVERT_SEED where to start.
"""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdivert.enums import Layer
from tests.oracle.comparison import Verdict, compare
from tests.oracle.generator import mutate, random_filter
from tests.oracle.strategies import broken_filters, filters, layers

PAIRS = int(os.environ.get("FASTDIVERT_FILTER_PAIRS", "10000"))
SEED = int(os.environ.get("FASTDIVERT_SEED", "1"))
PORTIONS = 8


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_generated_filters_agree(portion: int) -> None:
    rng = Random(f"{SEED}.{portion}")
    verdicts: Counter[Verdict] = Counter()
    for number in range(PAIRS // PORTIONS):
        layer = rng.choice((Layer.NETWORK, Layer.NETWORK, *Layer))
        text = random_filter(rng, layer)
        if number % 2:
            text = mutate(rng, text)
        verdicts[compare(text, layer)] += 1
    # A generator that produces only one kind of filter tests little.
    assert verdicts[Verdict.SAME_TEXT] > 0.3 * verdicts.total()
    assert verdicts[Verdict.SAME_ERROR] > 0.2 * verdicts.total()


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_generated_filters_are_good(portion: int) -> None:
    rng = Random(f"good {SEED}.{portion}")
    for _ in range(PAIRS // PORTIONS // 20):
        layer = rng.choice(tuple(Layer))
        text = random_filter(rng, layer)
        assert compare(text, layer) not in (Verdict.SAME_ERROR, Verdict.CRASH), text


@given(layers.flatmap(lambda layer: st.tuples(filters(layer), st.just(layer))))
def test_filters_agree(case: tuple[str, Layer]) -> None:
    compare(*case)


@given(layers.flatmap(lambda layer: st.tuples(broken_filters(layer), st.just(layer))))
def test_broken_filters_agree(case: tuple[str, Layer]) -> None:
    compare(*case)


@given(st.text(alphabet="()[]!?:=<>&|-. tcpudb019xf@_\n", max_size=30), layers)
def test_noise_agrees(text: str, layer: Layer) -> None:
    compare(text, layer)
