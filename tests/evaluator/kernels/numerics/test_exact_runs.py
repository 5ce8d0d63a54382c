"""Sums over runs of rows that are cut in several pieces, against `math.fsum`."""

from __future__ import annotations

import math

import numpy as np
import pytest

from novaql.evaluator.kernels.numerics.error_free import Floats, Ints, square
from novaql.evaluator.kernels.numerics.exact_runs import AT_ONCE, sums_of_runs
from novaql.evaluator.kernels.numerics.exact_sums import UNCARRIED

STEPS = 7
ROWS = 3 * AT_ONCE // STEPS + 5

LAYOUTS = {
    "one run": np.zeros(1, np.int64),
    "runs longer than a piece": np.array([0, 3, AT_ONCE // STEPS + 40]),
    "a run that needs carries": np.array([0, 2 * UNCARRIED + 9, ROWS - 1]),
    "runs of one row": np.arange(ROWS),
    "short runs": np.arange(0, ROWS, 3),
    "runs of all lengths": np.cumsum(np.arange(110)),
}


def values_of(kind: str, rng: np.random.Generator) -> Floats:
    found = rng.normal(size=(ROWS, STEPS))
    match kind:
        case "integers":
            found = np.round(found * 1000)
        case "cancelling":
            found[1::2] = -found[: ROWS - 1 : 2] * (1 + 2.0**-50)
        case "one size for each run":
            found *= 10.0 ** (np.arange(ROWS) % 3 * 60)[:, None]
        case "all sizes":
            found *= 10.0 ** rng.uniform(-200, 200, found.shape)
    return found


def slow(rows: Floats, starts: Ints) -> Floats:
    runs = np.split(rows, starts[1:])
    return np.array([[math.fsum(run[:, step]) for step in range(STEPS)] for run in runs])


@pytest.mark.parametrize(
    "kind", ["normal", "integers", "cancelling", "one size for each run", "all sizes"]
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sums_of_runs_are_correctly_rounded(layout: str, kind: str) -> None:
    rows, starts = values_of(kind, np.random.default_rng(11)), LAYOUTS[layout]

    (found,) = sums_of_runs(rows, starts)

    np.testing.assert_array_equal(found.rounded(1)[0], slow(rows, starts))


def test_squares_are_summed_in_two_halves() -> None:
    rows, starts = values_of("normal", np.random.default_rng(12)), LAYOUTS["short runs"]

    upper, lower = sums_of_runs(
        rows, starts, square, lambda sizes: (sizes * sizes * 1.001, sizes * sizes)
    )

    products, lost = square(rows)
    np.testing.assert_array_equal(upper.rounded(1)[0], slow(products, starts))
    np.testing.assert_array_equal(lower.rounded(1)[0], slow(lost, starts))


def test_special_values_reach_only_their_own_cells() -> None:
    rows, starts = values_of("normal", np.random.default_rng(13)), LAYOUTS["short runs"]
    rows[4, 0], rows[5, 1], rows[7, 2] = np.inf, np.nan, 1e305
    rows[9, 3], rows[10, 3] = np.inf, -np.inf

    (found,) = sums_of_runs(rows, starts)

    expected = slow(np.where(np.isfinite(rows), rows, 0.0), starts)
    expected[1, 0], expected[1, 1], expected[3, 3] = np.inf, np.nan, np.nan
    np.testing.assert_array_equal(found.rounded(1)[0], expected)
