"""Differences over windows, held against the same worked out window by window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.native.rate import differences
from novaql.model import float_histogram as plain
from novaql.model.float_histogram import FloatHistogram, ResetHint, Span
from novaql.tsdb.model.labels import Bools
from tests.support.histograms.native_histograms import (
    any_histogram,
    columns,
    custom,
    exponential,
    singles,
    was_reset,
)

GAUGE = ResetHint.GAUGE
SERIES = (
    st.lists(exponential(), min_size=2, max_size=6)
    | st.lists(custom(), min_size=2, max_size=6)
    | st.lists(any_histogram(), min_size=2, max_size=4)
)


@st.composite
def windows(draw: st.DrawFn) -> tuple[list[FloatHistogram], list[tuple[int, int]]]:
    """A series, its neighbours often one more than the other, and windows over it."""
    rows = draw(SERIES)
    for i in range(1, len(rows)):
        if rows[i].custom == rows[i - 1].custom and draw(st.booleans()):
            rows[i] = plain.add(rows[i - 1], rows[i])
    ends = st.tuples(st.integers(0, len(rows) - 2), st.integers(2, len(rows)))
    spans = draw(st.lists(ends.map(lambda e: (e[0], max(e[1], e[0] + 2))), min_size=1, max_size=4))
    return rows, spans


def bounds(spans: list[tuple[int, int]]) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], ...]:
    return np.array([s[0] for s in spans]), np.array([s[1] for s in spans])


def grown(rows: list[FloatHistogram], started: list[bool]) -> FloatHistogram | None:
    """Increase of one window; None for a mix."""
    reset = [False] + [
        told or was_reset(before, now)
        for before, now, told in zip(rows, rows[1:], started[1:], strict=False)
    ]
    first, rest = rows[0], rows[1:]
    if reset[1]:
        first = FloatHistogram(schema=rest[0].schema, custom_values=rest[0].custom_values)
    if len({one.custom for one in (first, *rest)}) > 1:
        return None
    total = rest[-1]
    if not total.custom:
        total = total.coarsened(min(one.schema for one in (first, *rest)))
    total = plain.subtract(total, first)
    for i in range(2, len(rows)):
        if reset[i]:
            total = plain.add(total, rows[i - 1])
    return replace(total.compacted(), hint=GAUGE)


@given(windows(), st.data())
def test_counters_grow_as_one_window_at_a_time(
    case: tuple[list[FloatHistogram], list[tuple[int, int]]], data: st.DataObject
) -> None:
    rows, spans = case
    told = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    lo, hi = bounds(spans)
    got = differences(columns(rows), lo, hi, counter=True, started=np.array(told))
    for c, (first, end) in enumerate(spans):
        expected = grown(rows[first:end], told[first:end])
        assert got.mixed[c] == (expected is None)
        assert got.first_count[c] == rows[first].count
        if expected is not None:
            assert singles(got.histograms)[c] == expected
            assert got.not_counter[c] == any(one.hint == GAUGE for one in rows[first:end])
    assert not got.not_gauge.any()


@given(windows())
def test_gauges_differ_by_their_ends(
    case: tuple[list[FloatHistogram], list[tuple[int, int]]],
) -> None:
    rows, spans = case
    got = differences(columns(rows), *bounds(spans), counter=False)
    for c, (first, end) in enumerate(spans):
        one, other = rows[first], rows[end - 1]
        assert got.mixed[c] == (one.custom != other.custom)
        if not got.mixed[c]:
            expected = replace(plain.subtract(other, one).compacted(), hint=GAUGE)
            assert singles(got.histograms)[c] == expected
            assert got.not_gauge[c] == (one.hint != GAUGE or other.hint != GAUGE)
            differ = one.custom_values != other.custom_values
            assert got.bounds_differed_subtracting[c] == differ
    assert not got.not_counter.any()


def counted(*numbers: float) -> list[FloatHistogram]:
    return [FloatHistogram(count=n, sum=n, positive=(Span(1, (n,)),)) for n in numbers]


def window(rows: list[FloatHistogram], from_zero: Bools | None = None) -> FloatHistogram:
    got = differences(
        columns(rows), np.array([0]), np.array([len(rows)]), counter=True, from_zero=from_zero
    )
    assert not got.mixed.any()
    return singles(got.histograms)[0]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [((1, 3, 6), 5), ((1, 3, 2), 4), ((5, 2, 3), 3), ((5, 2, 1, 4), 6), ((4, 1), 1)],
)
def test_increase_over_resets(numbers: tuple[float, ...], expected: float) -> None:
    rows = counted(*numbers)
    assert window(rows).count == expected
    assert window(rows, np.array([True])).count == expected + numbers[0]
