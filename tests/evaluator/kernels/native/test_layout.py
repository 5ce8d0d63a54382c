"""Histograms brought to one layout: held against the same done with one pair at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.native.layout import (
    coarsened,
    compatible,
    reconcile,
    widened,
)
from novaql.model.float_histogram import FloatHistogram, Span
from novaql.model.float_histogram import widened as widened_single
from novaql.tsdb.model.histogram_buckets import upper_bounds
from tests.support.histograms.native_histograms import any_histogram, columns, exponential, singles


def test_bounds_are_powers_of_two_and_their_roots() -> None:
    schema = np.array([0, 0, 0, 1, 2, -2, 8, -4], np.int8)
    index = np.array([0, 1, -1, 1, -1, 1, 256, -1], np.int32)
    expected = [1.0, 2.0, 0.5, 2**0.5, 2**-0.25, 16.0, 2.0, 2.0**-16]
    np.testing.assert_allclose(upper_bounds(schema, index), expected, rtol=1e-15)


def test_bounds_end_with_the_largest_float_and_infinity() -> None:
    bounds = upper_bounds(np.zeros(3, np.int8), np.array([1023, 1024, 1025], np.int32))
    assert bounds.tolist() == [2.0**1023, np.finfo(np.float64).max, np.inf]


@given(st.lists(exponential(), min_size=1, max_size=6), st.integers(-3, 1))
def test_coarser_buckets_hold_what_the_finer_ones_held(
    h: list[FloatHistogram], schema: int
) -> None:
    expected = [one.coarsened(min(schema, one.schema)).compacted() for one in h]
    assert singles(coarsened(columns(h), np.full(len(h), schema))) == expected


@given(st.lists(exponential(), min_size=1, max_size=6), st.floats(0, 5))
def test_wider_zero_bucket_takes_whole_buckets(h: list[FloatHistogram], threshold: float) -> None:
    expected = [widened_single(one, threshold).compacted() for one in h]
    assert singles(widened(columns(h), np.full(len(h), threshold))) == expected


@given(st.lists(st.tuples(any_histogram(), any_histogram()), min_size=1, max_size=6))
def test_a_pair_gets_one_layout_and_loses_nobody(
    pairs: list[tuple[FloatHistogram, FloatHistogram]],
) -> None:
    a, b = columns([p[0] for p in pairs]), columns([p[1] for p in pairs])
    alike = compatible(a, b)
    left, right, differed = reconcile(a, b)
    rows = zip(pairs, singles(left), singles(right), alike, differed, strict=True)
    for (one, other), new_one, new_other, same, reconciled in rows:
        assert same == (one.custom == other.custom)
        if not same:
            assert (new_one, new_other) == (one.compacted(), other.compacted())
            continue
        assert reconciled == (one.custom_values != other.custom_values)
        assert new_one.schema == new_other.schema
        assert new_one.zero_threshold == new_other.zero_threshold
        assert new_one.custom_values == new_other.custom_values
        assert _observations(new_one) == _observations(one)
        assert _observations(new_other) == _observations(other)


def _observations(one: FloatHistogram) -> float:
    return one.zero_count + sum(sum(s.counts) for s in (*one.positive, *one.negative))


def test_zero_buckets_grow_until_neither_cuts_a_bucket() -> None:
    # 0.3 lies inside (0.25, 0.5] of the left one; (0.35…, 0.5] of the right is then inside, too.
    a = FloatHistogram(schema=0, positive=(Span(-1, (2.0,)),))
    b = FloatHistogram(
        schema=1, zero_threshold=0.3, zero_count=1.0, negative=(Span(-2, (1.0, 3.0)),)
    )
    left, right, _ = reconcile(columns([a]), columns([b]))
    assert left.zero_threshold.tolist() == right.zero_threshold.tolist() == [0.5]
    assert (left.zero_count.tolist(), right.zero_count.tolist()) == ([2.0], [2.0])
    assert right.negative.population.tolist() == [3.0]
