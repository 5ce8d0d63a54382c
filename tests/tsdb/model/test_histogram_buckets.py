"""Where buckets lie."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.model.float_histogram import FloatHistogram
from novaql.model.histogram_notation import parse_histogram
from novaql.tsdb.model.histogram_buckets import (
    CLOSED,
    OPEN_LEFT,
    OPEN_RIGHT,
    boundary_rules,
    interleaved,
    ladder,
    upper_bounds,
)
from tests.support.histograms import plain_histograms as plain
from tests.support.histograms.native_histograms import any_histogram, columns


def bound(schema: int, index: int) -> float:
    return float(upper_bounds(np.array([schema]), np.array([index]))[0])


@given(st.integers(-4, 8), st.integers(-300, 300))
def test_bounds_are_powers_of_two_to_the_power_of_a_power_of_two(schema: int, index: int) -> None:
    exponent = index * 2.0**-schema

    expected = 0.0 if exponent < -1100 else math.inf if exponent >= 1024 else 2.0**exponent
    if exponent == 1024:
        expected = float(np.finfo(float).max)
    assert bound(schema, index) == pytest.approx(expected, rel=1e-14)


def test_a_coarser_schema_has_every_second_bound_of_a_finer_one() -> None:
    index = np.arange(-600, 600)
    for schema in range(-4, 8):
        coarse = upper_bounds(np.full(1200, schema), index)
        np.testing.assert_array_equal(coarse, upper_bounds(np.full(1200, schema + 1), 2 * index))


@pytest.mark.parametrize(
    ("schema", "index", "value"),
    [
        (1, -1, 0.7071067811865475),  # Prometheus prints it so; the nearest float is …476
        (2, -1, 0.8408964152537144),
        (8, -255, 0.5013556375251013),
        (8, -2, 0.9945994234836328),
        (0, 1024, 1.7976931348623157e308),
        (0, 1025, math.inf),
        (-4, -68, 0.0),
    ],
)
def test_bounds_as_prometheus_has_them(schema: int, index: int, value: float) -> None:
    assert bound(schema, index) == value


@given(st.lists(any_histogram(), max_size=6))
def test_a_ladder_has_every_populated_bucket_in_order(many: list[FloatHistogram]) -> None:
    rungs = ladder(columns(many))

    for row, one in enumerate(many):
        at = slice(int(rungs.offsets[row]), int(rungs.offsets[row + 1]))
        found = np.stack([rungs.lower[at], rungs.upper[at], rungs.population[at]], axis=1)
        expected = np.array(plain.buckets(one)).reshape(-1, 3)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert (np.diff(rungs.lower[at]) >= 0).all()


def test_which_ends_belong_to_a_bucket() -> None:
    texts = [
        "{{count:9 z_bucket:2 z_bucket_w:0.7 buckets:[1 2] n_buckets:[1 2]}}",
        "{{schema:-53 custom_values:[-5 10] buckets:[1 2 1]}}",
        "{{z_bucket:-1}}",
    ]
    h = columns([parse_histogram(text)[0] for text in texts])

    rungs = ladder(h)
    assert boundary_rules(h, rungs).tolist() == [
        *[OPEN_RIGHT, OPEN_RIGHT, CLOSED, OPEN_LEFT, OPEN_LEFT],
        *[CLOSED, OPEN_LEFT, OPEN_LEFT],
    ]
    assert rungs.lower[:5].tolist() == [-2, -1, -0.7, 0.7, 1]
    whole = ladder(h, whole=True)
    assert whole.lower[:5].tolist() == [-2, -1, -0.7, 0.5, 1]
    assert (whole.population[-1], boundary_rules(h, whole)[-1]) == (-1, CLOSED)


def test_rows_of_several_parts() -> None:
    offsets, (first, second) = interleaved([np.array([1, 0, 2]), np.array([2, 1, 0])])

    assert offsets.tolist() == [0, 3, 4, 6]
    assert (first.tolist(), second.tolist()) == ([0, 4, 5], [1, 2, 3])
