"""Growth between exact ends, held against the same worked out window by window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.native.exact_ends import exact_differences
from novaql.evaluator.kernels.native.interpolate import between
from novaql.model import float_histogram as plain
from novaql.model.float_histogram import FloatHistogram, ResetHint
from tests.support.histograms.native_histograms import (
    any_histogram,
    columns,
    custom,
    exponential,
    singles,
    was_reset,
)

pytestmark = pytest.mark.slow

Window = tuple[int, int, float, float]


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[FloatHistogram], list[Window]]:
    rows = draw(
        st.lists(exponential(), min_size=1, max_size=6)
        | st.lists(custom(), min_size=1, max_size=6)
        | st.lists(any_histogram(), min_size=1, max_size=4)
    )
    for i in range(1, len(rows)):
        if rows[i].custom == rows[i - 1].custom and draw(st.booleans()):
            rows[i] = plain.add(rows[i - 1], rows[i])
    windows = []
    for _ in range(draw(st.integers(1, 4))):
        first, last = sorted(draw(st.integers(0, len(rows) - 1)) for _ in range(2))
        left = draw(st.sampled_from([0.0, 0.5])) if last > first else 0.0
        right = draw(st.sampled_from([0.25, 1.0])) if last > 0 and last > first else 1.0
        windows.append((first, last, left, right))
    return rows, windows


def point(rows: list[FloatHistogram], low: int, share: float, counter: bool) -> FloatHistogram:
    a, b = columns([rows[low]]), columns([rows[min(low + 1, len(rows) - 1)]])
    return singles(between(a, b, np.array([share]), counter=counter).histograms)[0]


def grown(rows: list[FloatHistogram], window: Window, counter: bool) -> FloatHistogram | None:
    first, last, left_share, right_share = window
    if len({one.custom for one in rows[first : last + 1]}) > 1:
        return None
    left = point(rows, first, left_share, counter)
    right = rows[last] if right_share == 1 else point(rows, last - 1, right_share, counter)
    total = plain.subtract(right, left)
    begin, earlier = first + 1, left
    if counter and left_share and was_reset(rows[first], rows[first + 1]):
        begin, earlier = first + 2, rows[first + 1]
    if counter and begin <= last:
        for one in [*rows[begin:last], right]:
            if was_reset(earlier, one):
                total = plain.add(total, earlier)
            earlier = one
    return replace(total.compacted(), hint=ResetHint.GAUGE)


@given(cases(), st.booleans())
def test_windows_are_as_one_at_a_time(
    case: tuple[list[FloatHistogram], list[Window]], counter: bool
) -> None:
    rows, windows = case
    got = exact_differences(
        columns(rows),
        np.array([w[0] for w in windows]),
        np.array([w[1] for w in windows]),
        left_share=np.array([w[2] for w in windows]),
        right_share=np.array([w[3] for w in windows]),
        counter=counter,
    )
    for c, window in enumerate(windows):
        expected = grown(rows, window, counter)
        assert got.mixed[c] == (expected is None)
        if expected is not None:
            assert singles(got.histograms)[c] == expected
            gauges = [one.hint == ResetHint.GAUGE for one in rows[window[0] : window[1] + 1]]
            assert got.not_counter[c] == (counter and any(gauges))
