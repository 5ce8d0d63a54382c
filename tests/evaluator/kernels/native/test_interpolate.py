"""Values between two samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.native.interpolate import between
from novaql.model import float_histogram as plain
from novaql.model.float_histogram import FloatHistogram
from tests.support.histograms.native_histograms import any_histogram, columns, singles, was_reset

pytestmark = pytest.mark.slow


@given(
    st.lists(
        st.tuples(any_histogram(), any_histogram(), st.sampled_from([0.0, 0.25, 0.5, 1.0])),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_between_is_as_one_at_a_time(
    cases: list[tuple[FloatHistogram, FloatHistogram, float]], counter: bool
) -> None:
    a, b = columns([c[0] for c in cases]), columns([c[1] for c in cases])
    got = between(a, b, np.array([c[2] for c in cases]), counter=counter)
    for row, (one, other, share) in enumerate(cases):
        expected = {0.0: one, 1.0: other}.get(share)
        assert got.compatible[row] == (expected is not None or one.custom == other.custom)
        if not got.compatible[row]:
            continue
        differ = False
        if expected is None and counter and was_reset(one, other):
            expected = other.scaled(share)
        elif expected is None:
            expected = plain.add(plain.subtract(other, one).scaled(share), one)
            differ = one.custom_values != other.custom_values
        assert got.bounds_differed_subtracting[row] == differ
        assert singles(got.histograms)[row] == expected.compacted()
