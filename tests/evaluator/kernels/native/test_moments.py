"""Mean and variance of native histograms."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.native.moments import average, standard_deviation, variance
from novaql.model.float_histogram import FloatHistogram
from tests.support.histograms import plain_histograms as plain
from tests.support.histograms.native_histograms import any_histogram, columns


@given(st.lists(any_histogram(), max_size=8))
def test_moments_equal_a_loop_over_the_buckets(many: list[FloatHistogram]) -> None:
    h = columns(many)

    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.array([plain.variance(one) for one in many])
        np.testing.assert_allclose(variance(h), expected, rtol=1e-9)
        np.testing.assert_allclose(standard_deviation(h), np.sqrt(expected), rtol=1e-9)
        counts = np.array([one.count for one in many])
        np.testing.assert_array_equal(average(h), np.array([one.sum for one in many]) / counts)
