"""Mean and variance of native histograms."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.native.moments import average, standard_deviation, variance
from novaql.model.float_histogram import FloatHistogram
from novaql.model.histogram_notation import parse_histogram
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


def test_known_spreads() -> None:
    texts = [
        "{{schema:8 count:10 sum:10 buckets:[1 2 3 4]}}",
        "{{schema:0 count:10 sum:-112946 n_buckets:[0 0 1 1 1 0 1 1 0 0 3 0 0 0 1 0 0 1]}}",
        "{{schema:-53 count:2 sum:8 custom_values:[2 4 6] buckets:[0 1 1]}}",
        "{{}}",
    ]
    h = columns([parse_histogram(text)[0] for text in texts])

    np.testing.assert_allclose(
        variance(h), [2.3971123370139447e-05, 759352122.1939945, 1.0, np.nan], rtol=1e-9
    )
