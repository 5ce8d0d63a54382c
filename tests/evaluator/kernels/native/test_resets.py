"""Counter resets between neighbours: each rule by itself, and all against a plain reading."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.native.resets import detect_reset
from novaql.model import float_histogram as plain
from novaql.model.float_histogram import FloatHistogram
from tests.support.histograms.native_histograms import (
    any_histogram,
    columns,
    custom,
    exponential,
    was_reset,
)


@given(
    st.lists(
        st.tuples(any_histogram(), any_histogram())
        | st.tuples(exponential(), exponential()).map(lambda pair: (pair[0], plain.add(*pair)))
        | st.tuples(custom(), custom()).map(lambda pair: (pair[0], plain.add(*pair))),
        min_size=1,
        max_size=6,
    )
)
def test_many_pairs_are_as_one_at_a_time(
    pairs: list[tuple[FloatHistogram, FloatHistogram]],
) -> None:
    got = detect_reset(columns([p[0] for p in pairs]), columns([p[1] for p in pairs]))
    assert got.tolist() == [was_reset(*pair) for pair in pairs]
