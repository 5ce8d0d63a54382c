"""Counter resets between neighbours: each rule by itself, and all against a plain reading."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.native.resets import detect_reset
from novaql.model import float_histogram as plain
from novaql.model.float_histogram import FloatHistogram, ResetHint, Span
from tests.support.histograms.native_histograms import (
    any_histogram,
    columns,
    custom,
    exponential,
    was_reset,
)

BASE = FloatHistogram(
    schema=1,
    count=10.0,
    zero_count=1.0,
    zero_threshold=0.25,
    positive=(Span(0, (2.0, 3.0)), Span(3, (1.0,))),
    negative=(Span(0, (3.0,)),),
)
CUSTOM = FloatHistogram(
    schema=-53, count=6.0, positive=(Span(0, (1.0, 2.0, 3.0)),), custom_values=(1.0, 2.0)
)


def resets(previous: FloatHistogram, current: FloatHistogram) -> bool:
    return bool(detect_reset(columns([previous]), columns([current]))[0])


@pytest.mark.parametrize(
    ("previous", "current", "expected"),
    [
        (BASE, BASE, False),
        (BASE, replace(BASE, sum=-100.0), False),
        (BASE, replace(BASE, count=9.0), True),
        (BASE, replace(BASE, zero_count=0.5), True),
        (BASE, replace(BASE, positive=(Span(0, (2.0, 2.0)), Span(3, (1.0,)))), True),
        (BASE, replace(BASE, positive=(Span(0, (2.0, 3.0)),)), True),
        (BASE, replace(BASE, negative=()), True),
        (BASE, replace(BASE, positive=(Span(0, (2.0, 3.0, 1.0, 1.0, 1.0)),)), False),
        (BASE, replace(BASE, schema=2), True),
        (BASE, BASE.coarsened(0), False),
        (BASE.coarsened(0), BASE, True),
        (BASE, replace(BASE, zero_threshold=0.2), True),
        (BASE, replace(BASE, zero_threshold=0.3), False),
        (BASE, replace(BASE, zero_threshold=0.8), True),  # cuts a populated bucket
        (BASE, plain.widened(BASE, 0.8), False),
        (BASE, replace(plain.widened(BASE, 0.8), zero_count=5.5), True),
        (CUSTOM, BASE, True),
        (BASE, replace(CUSTOM, count=20.0), True),
        (CUSTOM, CUSTOM, False),
        (CUSTOM, CUSTOM.rebucketed((2.0,)), False),
        (CUSTOM.rebucketed((2.0,)), CUSTOM, False),
        (CUSTOM, replace(CUSTOM, positive=(Span(0, (1.0, 1.0, 4.0)),)), True),
        (CUSTOM, replace(CUSTOM, positive=(Span(0, (3.0, 3.0)),), custom_values=(2.0,)), False),
        (CUSTOM, replace(CUSTOM, positive=(Span(0, (2.0, 4.0)),), custom_values=(2.0,)), True),
    ],
)
def test_what_is_a_reset(previous: FloatHistogram, current: FloatHistogram, expected: bool) -> None:
    assert resets(previous, current) == expected
    assert resets(previous, replace(current, hint=ResetHint.GAUGE)) == expected
    assert resets(replace(previous, hint=ResetHint.RESET), current) == expected
    assert resets(previous, replace(current, hint=ResetHint.RESET))
    assert not resets(previous, replace(current, hint=ResetHint.NOT_RESET))


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
