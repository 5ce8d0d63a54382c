"""The engine equals the reference evaluator on random data and queries, edges included."""

from __future__ import annotations

import random

from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.generators.random_queries import QueryMaker
from tests.support.generators.random_samples import Fleet, batch_of, random_fleet
from tests.support.reference.trial import FIRST_MS, agree, random_options
from tests.support.reference.values import Series

FLEET = Fleet(instances=3, minutes=20, interval_s=30, on_edges=True)


@given(st.integers(0, 2**32), st.booleans(), st.booleans())
@example(seed=1, instant=True, optimized=True)
def test_engine_equals_reference(seed: int, instant: bool, optimized: bool) -> None:
    rng = random.Random(seed)
    series = random_fleet(rng, FLEET)
    query = QueryMaker(rng, [FIRST_MS // 1000 + 120], modern=True).query()
    options = random_options(rng, instant, most_steps=5)
    data = [Series(labels, samples) for labels, samples in series]
    agree(query, data, batch_of(series), options, optimized=optimized)
