"""Sums, differences, multiples and equality of histograms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.evaluator.kernels.native.arithmetic import (
    Combined,
    add,
    choose,
    divide,
    scale,
    subtract,
    zero_like,
)
from novaql.model import float_histogram as plain
from novaql.model.float_histogram import FloatHistogram, ResetHint
from novaql.tsdb.model.histograms import Histograms, equal_histograms
from tests.support.histograms.native_histograms import any_histogram, columns, singles

Pairs = list[tuple[FloatHistogram, FloatHistogram]]
PAIRS = st.lists(st.tuples(any_histogram(), any_histogram()), min_size=1, max_size=6)


def subtract_as_sum(a: Histograms, b: Histograms) -> Combined:
    return subtract(a, b, gauge=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "single"), [(add, plain.add), (subtract_as_sum, plain.subtract)]
)
@given(pairs=PAIRS)
def test_pairs_are_combined_as_one_at_a_time(
    kernel: Callable[[Histograms, Histograms], Combined],
    single: Callable[[FloatHistogram, FloatHistogram], FloatHistogram],
    pairs: Pairs,
) -> None:
    got = kernel(columns([p[0] for p in pairs]), columns([p[1] for p in pairs]))
    for row, (one, other) in enumerate(pairs):
        result = singles(got.histograms)[row]
        assert got.compatible[row] == (one.custom == other.custom)
        if not got.compatible[row]:
            assert result == one.compacted()
            assert not got.conflicting_resets[row]
            continue
        assert result == single(one, other).compacted()
        assert got.bounds_differed[row] == (one.custom_values != other.custom_values)
        hints = {one.hint, other.hint}
        assert got.conflicting_resets[row] == (hints == {ResetHint.RESET, ResetHint.NOT_RESET})


@given(st.lists(any_histogram(), min_size=1, max_size=6), st.sampled_from([0.5, 3.0, -2.0, 0.0]))
def test_multiples(h: list[FloatHistogram], factor: float) -> None:
    expected = [one.scaled(factor).compacted() for one in h]
    if factor < 0:
        expected = [replace(one, hint=ResetHint.GAUGE) for one in expected]
    assert singles(scale(columns(h), factor)) == expected


@given(st.lists(any_histogram(), min_size=1, max_size=6), st.sampled_from([0.5, 4.0, -2.0]))
def test_division_by_a_power_of_two_is_multiplication(
    h: list[FloatHistogram], divisor: float
) -> None:
    assert singles(divide(columns(h), divisor)) == singles(scale(columns(h), 1 / divisor))


@pytest.mark.slow
@given(PAIRS)
def test_equality_ignores_hints_only(pairs: Pairs) -> None:
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    unhinted = [
        replace(one, hint=ResetHint.UNKNOWN).compacted()
        == replace(other, hint=ResetHint.UNKNOWN).compacted()
        for one, other in pairs
    ]
    assert equal_histograms(columns(a), columns(b)).tolist() == unhinted
    assert equal_histograms(
        columns(a), columns([replace(one, hint=ResetHint.RESET) for one in a])
    ).all()


@given(st.lists(any_histogram(), min_size=1, max_size=6))
def test_zero_is_neutral_but_for_the_hint(h: list[FloatHistogram]) -> None:
    a = columns(h)
    assert equal_histograms(add(a, zero_like(a)).histograms, a).all()


@given(PAIRS, st.data())
def test_rows_are_chosen_by_a_mask(pairs: Pairs, data: st.DataObject) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    got = choose(np.array(mask), columns([p[0] for p in pairs]), columns([p[1] for p in pairs]))
    expected = [
        (one if left else other).compacted() for (one, other), left in zip(pairs, mask, strict=True)
    ]
    assert singles(got) == expected
