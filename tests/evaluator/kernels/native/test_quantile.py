"""Quantiles and fractions of native histograms against loops over single ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.native.quantile import histogram_fraction, histogram_quantile
from novaql.model.float_histogram import FloatHistogram
from tests.support.histograms import plain_histograms as plain
from tests.support.histograms.native_histograms import any_histogram, columns

SHARES = st.floats(-0.2, 1.2) | st.sampled_from([0.0, 0.5, 1.0, math.nan])
CUTS = st.floats(-20, 20) | st.sampled_from([0.0, 1.0, -1.0, 2.0, math.inf, -math.inf, math.nan])


@st.composite
def observed(draw: st.DrawFn) -> FloatHistogram:
    """Any histogram, some with observations of NaN, which are in no bucket."""
    one = draw(any_histogram())
    more = draw(st.sampled_from([0.0, 0.0, 1.0, 7.0]))
    strange = more or draw(st.booleans())
    return replace(one, count=one.count + more, sum=math.nan if strange else one.sum)


@given(st.lists(st.tuples(observed(), SHARES), max_size=8))
def test_quantiles_equal_a_search_through_the_buckets(
    asked: list[tuple[FloatHistogram, float]],
) -> None:
    found = histogram_quantile(columns([one for one, _ in asked]), np.array([q for _, q in asked]))

    expected = [plain.quantile(one, q) for one, q in asked]
    np.testing.assert_allclose(found.values, [value for value, _ in expected], rtol=1e-9, atol=1e-9)
    assert found.nan_result.tolist() == [note == "nan" for _, note in expected]
    assert found.skewed.tolist() == [note == "skewed" for _, note in expected]


@pytest.mark.slow
@given(st.lists(st.tuples(observed(), CUTS, CUTS), max_size=8))
def test_fractions_equal_a_walk_through_the_buckets(
    asked: list[tuple[FloatHistogram, float, float]],
) -> None:
    low, high = np.array([a[1] for a in asked]), np.array([a[2] for a in asked])
    found = histogram_fraction(columns([a[0] for a in asked]), low, high)

    expected = [plain.fraction(*a) for a in asked]
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)
    for (one, start, end), excluded in zip(asked, found.nan_excluded.tolist(), strict=True):
        inside = sum(bucket[2] for bucket in plain.buckets(one))
        assert excluded == (start < end and math.isnan(one.sum) and inside < one.count)


@given(any_histogram(), st.floats(0.01, 0.99))
def test_the_fraction_below_a_quantile_is_the_quantile(one: FloatHistogram, q: float) -> None:
    h = columns([one])
    value = float(histogram_quantile(h, q).values[0])

    if one.count == 0 or one.custom:  # custom buckets end at infinity, where nothing is certain
        return
    below = float(histogram_fraction(h, -math.inf, value).values[0])
    at = float(histogram_fraction(h, -math.inf, math.nextafter(value, math.inf)).values[0])
    assert below - 1e-6 <= q <= at + 1e-6


def test_nothing_asked_nothing_found() -> None:
    assert histogram_quantile(columns([]), 0.5).values.shape == (0,)
    assert histogram_fraction(columns([]), 0.0, 1.0).values.shape == (0,)
