"""Families of functions at their edges: the engine equals the reference evaluator."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.tsdb.runtime.compiled import Mode
from tests.support.generators.odd_families import (
    ROLLUPS,
    WITH_PARAMETERS,
    odd_query,
    odd_series,
    rollup_query,
)
from tests.support.generators.random_samples import batch_of
from tests.support.reference.trial import FIRST_MS, agree, random_options
from tests.support.reference.values import Series

MINUTES = 24
AT_S = FIRST_MS // 1000 + 120


@given(st.integers(0, 2**32), st.booleans(), st.booleans(), st.sampled_from(Mode))
@example(seed=12550107, instant=False, optimized=False, mode=Mode.OFF)  # windows behind all samples
def test_families_equal_reference(seed: int, instant: bool, optimized: bool, mode: Mode) -> None:
    rng = random.Random(seed)
    check(rng, odd_query(rng, AT_S), instant, mode, optimized=optimized)


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.ON])
@pytest.mark.parametrize("function", [*ROLLUPS, *WITH_PARAMETERS])
@given(seed=st.integers(0, 2**32))
def test_functions_of_ranges_equal_reference(seed: int, function: str, mode: Mode) -> None:
    rng = random.Random(seed)
    check(rng, rollup_query(rng, AT_S, function), instant=False, mode=mode)


def check(
    rng: random.Random, query: str, instant: bool, mode: Mode, *, optimized: bool = True
) -> None:
    series = odd_series(rng, FIRST_MS - 5 * 60_000, MINUTES)
    options = random_options(rng, instant, most_steps=5)
    data = [Series(labels, samples) for labels, samples in series]
    with KERNELS.forced(mode):
        agree(query, data, batch_of(series), options, optimized=optimized)
