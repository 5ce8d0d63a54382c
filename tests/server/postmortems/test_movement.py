"""Whether a series moved at the start."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.server.postmortems.movement import movement, size

values = st.floats(-1e9, 1e9) | st.just(math.nan)


@pytest.mark.parametrize(
    ("before", "after", "direction", "extreme"),
    [
        ([1, 1, 1], [1, 9, 2], "rose", 9),
        ([5, 6, 5], [5, 0, 4], "fell", 0),
        ([1, 2, 1], [2, 2.4, 1], "unchanged", 2.4),
        ([10, 10], [10.9, 10], "unchanged", 10.9),
        ([10, 10], [11.1, 10], "rose", 11.1),
        ([0, 0], [0, 0], "unchanged", 0),
        ([], [3, -4], "appeared", -4),
        ([3], [], "disappeared", None),
        ([], [], "unchanged", None),
        ([1, math.nan], [math.inf, 1], "unchanged", 1),
    ],
)
def test_directions(
    before: list[float], after: list[float], direction: str, extreme: float | None
) -> None:
    times = [*range(-len(before), 0), *range(len(after))]
    found = movement({}, times, [*before, *after], 0)
    assert (found.direction, found.extreme) == (direction, extreme)


@given(st.lists(values, max_size=8), st.integers(0, 8))
def test_it_is_a_function_of_finite_values(some: list[float], start: int) -> None:
    times = list(range(len(some)))
    finite = [(t, v) for t, v in zip(times, some, strict=True) if math.isfinite(v)]
    found = movement({}, times, some, start)
    assert found == movement({}, [t for t, _ in finite], [v for _, v in finite], start)
    assert (size(found) == 0) >= (found.direction == "unchanged")
    assert not math.isnan(size(found))


@given(st.floats(-1e9, 1e9), st.integers(1, 5), st.integers(1, 5))
def test_a_constant_never_moves(value: float, before: int, after: int) -> None:
    times = range(-before, after)
    found = movement({}, list(times), [value] * len(times), 0)
    assert found.direction == "unchanged"
    assert found.before == found.after == value
