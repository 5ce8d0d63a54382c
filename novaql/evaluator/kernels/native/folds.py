"""Sums of runs of numbers and their rounding errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from novaql.evaluator.kernels.compensated import add_compensated
from novaql.evaluator.kernels.dispatch import KERNELS, floats, ints
from novaql.evaluator.kernels.group_rows import exact_sums
from novaql.evaluator.kernels.numerics.exact_runs import itself
from novaql.tsdb.model.histograms import Floats
from novaql.tsdb.model.labels import Ints

Fold = Callable[[Floats, Ints, Ints | None], tuple[Floats, Floats]]
"""(values [P] or [P, k], first place of each run [S], rows) → total and rounding error of each run.

rows  [R] the values to add, by number, run after run; None: all, in order
"""


def in_order(values: Floats, starts: Ints, rows: Ints | None = None) -> tuple[Floats, Floats]:
    """A `Fold`: compensated sums, each from its first value to its last."""
    if rows is None:
        rows = np.arange(len(values), dtype=np.int64)
    if values.ndim == 2 and KERNELS.ready(len(rows) * values.shape[1]) is not None:
        shape = len(starts), values.shape[1]
        found, rest = np.zeros(shape), np.zeros(shape)
        KERNELS.call.sum_in_order(
            floats(values, values.shape), ints(rows), ints(starts), found, rest
        )
        return found, rest
    lengths = np.diff(starts, append=len(rows))
    order = np.argsort(-lengths, kind="stable")
    place, lengths = starts[order], lengths[order]
    total = values.take(rows[place], axis=0)
    lost = np.zeros_like(total)
    if len(lengths):
        longer = np.searchsorted(-lengths, -np.arange(1, lengths[0]), side="left")
        with np.errstate(invalid="ignore", over="ignore"):
            for step, some in enumerate(longer.tolist(), start=1):
                value = values.take(rows[place[:some] + step], axis=0)
                total[:some], lost[:some] = add_compensated(total[:some], lost[:some], value)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return total[back], lost[back]


def exactly(values: Floats, starts: Ints, rows: Ints | None = None) -> tuple[Floats, Floats]:
    """A `Fold`: the correctly rounded sum, and the rest."""
    lengths = np.diff(starts, append=len(values) if rows is None else len(rows))
    group = np.repeat(np.arange(len(starts)), lengths)
    if rows is not None:
        of_value = np.full(len(values), -1)
        of_value[rows] = group
        if len(rows) == len(values) and (of_value >= 0).all():  # each of them once
            group = of_value
        else:
            values = values.take(rows, axis=0)
    columns = values if values.ndim == 2 else values[:, None]
    _, (sums,), _ = exact_sums(group, columns, None, itself, itself)
    with np.errstate(over="ignore"):
        total, lost = sums.rounded(2)
    shape = (len(starts), *values.shape[1:])
    return total.reshape(shape), lost.reshape(shape)
