"""Calendar parts of many seconds at once, against one second at a time."""

from __future__ import annotations

import numpy as np
import pytest

from novaql.evaluator.kernels.dates import date_part
from novaql.evaluator.kernels.windows import Floats
from tests.support.reference import numbers

DAY = 86_400.0


def of_few_days() -> Floats:
    """Each second of some hours around a leap day, so that days are fewer than values."""
    leap_day = 951_782_400.0  # 2000-02-29
    return leap_day + np.arange(-3 * DAY, 3 * DAY, 977.0)


def of_far_days() -> Floats:
    return np.array([-9.2e18, -DAY * 719_528, -1.0, 0.0, 0.5, 1e9, 4_107_542_400.0, 9.2e18])


@pytest.mark.parametrize("part", numbers.DATE_PARTS)
@pytest.mark.parametrize("seconds", [of_few_days(), of_far_days(), np.zeros(0)])
def test_parts_are_those_of_each_second(part: str, seconds: Floats) -> None:
    expected = [numbers.date_part(part, value) for value in seconds.tolist()]

    np.testing.assert_array_equal(date_part(part, seconds), np.array(expected))


@pytest.mark.parametrize("part", numbers.DATE_PARTS)
def test_what_is_no_date_changes_no_other(part: str) -> None:
    seconds = of_few_days()
    seconds[::7] = [np.nan, np.inf, -np.inf, 1e300][len(part) % 4]

    expected = [numbers.date_part(part, value) for value in seconds.tolist()]

    np.testing.assert_array_equal(date_part(part, seconds), np.array(expected))
