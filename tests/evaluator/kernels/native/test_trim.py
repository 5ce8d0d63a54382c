"""Trimmed histograms against loops over single ones."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.native.quantile import histogram_fraction
from novaql.evaluator.kernels.native.trim import trim_above, trim_below
from novaql.model.float_histogram import FloatHistogram, populations
from tests.support.histograms import plain_histograms as plain
from tests.support.histograms.native_histograms import any_histogram, columns, exponential, singles

CUTS = st.floats(-20, 20) | st.sampled_from([0.0, 0.5, 1.0, -1.0, 2.0, 5.0, math.inf, -math.inf])


def assert_same(found: FloatHistogram, expected: FloatHistogram) -> None:
    for one in (found, expected):
        assert (one.schema, one.zero_threshold) == (found.schema, found.zero_threshold)
        assert (one.custom_values, one.hint) == (found.custom_values, found.hint)
    numbers = [
        [one.count, one.sum, one.zero_count]
        + [populations(one.positive).get(i, 0.0) for i in range(-60, 60)]
        + [populations(one.negative).get(i, 0.0) for i in range(-60, 60)]
        for one in (found, expected)
    ]
    np.testing.assert_allclose(numbers[0], numbers[1], rtol=1e-9, atol=1e-9)


@given(st.lists(st.tuples(any_histogram(), CUTS), max_size=6), st.booleans())
def test_trimming_equals_a_walk_through_the_buckets(
    asked: list[tuple[FloatHistogram, float]], below: bool
) -> None:
    h, cut = columns([one for one, _ in asked]), np.array([at for _, at in asked])
    found = trim_above(h, cut) if below else trim_below(h, cut)

    for (one, at), left in zip(asked, singles(found), strict=True):
        assert_same(left, plain.trimmed(one, at, below=below))


@given(exponential(), CUTS)
def test_what_remains_is_the_fraction_of_the_whole(one: FloatHistogram, cut: float) -> None:
    h = columns([one])

    share = histogram_fraction(h, -math.inf, cut).values * one.count
    np.testing.assert_allclose(trim_above(h, cut).count, np.nan_to_num(share), atol=1e-9)
    share = histogram_fraction(h, cut, math.inf).values * one.count
    np.testing.assert_allclose(trim_below(h, cut).count, np.nan_to_num(share), atol=1e-9)
