"""Random native histograms."""

from __future__ import annotations

from hypothesis import strategies as st

from novaql.model.float_histogram import CUSTOM_SCHEMA, FloatHistogram, ResetHint, Span

_COUNTS = st.lists(st.integers(0, 9).map(float), max_size=6).map(tuple)


def _spans(first: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[Span, ...]]:
    return st.builds(Span, first, _COUNTS).map(lambda span: (span,))


def float_histograms() -> st.SearchStrategy[FloatHistogram]:
    """Exponential and custom ones; counts need not fit the buckets."""
    exponential = st.builds(
        FloatHistogram,
        schema=st.integers(-4, 8),
        count=st.floats(0, 1e6),
        sum=st.floats(allow_nan=False),
        zero_count=st.integers(0, 9).map(float),
        zero_threshold=st.sampled_from([0.0, 0.001, 0.5]),
        positive=_spans(st.integers(-9, 9)),
        negative=_spans(st.integers(-9, 9)),
        hint=st.sampled_from(ResetHint),
    )
    custom = st.builds(
        FloatHistogram,
        schema=st.just(CUSTOM_SCHEMA),
        count=st.floats(0, 1e6),
        sum=st.floats(allow_nan=False),
        positive=_spans(st.just(0)),
        custom_values=st.sampled_from([(1.0, 2.0, 4.0, 8.0, 16.0), (0.5, 1.0, 2.0, 3.0, 5.0)]),
    )
    return exponential | custom
