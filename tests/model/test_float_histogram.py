"""Adding native histograms: a sum loses nobody, whatever the layouts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.model.float_histogram import (
    CUSTOM_SCHEMA,
    FloatHistogram,
    IncompatibleHistograms,
    ResetHint,
    Span,
    add,
    combined_hint,
    populations,
    subtract,
    upper_bound,
    widened,
)

counts = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=6).map(tuple)


@st.composite
def exponential(draw: st.DrawFn) -> FloatHistogram:
    """Count fits the populations."""
    positive = Span(draw(st.integers(-4, 4)), draw(counts))
    negative = Span(draw(st.integers(-4, 4)), draw(counts))
    zero = float(draw(st.integers(0, 9)))
    return FloatHistogram(
        schema=draw(st.integers(-4, 3)),
        count=sum(positive.counts) + sum(negative.counts) + zero,
        zero_count=zero,
        zero_threshold=draw(st.sampled_from([0.0, 0.1, 0.5, 3.0])),
        positive=(positive,),
        negative=(negative,),
    )


def observed(histogram: FloatHistogram) -> float:
    return histogram.zero_count + sum(
        count
        for spans in (histogram.positive, histogram.negative)
        for count in populations(spans).values()
    )


@given(exponential(), exponential())
def test_a_sum_holds_everybody_and_does_not_depend_on_the_order(
    a: FloatHistogram, b: FloatHistogram
) -> None:
    both = add(a, b)

    assert observed(both) == both.count == a.count + b.count
    assert add(b, a).compacted() == both.compacted()
    assert both.schema == min(a.schema, b.schema)
    assert both.zero_threshold >= max(a.zero_threshold, b.zero_threshold)


@given(exponential())
def test_a_histogram_less_itself_is_empty(a: FloatHistogram) -> None:
    nothing = subtract(a, a).compacted()

    assert (
        nothing.count,
        nothing.zero_count,
        nothing.positive,
        nothing.negative,
    ) == (0.0, 0.0, (), ())


@given(exponential(), st.integers(0, 3))
def test_coarser_buckets_reach_as_far(a: FloatHistogram, steps: int) -> None:
    coarse = a.coarsened(max(a.schema - steps, -4))  # no schema is coarser than -4

    assert observed(coarse) == observed(a)
    # Cumulative counts below a bound that both layouts have are the same.
    for index in range(-4, 4):
        bound = upper_bound(coarse.schema, index)
        assert _below(coarse, bound) == _below(a, bound)


def _below(histogram: FloatHistogram, bound: float) -> float:
    return sum(
        count
        for index, count in populations(histogram.positive).items()
        if upper_bound(histogram.schema, index) <= bound * (1 + 1e-12)
    )


def test_a_wider_zero_bucket_takes_populated_buckets_whole() -> None:
    narrow = FloatHistogram(count=6, zero_count=1, positive=(Span(0, (2.0, 3.0)),))

    wide = widened(narrow, 0.7)  # inside (0.5, 1]

    assert (1.0, 3.0, (Span(1, (3.0,)),)) == (wide.zero_threshold, wide.zero_count, wide.positive)


def test_unequal_custom_bounds_meet_at_the_common_ones() -> None:
    left = FloatHistogram(
        CUSTOM_SCHEMA, 6, positive=(Span(0, (1.0, 2.0, 3.0)),), custom_values=(1.0, 2.0)
    )
    right = FloatHistogram(CUSTOM_SCHEMA, 9, positive=(Span(0, (4.0, 5.0)),), custom_values=(2.0,))

    both = add(left, right)

    assert (both.custom_values, populations(both.positive)) == ((2.0,), {0: 7.0, 1: 8.0})


def test_exponential_and_custom_do_not_add() -> None:
    with pytest.raises(IncompatibleHistograms):
        add(FloatHistogram(), FloatHistogram(CUSTOM_SCHEMA))


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        ("reset", "reset", "reset"),
        ("gauge", "reset", "gauge"),
        ("unknown", "not_reset", "unknown"),
        ("reset", "not_reset", "unknown"),
    ],
)
def test_hints_of_a_sum(left: str, right: str, both: str) -> None:
    assert ResetHint(both) is combined_hint(ResetHint(left), ResetHint(right))
    assert ResetHint(both) is combined_hint(ResetHint(right), ResetHint(left))


def test_index_zero_of_schema_zero_ends_at_one() -> None:
    assert tuple(upper_bound(0, i) for i in (-1, 0, 1)) == (0.5, 1.0, 2.0)
    assert math.isclose(math.sqrt(2), upper_bound(1, 1))
