"""`a default b`: gaps of the left side filled from the right one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.matching import match_keys
from novaql.evaluator.matrix import StepMatrix, join_equal_rows, matrix, stack
from novaql.evaluator.working_memory import admit_work
from novaql.language.ast import Matching
from novaql.result import NativeCells
from novaql.tsdb.model.labels import SeriesTable


def filled(context: Context, matching: Matching, left: StepMatrix, right: StepMatrix) -> StepMatrix:
    """Every series of the left side with its gaps filled from a partner, and the series of the
    right side that have none.

    Of several partners that have a value at a step, the first one fills.
    """
    admit_work(context, "or", left.rows + right.rows, left.steps)
    left, right = left.without_empty_rows(), right.without_empty_rows()
    keys = match_keys(left.series, right.series, matching)
    context.checkpoint()
    there = right.presence()
    # [count, J]: the row of the right side that fills the gaps of a key; -1: none does.
    source = np.full((keys.count, right.steps), -1, np.int64)
    for row in _rounds(keys.right):
        wanted = source[keys.right[row]]
        found = np.where((wanted < 0) & there[row], row[:, None], wanted)
        source[keys.right[row]] = found
        context.checkpoint()
    own = left.presence()
    from_row = source[keys.left]
    gap = ~own & (from_row >= 0)
    picked = np.maximum(from_row, 0)
    steps = np.arange(left.steps)
    values = left.values
    native = None
    if right.rows:
        values = np.where(gap, right.values[picked, steps], left.values)
        native = _native(left, right, gap, picked)
    whole = replace(left, values=values, valid=own | gap, native=native)
    taken = np.zeros(keys.count, np.bool_)
    taken[keys.left] = True
    both = stack([whole, right.take(~taken[keys.right])])
    by_mark = both.series.keys() * 2 + both.nameless
    return join_equal_rows(both, keys=by_mark)


def _rounds(
    keys: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Rows in rounds: the first one of each key, the second one, and so on."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    rank = np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))
    return [order[rank == place] for place in range(int(rank.max(initial=-1)) + 1)]


def _native(
    left: StepMatrix,
    right: StepMatrix,
    gap: Bools,
    picked: Ints,
) -> NativeCells | None:
    """The histograms of the left side, and those that fill its gaps."""
    if left.native is None and right.native is None:
        return None
    both = stack([left, right]).native
    assert both is not None
    own, other = both.which[: left.rows], both.which[left.rows :]
    steps = np.arange(left.steps)
    return NativeCells(both.histograms, np.where(gap, other[picked, steps], own))


def filled_with_scalar(context: Context, left: StepMatrix, scalar: Floats) -> StepMatrix:
    """Every series at all steps; without any, the scalar as a series without labels."""
    left = left.without_empty_rows()
    if left.rows == 0:
        return matrix(SeriesTable.unlabelled(), scalar[None, :])
    admit_work(context, "or", left.rows, left.steps)
    return replace(left, values=np.where(left.presence(), left.values, scalar), valid=None)
