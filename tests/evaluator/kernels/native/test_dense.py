"""Histograms of one layout: matrices and sparse buckets have the same results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.native import rate, resets, sums
from novaql.evaluator.kernels.native.dense import dense_sides
from novaql.evaluator.kernels.native.folds import Fold, exactly, in_order
from novaql.model.float_histogram import FloatHistogram, ResetHint, spans_of
from novaql.tsdb.runtime.compiled import Mode
from tests.support.histograms.native_histograms import columns, singles

_POPULATION = st.sampled_from([1.0, 0.1, -3.0, 1e308, 5e-324, np.inf, -np.inf, np.nan, 2.0**53])
MODES = st.sampled_from([Mode.ON, Mode.OFF])
_BUCKETS = st.dictionaries(st.integers(-2, 2), _POPULATION, min_size=1, max_size=5)


@st.composite
def _runs(draw: st.DrawFn) -> tuple[list[FloatHistogram], list[int], list[int]]:
    """Histograms of one layout, and runs of them: where each begins, and the rows of all."""
    zero = draw(st.sampled_from([0.0, 0.01, 0.4]))
    histograms = [
        FloatHistogram(
            schema=1,
            count=draw(_POPULATION),
            sum=draw(_POPULATION),
            zero_count=draw(_POPULATION),
            zero_threshold=zero,
            positive=spans_of(draw(_BUCKETS)),
            negative=spans_of(draw(st.just({}) | _BUCKETS)),
            hint=draw(st.sampled_from(ResetHint)),
        )
        for _ in range(draw(st.integers(1, 6)))
    ]
    number = st.integers(0, len(histograms) - 1)
    runs = draw(st.lists(st.lists(number, min_size=1, max_size=7), min_size=1, max_size=4))
    starts = [sum(map(len, runs[:k])) for k in range(len(runs))]
    return histograms, starts, [row for run in runs for row in run]


@contextmanager
def as_of_many_layouts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, KERNELS.forced(Mode.OFF):
        patch.setattr(sums, "dense_sides", lambda _: None)
        for module in (resets, rate):
            patch.setattr(module, "has_one_layout", lambda _: False)
        yield


@given(made=_runs(), fold=st.sampled_from([in_order, exactly]), mean=st.booleans(), mode=MODES)
def test_sums_are_those_of_sparse_buckets(
    made: tuple[list[FloatHistogram], list[int], list[int]], *, fold: Fold, mean: bool, mode: Mode
) -> None:
    histograms, first, numbers = made
    h, starts, rows = columns(histograms), np.array(first), np.array(numbers)
    with np.errstate(all="ignore"):
        with KERNELS.forced(mode):
            found = sums.run_sums(h, starts, rows=rows, fold=fold, mean=mean)
        with as_of_many_layouts():
            expected = sums.run_sums(h, starts, rows=rows, fold=fold, mean=mean)
    assert repr(singles(found.histograms)) == repr(singles(expected.histograms))
    assert found.conflicting_resets.tolist() == expected.conflicting_resets.tolist()
    assert not (found.mixed | expected.mixed).any()


@given(
    made=_runs(),
    more=st.lists(st.integers(0, 5), max_size=6),
    counter=st.booleans(),
    mode=MODES,
)
def test_resets_and_differences_are_those_of_sparse_buckets(
    made: tuple[list[FloatHistogram], list[int], list[int]],
    *,
    more: list[int],
    counter: bool,
    mode: Mode,
) -> None:
    """Of neighbours that are often equal, or differ in one number."""
    histograms = [made[0][min(k, len(made[0]) - 1)] for k in (*range(6), *more)]
    h = columns(histograms)
    lo = np.arange(len(h) - 1)
    bounds = np.repeat(lo, 2), np.stack([lo + 2, np.full_like(lo, len(h))], axis=1).reshape(-1)
    with np.errstate(all="ignore"):
        with KERNELS.forced(mode):
            found = rate.differences(h, *bounds, counter=counter)
            reset = resets.resets_before(h)
        with as_of_many_layouts():
            expected = rate.differences(h, *bounds, counter=counter)
            assert reset.tolist() == resets.resets_before(h).tolist()
    assert repr(singles(found.histograms)) == repr(singles(expected.histograms))
    for name in ("first_count", "mixed", "not_counter", "not_gauge"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize(
    "changed",
    [
        lambda one: replace(one, schema=2),
        lambda one: replace(one, zero_threshold=1e-9),
        lambda one: replace(one, positive=spans_of({100: 1.0})),
    ],
    ids=["schema", "zero threshold", "distant bucket"],
)
def test_other_layouts_have_no_matrices(
    changed: Callable[[FloatHistogram], FloatHistogram],
) -> None:
    one = FloatHistogram(schema=1, positive=spans_of({0: 1.0, 1: 2.0}))
    assert dense_sides(columns([one, one])) is not None
    assert dense_sides(columns([one, changed(one)])) is None


def test_a_bucket_inside_the_zero_bucket_has_no_matrix() -> None:
    inside = FloatHistogram(schema=0, zero_threshold=1.0, positive=spans_of({0: 1.0, 1: 2.0}))
    assert dense_sides(columns([inside])) is None
    assert dense_sides(columns([replace(inside, zero_threshold=0.9)])) is not None
