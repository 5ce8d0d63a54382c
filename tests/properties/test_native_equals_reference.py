"""The engine equals the reference evaluator on native histograms, and says the same about them."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.generators.random_histograms import batch_of_any, random_histograms
from tests.support.generators.random_native_queries import NativeQueryMaker
from tests.support.generators.random_samples import Fleet, random_fleet
from tests.support.reference.trial import FIRST_MS, agree, random_options
from tests.support.reference.values import Series

pytestmark = pytest.mark.slow

FLEET = Fleet(instances=2, minutes=15, interval_s=30, on_edges=True)
PLACE = re.compile(r" \(\d+:\d+\)$")
SAID = re.compile(r"histogram(?!_quantile needed)|custom buckets|counter: ")
"""What the reference says something about; the rest of the notes is left to other tests."""
FOUND_ON_THE_FLY = re.compile(r"histogram_(count|sum|avg)")
"""Where only counts and sums are read, resets are found while reading, and may be in conflict."""


@given(st.integers(0, 2**32), st.booleans(), st.booleans())
@example(seed=1, instant=True, optimized=True)
@example(seed=145683, instant=False, optimized=False)  # other bounds, then other schemas
@example(seed=118, instant=False, optimized=False)  # bottomk(0, …) ignores no histogram
def test_engine_equals_reference(seed: int, instant: bool, optimized: bool) -> None:
    rng = random.Random(seed)
    floats = random_fleet(rng, FLEET)
    native = random_histograms(rng, FLEET.instances, FLEET.minutes, FLEET.interval_s)
    series = [*((labels, samples) for labels, samples in floats), *native]
    query = NativeQueryMaker(rng, [FIRST_MS // 1000 + 120], modern=True).query()
    options = random_options(rng, instant, most_steps=4)
    data = [Series(labels, samples) for labels, samples in series]
    agreed = agree(query, data, batch_of_any(series), options, optimized=optimized)
    if agreed is None or agreed.noted.unsure:
        return
    some = SAID
    if FOUND_ON_THE_FLY.search(query):
        some = re.compile(rf"^(?!.*conflicting).*({SAID.pattern})")
    wanted = {text for text in agreed.noted.texts if some.search(text)}
    heard = {text for text in (PLACE.sub("", said) for said in agreed.said) if some.search(text)}
    assert heard == wanted, f"{query}\nwith {options}: {sorted(heard)}, expected {sorted(wanted)}"
