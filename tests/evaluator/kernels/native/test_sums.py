"""Sums and means of runs: held against sums of exact fractions, taken one histogram at a time."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import reduce
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.native.folds import exactly, in_order
from novaql.evaluator.kernels.native.sums import run_sums
from novaql.model import float_histogram as plain
from novaql.model.float_histogram import FloatHistogram, ResetHint, Span
from tests.support.histograms.native_histograms import (
    any_histogram,
    columns,
    custom,
    exponential,
    singles,
)

RUNS = st.lists(
    st.lists(exponential(), min_size=1, max_size=5)
    | st.lists(custom(), min_size=1, max_size=5)
    | st.lists(any_histogram(), min_size=1, max_size=3),
    min_size=1,
    max_size=4,
)


def starts_of(runs: list[list[FloatHistogram]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.cumsum([0] + [len(run) for run in runs[:-1]])


def hint_of(run: list[FloatHistogram]) -> ResetHint:
    return reduce(plain.combined_hint, [one.hint for one in run])


@pytest.mark.slow
@given(RUNS)
def test_sums_are_those_of_one_after_the_other(runs: list[list[FloatHistogram]]) -> None:
    got = run_sums(columns([one for run in runs for one in run]), starts_of(runs))
    for row, run in enumerate(runs):
        kinds = [one.custom for one in run]
        assert got.mixed[row] == (len(set(kinds)) == 2)
        fitting = run[: kinds.index(not kinds[0])] if got.mixed[row] else run
        assert got.bounds_differed[row] == (len({one.custom_values for one in fitting}) > 1)
        if got.mixed[row]:
            assert not got.conflicting_resets[row]
            continue
        hints = {one.hint for one in run}
        assert got.conflicting_resets[row] == ({ResetHint.RESET, ResetHint.NOT_RESET} <= hints)
        expected = replace(reduce(plain.add, run), hint=hint_of(run))
        assert singles(got.histograms)[row] == expected.compacted()


@pytest.mark.slow
@given(RUNS)
def test_means_are_sums_divided_once(runs: list[list[FloatHistogram]]) -> None:
    h, starts = columns([one for run in runs for one in run]), starts_of(runs)
    sums, means = run_sums(h, starts), run_sums(h, starts, mean=True)
    assert (sums.mixed == means.mixed).all()
    pairs = zip(singles(sums.histograms), singles(means.histograms), runs, strict=True)
    for row, (summed, mean, run) in enumerate(pairs):
        if not sums.mixed[row]:
            assert mean.count == summed.count / len(run)
            assert mean.positive == tuple(
                Span(span.start, tuple(c / len(run) for c in span.counts))
                for span in summed.positive
            )


def test_no_runs_have_no_sums() -> None:
    assert len(run_sums(columns([]), np.zeros(0, np.int64)).histograms) == 0


@given(st.lists(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20), min_size=1, max_size=6))
def test_folding_compensates(runs: list[list[float]]) -> None:
    starts = np.cumsum([0] + [len(run) for run in runs[:-1]])
    total, lost = in_order(np.array([v for run in runs for v in run]), starts)
    expected = [float(sum(map(Fraction, run), Fraction())) for run in runs]
    np.testing.assert_allclose(total + lost, expected, rtol=1e-13, atol=1e-20)


@pytest.mark.slow
@given(st.lists(exponential(), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_no_order_of_the_series_changes_a_bit(run: list[FloatHistogram], dice: Random) -> None:
    run = [replace(one, zero_threshold=0.0, sum=one.sum / 3, hint=ResetHint.GAUGE) for one in run]
    other = dice.sample(run, len(run))

    for mean in (False, True):
        first, second = (
            run_sums(columns(rows), np.zeros(1, np.int64), fold=exactly, mean=mean)
            for rows in (run, other)
        )
        assert repr(singles(first.histograms)) == repr(singles(second.histograms))
