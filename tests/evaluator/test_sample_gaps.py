"""Automatic windows: the median over series of the median gap, as plain Python finds it."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

import hypothesis.strategies as st
import pytest
from hypothesis import given

from novaql import tsdb
from novaql.evaluator.context import Context
from novaql.evaluator.sample_gaps import median_gap_ms
from novaql.options import QueryOptions
from novaql.planner.logical import Select
from novaql.tsdb.model.matchers import Matcher, MatchOp
from tests.support.generators.random_samples import batch_of

SELECT = Select((Matcher("__name__", MatchOp.EQUAL, "m"),))
regular = st.builds(
    lambda start, gap, count, left_out: [
        start + gap * k for k in range(count) if k not in left_out
    ],
    st.integers(0, 500), st.sampled_from([10, 15, 60]), st.integers(0, 30),
    st.sets(st.integers(0, 29), max_size=12),
)  # fmt: skip
irregular = st.lists(st.integers(0, 900), unique=True, max_size=30).map(sorted)
series = st.lists(regular | irregular, min_size=1, max_size=6)


def by_hand(times: list[list[int]], start_ms: int, end_ms: int) -> int | None:
    inside = [[t for t in one if start_ms <= t <= end_ms] for one in times]
    medians = [median(b - a for a, b in pairwise(one)) for one in inside if len(one) > 1]
    return int(median(medians)) if medians else None


@pytest.mark.parametrize("shared", [False, True])
@given(times=series, bounds=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900))))
def test_the_gap_is_the_median_of_medians(
    shared: bool, times: list[list[int]], bounds: list[tuple[int, int]]
) -> None:
    """shared: all series have the times of the first. Later ranges find what earlier ones noted."""
    times = [times[0]] * len(times) if shared else times
    labelled = [
        ({"__name__": "m", "n": str(n)}, [(t, 1.0) for t in one]) for n, one in enumerate(times)
    ]
    with tsdb.memory() as database:
        database.append(batch_of([one for one in labelled if one[1]]))
        for start_ms, end_ms in [(0, 900), *bounds, (0, 900)]:
            context = Context(database, QueryOptions(0, 0))

            found = median_gap_ms(context, SELECT, start_ms, end_ms)

            assert found == by_hand(times, start_ms, end_ms)
