"""Counter resets of native histograms: the compiled kernel and NumPy find the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.native.resets import resets_before
from novaql.model.float_histogram import FloatHistogram, spans_of
from novaql.tsdb.runtime.compiled import Mode
from tests.support.histograms.native_histograms import columns

_BUCKETS = st.dictionaries(st.integers(-3, 3), st.integers(1, 3).map(float), max_size=4)


@st.composite
def _histograms(draw: st.DrawFn) -> FloatHistogram:
    positive, negative = draw(_BUCKETS), draw(_BUCKETS)
    zero = draw(st.sampled_from([0.0, 0.1, 1.0]))
    return FloatHistogram(
        schema=draw(st.sampled_from([0, 0, 0, 1])),
        count=sum(positive.values()) + sum(negative.values()),
        zero_threshold=zero,
        positive=spans_of(positive),
        negative=spans_of(negative),
    )


@given(st.lists(_histograms(), max_size=12))
def test_both_kernels_find_the_same_resets(rows: list[FloatHistogram]) -> None:
    histograms = columns(rows)
    with KERNELS.forced(Mode.ON):
        compiled = resets_before(histograms)
    with KERNELS.forced(Mode.OFF):
        plain = resets_before(histograms)
    assert np.array_equal(compiled, plain)
