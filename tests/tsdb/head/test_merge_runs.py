"""Two runs are merged as if their samples were sorted together, in order of arrival."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
from hypothesis import example, given

from novaql.tsdb.head import float_run
from novaql.tsdb.head.float_run import FloatRun, FloatSamples, build_run, joined, merge_runs

Sample = tuple[int, int, int]
samples = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(0, 2)), min_size=1, max_size=60
)


def floating(found: list[Sample], starts: bool) -> FloatSamples:
    columns = np.array(found, np.int64).T
    ids, times, values = (column.copy() for column in columns)
    return FloatSamples(ids, times, values.astype(np.float64), times - 5 if starts else None)


def contents(run: FloatRun) -> tuple[object, ...]:
    flat = run.flat()
    starts = None if flat.starts is None else flat.starts.tolist()
    columns = flat.ids.tolist(), flat.times.tolist(), flat.values.tolist(), starts
    return *columns, run.duplicates, run.conflicts


@given(samples, samples, st.integers(0, 40), st.booleans())
@example([(0, t, 0) for t in range(20)], [(0, t, 1) for t in range(19, 40)], 0, False)
@example([(0, 5, 0)], [(0, t, 1) for t in range(31)], 0, True)
@example([(0, t, 0) for t in range(31)], [(0, 5, 1), (1, 9, 1)], 0, True)
def test_a_merge_equals_a_sort(
    older: list[Sample], newer: list[Sample], later: int, starts: bool
) -> None:
    newer = [(series, time + later, value) for series, time, value in newer]
    one, other = floating(older, starts), floating(newer, starts)
    some, others = build_run(*one), build_run(*other)
    merged, plain = merge_runs(some, others), build_run(*joined([some.flat(), others.flat()]))
    assert contents(merged)[:4] == contents(build_run(*joined([one, other])))[:4]
    assert merged.duplicates == some.duplicates + others.duplicates + plain.duplicates
    assert merged.conflicts == some.conflicts + others.conflicts + plain.conflicts
    assert merged.samples == len(merged.values)


def test_samples_that_are_not_in_order_are_sorted_without_the_others() -> None:
    """As two connections send them: the last scrape of the first run comes after the first one of
    the second."""

    def run(steps: list[int]) -> FloatSamples:
        ids = np.tile(np.arange(50), len(steps))
        times = np.repeat(np.array(steps), 50) * 15_000 + ids // 10
        return FloatSamples(ids, times, times + ids / 7)

    older, newer = run([*range(19), 20]), run([19, *range(21, 40)])
    some, others = build_run(*older), build_run(*newer)
    merged = float_run._merged_between(some, others)
    assert merged is not None
    assert contents(merged) == contents(build_run(*joined([older, newer])))
    assert len(merged.sorted.grid_length) == 5  # series with the same times share them as before
    assert float_run._merged_between(build_run(*run([*range(0, 40, 2)])), others) is None
