"""The registry of compiled kernels of queries, and their arguments in the form that they take.

A caller calls `KERNELS.ready(work)`, where work is about how many values it will read or compute.
It calls `KERNELS.call.<kernel>` if functions are returned, else the kernel in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from novaql.evaluator.kernels.compensated import Bools, Floats, Ints
from novaql.tsdb.runtime.compiled import Registry

KERNELS = Registry(
    "kernels",
    package=f"{__package__}.compiled",
    modules=(  # those that most queries need first
        ".strips", ".strip_rates", ".strip_folds", ".groups", ".strip_windows", ".strip_changes",
        ".strip_pairs", ".strip_lines", ".strip_ordered", ".full_range", ".selection",
        ".window_pairs", ".native_buckets",
    ),
    shared=(".exact_rows",),
    worth=1 << 25,
)  # fmt: skip
"""worth: values that NumPy computes in about the time that loading takes."""


class StripCells(NamedTuple):
    """The input of compiled folds, as the tuple that they take: cells of series begin … end - 1.

    place    [S] row of each series in the accumulator
    grid     [S] grid of each series; first, strip: of each grid, as in `strips.Strips`
    values   the cells of these series, strip after strip
    present  which cells have a value: of all cells of all grids (`shared`), or of `values`
    whole    all of them have one
    """

    place: Ints
    grid: Ints
    first: Ints
    strip: Ints
    values: Floats
    present: Bools
    shared: bool
    whole: bool
    begin: int
    end: int


def floats(values: Floats, shape: Sequence[int]) -> Floats:
    """Values as a compiled kernel takes them: aligned and C-contiguous, in this shape."""
    flags = values.flags
    if flags.c_contiguous and flags.aligned and values.dtype == np.float64:
        return values.reshape(shape)
    return np.require(values, np.float64, ("C", "A")).reshape(shape)


def ints(values: Ints) -> Ints:
    """Positions or times as a compiled kernel takes them."""
    flags = values.flags
    if flags.c_contiguous and flags.aligned and values.dtype == np.int64:
        return values
    return np.require(values, np.int64, ("C", "A"))


def mask(present: Bools | None, steps: int) -> Bools:
    """Presence as compiled group reductions take it: [S, J], or [1, J] if all rows agree."""
    if present is None:
        return np.ones((1, steps), np.bool_)
    if present.ndim == 1 or (present.ndim == 2 and present.strides[0] == 0):
        present = present.reshape(-1, present.shape[-1])[:1]
    return np.ascontiguousarray(np.broadcast_to(present, (len(present), steps)))
