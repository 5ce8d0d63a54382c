"""Distinct numbers, found a stretch at a time: sorting all of them at once may take seconds."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.context import CELLS_AT_ONCE, Context
from novaql.evaluator.kernels.windows import Ints

Number = TypeVar("Number", bound=np.generic)


def distinct(context: Context, numbers: NDArray[Number]) -> tuple[NDArray[Number], Ints]:
    """The distinct ones in order, and for each number which of them it is. NaN is one."""
    if len(numbers) <= CELLS_AT_ONCE:
        found, which = np.unique(numbers, return_inverse=True)
        return found, which.astype(np.int64)
    starts = range(0, len(numbers), CELLS_AT_ONCE)
    parts: list[NDArray[Any]] = []
    for first in starts:
        context.checkpoint()
        parts.append(np.unique(numbers[first : first + CELLS_AT_ONCE]))
    found = np.unique(np.concatenate(parts))
    which = np.empty(len(numbers), np.int64)
    for first in starts:
        context.checkpoint()
        some = slice(first, first + CELLS_AT_ONCE)
        which[some] = np.searchsorted(found, numbers[some])
    return found, which
