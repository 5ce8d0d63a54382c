"""Arrays that compiled code does not count: the same numbers, and the same references after it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pytest

numba: Any = pytest.importorskip(
    "numba", reason="compiled code needs numba: pip install 'novaql[fast]'"
)

from novaql.tsdb.runtime.numba_intrinsics import (  # noqa: E402 - it needs numba
    borrowed,
    keep_alive,
    pointer,
)

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    made: F = numba.njit(function)
    return made


@compiled
def double_by_slices(array: Any) -> None:
    array = borrowed(array)
    for n in range(len(array)):
        one = array[n : n + 1]
        one[0] *= 2


@compiled
def sum_of_own(count: int) -> float:
    owned = np.arange(count).astype(np.float64)
    seen = borrowed(owned)
    total = 0.0
    for n in range(count):
        other = np.full(count, 7.0)  # would lie where `owned` was, if that were gone
        total += seen[n : n + 1][0] + other[0] - 7.0
    keep_alive(owned)
    return total


@compiled
def reversed_by_pointers(array: Any, begin: int) -> Any:
    out = np.empty(len(array) - begin, array.dtype)
    source, target = pointer(array, begin), pointer(out, 0)
    for n in range(len(out)):
        target[len(out) - 1 - n] = source[n]
    return out


def test_views_write_to_the_array_and_leave_its_references_alone() -> None:
    array = np.arange(1000.0)
    before = sys.getrefcount(array)
    for _ in range(100):
        double_by_slices(array)
    assert sys.getrefcount(array) == before
    assert np.array_equal(array, np.arange(1000.0) * 2.0**100)


@compiled
def given_back(array: Any) -> Any:
    return array


@compiled
def given_back_uncounted(array: Any) -> Any:
    return borrowed(array)


def test_nobody_knows_whose_it_is() -> None:
    array = np.arange(1000.0)
    assert given_back(array) is array
    stranger = given_back_uncounted(array)
    assert stranger is not array
    assert stranger.base is None
    assert stranger.ctypes.data == array.ctypes.data


@pytest.mark.slow
def test_what_is_kept_alive_is_not_used_for_anything_else() -> None:
    assert sum_of_own(1000) == 499_500.0


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.uint64, np.float64])
def test_pointers_are_to_elements(dtype: type[np.generic]) -> None:
    array = np.arange(100).astype(dtype)
    found = reversed_by_pointers(array, 10)
    assert found.dtype == dtype
    assert np.array_equal(found, array[:9:-1])
