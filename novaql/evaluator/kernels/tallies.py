"""Counts, shares and sums of the samples of a window that compare to a number.

Each takes `Windows`, the number for each window, shaped like lo, and a comparison. NaN compares as
everywhere: it differs from every number, and is neither greater nor less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels.compensated import add_compensated
from novaql.evaluator.kernels.over_time import sum_over_time
from novaql.evaluator.kernels.windows import Bools, Floats, Windows, each_position

Holds = Callable[[Floats, Floats], Bools]
"""(values, number) → where the comparison holds."""


def same(limits: Floats) -> bool:
    """Whether the number is the same for all windows."""
    return bool(limits.size) and bool((limits == limits.flat[0]).all())


def counted(windows: Windows, limits: Floats, holds: Holds) -> tuple[Floats, Bools]:
    """The number of samples for which the comparison holds."""
    if same(limits):
        hits = holds(windows.values, limits[:1])
        before = np.zeros((*hits.shape[:-1], hits.shape[-1] + 1))
        np.cumsum(hits, axis=-1, out=before[..., 1:])
        found = before[..., windows.hi] - before[..., windows.lo]
        return np.broadcast_to(found, windows.shape), windows.counts > 0
    found = np.zeros(windows.shape)
    for index, inside in each_position(windows):
        hit = holds(windows.at(index), limits)
        found += hit if inside is None else hit & inside
    return found, windows.counts > 0


def shared(windows: Windows, limits: Floats, holds: Holds) -> tuple[Floats, Bools]:
    """The share of the samples for which the comparison holds, 0 to 1."""
    found, valid = counted(windows, limits, holds)
    return found / np.maximum(windows.counts, 1), valid


def summed(windows: Windows, limits: Floats, holds: Holds) -> tuple[Floats, Bools]:
    """The sum of the samples for which the comparison holds; 0 if there is none."""
    if same(limits):
        values = windows.values
        return sum_over_time(
            replace(windows, values=np.where(holds(values, limits[:1]), values, 0.0))
        )
    total, lost = np.zeros(windows.shape), np.zeros(windows.shape)
    for index, inside in each_position(windows):
        value = windows.at(index)
        hit = holds(value, limits)
        if inside is not None:
            hit = hit & inside
        total, lost = add_compensated(total, lost, np.where(hit, value, 0.0))
    return total + lost, windows.counts > 0
