"""Distinct numbers, found in chunks: sorting all numbers at once may take seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.context import CELLS_AT_ONCE, Context
from novaql.evaluator.kernels.windows import Floats, Ints

Number = TypeVar("Number", bound=np.generic)


def distinct(context: Context, numbers: NDArray[Number]) -> tuple[NDArray[Number], Ints]:
    """Return the distinct numbers in order, and the index of each number among them. NaN is one
    number."""
    if numbers.dtype == np.int64 and len(numbers):
        least = numbers.min()
        width = int(numbers.max()) - int(least) + 1
        if width <= len(numbers):
            return _by_table(context, numbers, least, width)
    which = np.empty(len(numbers), np.int64)
    parts: list[tuple[slice, NDArray[Any]]] = []
    for some in _stretches(context, len(numbers)):
        part, which[some] = np.unique(numbers[some], return_inverse=True)
        parts.append((some, part))
    if len(parts) == 1:
        return parts[0][1], which
    whole = np.unique(np.concatenate([numbers[:0], *(part for _, part in parts)]))
    for some, part in parts:
        which[some] = np.searchsorted(whole, part)[which[some]]
    return whole, which


def distinct_bits(context: Context, values: Floats) -> tuple[Floats, Ints]:
    """Return the values of distinct bits, and the index of each value among them: 0 and -0 are
    two."""
    bits = values.view(np.int64)
    if len(values) and float(values.max()) - float(values.min()) < len(values):
        with np.errstate(invalid="ignore"):  # beyond 64 bits
            whole = values.astype(np.int64)
        if np.array_equal(whole.astype(np.float64).view(np.int64), bits):  # no sorting is needed
            numbers, which = distinct(context, whole)
            return numbers.astype(np.float64), which
    numbers, which = distinct(context, bits)
    return numbers.view(np.float64), which


def _by_table(
    context: Context, numbers: NDArray[Any], least: Any, width: int
) -> tuple[NDArray[Any], Ints]:
    """The same for integers in a range of `width` numbers, by a table of them."""
    occurs = np.zeros(width, np.bool_)
    for some in _stretches(context, len(numbers)):
        occurs[numbers[some] - least] = True
    place = np.cumsum(occurs) - 1
    which = np.empty(len(numbers), np.int64)
    for some in _stretches(context, len(numbers)):
        which[some] = place[numbers[some] - least]
    return occurs.nonzero()[0] + least, which


def _stretches(context: Context, count: int) -> Iterator[slice]:
    for first in range(0, count, CELLS_AT_ONCE):
        context.checkpoint()
        yield slice(first, first + CELLS_AT_ONCE)
