"""Pearson's coefficient of the pairs of samples in windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from novaql.evaluator.kernels.dispatch import KERNELS, floats, ints
from novaql.evaluator.kernels.windows import Bools, Floats, Windows, gathered

CELLS_A_CALL = 1 << 14
"""Windows between two checks of the timeout by the compiled kernel."""


def correlations(x: Windows, y: Windows, checkpoint: Callable[[], None]) -> tuple[Floats, Bools]:
    """[c] coefficients of windows of pairs: x and y differ in their values only. A window has none
    where a side does not change, or with fewer than two pairs."""
    found, valid = np.zeros(x.shape), np.zeros(x.shape, np.bool_)
    if KERNELS.ready(x.size) is None:
        with np.errstate(all="ignore"):
            for (part, a, _, inside), (_, b, _, _) in zip(gathered(x), gathered(y), strict=True):
                checkpoint()
                found[part], valid[part] = _pearson(a, b, inside)
        return found, valid
    values = floats(x.values, (-1,)), floats(y.values, (-1,))
    for begin in range(0, len(x.lo), CELLS_A_CALL):
        checkpoint()
        part = slice(begin, begin + CELLS_A_CALL)
        bounds = ints(x.lo[part]), ints(x.hi[part])
        KERNELS.call.correlate(*values, *bounds, found[part], valid[part])
    return found, valid


def _pearson(a: Floats, b: Floats, inside: Bools) -> tuple[Floats, Bools]:
    """Columns of pairs → coefficients."""
    count = np.maximum(inside.sum(axis=0), 1)
    a, b = (np.where(inside, side, 0.0) for side in (a, b))
    a, b = (np.where(inside, side - side.sum(axis=0) / count, 0.0) for side in (a, b))
    size = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    found = np.clip((a * b).sum(axis=0) / size, -1.0, 1.0)
    return found, (count >= 2) & (size != 0)
