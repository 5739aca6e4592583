# SPDX-License-Identifier: MIT
"""Hypothesis strategies over the filter generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from fastdivert.enums import Layer
from tests.oracle.generator import mutate, random_filter

if TYPE_CHECKING:
    from random import Random

layers = st.sampled_from(Layer)


@st.composite
def filters(draw: st.DrawFn, layer: Layer = Layer.NETWORK, tests_max: int = 12) -> str:
    """Filters that compile."""
    rng: Random = draw(st.randoms(use_true_random=False))
    return random_filter(rng, layer, draw(st.integers(1, tests_max)))


@st.composite
def broken_filters(draw: st.DrawFn, layer: Layer = Layer.NETWORK) -> str:
    """Filters with a few random changes; some still compile."""
    rng: Random = draw(st.randoms(use_true_random=False))
    return mutate(rng, random_filter(rng, layer, draw(st.integers(1, 5))))
