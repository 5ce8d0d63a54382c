"""Sums and means of runs of histograms.

Rounding errors of count, sum, zero count and each bucket are added up apart, sample after sample
(`in_order`, for windows), or there are none (`exactly`, for sums across series, which do not depend
on the order of series). Histograms of one layout are summed as matrices. Where only the zero
buckets of a run are equally wide, the layout of the result is known before, and all buckets are
summed at once. Otherwise, and for means whose sum overflows, the rows are added one by one, all
runs together.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.kernels.compensated import add_compensated
from novaql.evaluator.kernels.native.arithmetic import (
    add,
    choose,
    combined_hints,
    divide,
    scale,
    zero_like,
)
from novaql.evaluator.kernels.native.dense import DenseSide, dense_sides
from novaql.evaluator.kernels.native.folds import Fold, in_order
from novaql.evaluator.kernels.native.layout import (
    BoundSets,
    chosen,
    laid_out_as,
    moved_index,
    outside_zero_bucket,
    reconcile,
    shifted_index,
)
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.histogram_buckets import upper_bounds
from novaql.tsdb.model.histograms import (
    CUSTOM_SCHEMA,
    Buckets,
    Floats,
    Histograms,
    ResetHint,
    Small,
    concat_histograms,
)
from novaql.tsdb.model.labels import Bools, Ints


@dataclass(frozen=True, slots=True, eq=False)
class RunTotals:
    """What became of G runs.

    histograms          the results; of a mixed run its first row
    mixed               [G] exponential and custom rows: there is no result
    conflicting_resets  [G] one row follows a counter reset, the hint of another excludes one
    bounds_differed     [G] only the custom bounds that all had remain (in a mixed run: of the
                        rows before the first that does not fit)
    """

    histograms: Histograms
    mixed: Bools
    conflicting_resets: Bools
    bounds_differed: Bools


def run_sums(
    h: Histograms,
    starts: Ints,
    *,
    rows: Ints | None = None,
    fold: Fold = in_order,
    mean: bool = False,
) -> RunTotals:
    """Sum or mean of each run of rows.

    starts  [G] where runs begin in `rows`, increasing, the first is 0
    rows    [R] the histograms to add, by number, run after run; None: all, in order

    A mean is the sum divided once. From the row on where a sum would overflow, the mean itself is
    updated with each row.
    """
    sides = dense_sides(h) if len(starts) else None
    if sides is not None:
        return _of_one_layout(h, sides, starts, rows, fold, mean=mean)
    if rows is not None:
        h = h.take(rows)
    if not len(starts):
        none = np.zeros(0, np.bool_)
        return RunTotals(h, none, none, none)
    lengths = np.diff(starts, append=len(h))
    first = np.repeat(starts, lengths)
    alien = h.is_custom != h.is_custom[first]
    mixed = np.logical_or.reduceat(alien, starts)
    fits = np.minimum.reduceat(np.where(alien, np.arange(len(h)), len(h)), starts)
    foreign = (h.bounds != h.bounds[first]) & (np.arange(len(h)) < np.repeat(fits, lengths))
    widths = h.zero_threshold != h.zero_threshold[first]
    stepwise = np.logical_or.reduceat(widths & ~h.is_custom, starts) & ~mixed

    parts, runs = [h.take(starts[mixed])], [np.flatnonzero(mixed)]
    direct = np.flatnonzero(~mixed & ~stepwise)
    if len(direct):
        total, lost = _at_once(*_of_runs(h, starts, lengths, direct), fold)
        whole = np.ones(len(direct), np.bool_)
        if mean:
            whole = ~_overflowed(total)
            stepwise[direct[~whole]] = True
        good = np.flatnonzero(whole)
        divisor = lengths[direct[good]] if mean else None
        parts.append(_finished(total.take(good), lost.take(good), divisor))
        runs.append(direct[good])
    slow = np.flatnonzero(stepwise)
    if len(slow):
        parts.append(_one_by_one(*_of_runs(h, starts, lengths, slow), mean=mean))
        runs.append(slow)
    order = np.argsort(np.concatenate(runs))
    hint = combined_hints(np.minimum.reduceat(h.hint, starts), np.maximum.reduceat(h.hint, starts))
    return RunTotals(
        replace(concat_histograms(parts).take(order), hint=hint),
        mixed,
        _conflict(h.hint, starts) & ~mixed,
        np.logical_or.reduceat(foreign, starts),
    )


def _of_runs(h: Histograms, starts: Ints, lengths: Ints, runs: Ints) -> tuple[Histograms, Ints]:
    """Rows of some of the runs, and where those runs start then."""
    if len(runs) == len(starts):
        return h, starts
    sizes = lengths[runs]
    fresh = np.cumsum(sizes) - sizes
    rows = np.arange(sizes.sum()) + np.repeat(starts[runs] - fresh, sizes)
    return h.take(rows), fresh


def _finished(total: Histograms, lost: Histograms, divisor: Ints | None) -> Histograms:
    if divisor is not None:
        total, lost = (
            divide(total, divisor.astype(np.float64)),
            divide(lost, divisor.astype(np.float64)),
        )
    return add(total, lost).histograms


def _overflowed(h: Histograms) -> Bools:
    """[N] rows with a number that is not finite."""
    over: Bools = ~np.isfinite(h.count + h.sum + h.zero_count)
    for side in (h.positive, h.negative):
        over[side.rows()[~np.isfinite(side.population)]] = True
    return over


# As matrices


def _of_one_layout(
    h: Histograms,
    sides: tuple[DenseSide, DenseSide],
    starts: Ints,
    rows: Ints | None,
    fold: Fold,
    *,
    mean: bool,
) -> RunTotals:
    scalars = np.stack([h.count, h.sum, h.zero_count], axis=1)
    folded = [fold(values, starts, rows) for values in (scalars, *(s.values for s in sides))]
    lengths = np.diff(starts, append=len(h) if rows is None else len(rows))
    slow = np.zeros(0, np.int64)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        if mean:
            divisor = lengths[:, None].astype(np.float64)
            finite = np.isfinite(folded[0][0].sum(axis=1))
            for total, _ in folded[1:]:
                finite &= np.isfinite(total).all(axis=1)
            slow = np.flatnonzero(~finite)
            numbers = [total / divisor + lost / divisor for total, lost in folded]
        else:
            numbers = [total + lost for total, lost in folded]
    hints = h.hint if rows is None else h.hint[rows]
    least, greatest = np.minimum.reduceat(hints, starts), np.maximum.reduceat(hints, starts)
    hint = combined_hints(least, greatest)
    count, sum_, zero_count = np.ascontiguousarray(numbers[0].T)
    first = np.zeros(len(starts), np.int64)
    found = Histograms(
        h.schema[first],
        hint,
        count,
        sum_,
        zero_count,
        h.zero_threshold[first],
        sides[0].buckets(numbers[1]),
        sides[1].buckets(numbers[2]),
        h.bounds[first],
        h.custom_bounds,
    )
    if len(slow):
        every = np.arange(len(h)) if rows is None else rows
        of_slow = _of_runs(h.take(every), starts, lengths, slow)
        whole = concat_histograms([found, _one_by_one(*of_slow, mean=mean)])
        place = np.arange(len(starts))
        place[slow] = len(starts) + np.arange(len(slow))
        found = replace(whole.take(place), hint=hint)
    nowhere = np.zeros(len(starts), np.bool_)
    return RunTotals(found, nowhere, _conflict(hints, starts), nowhere)


def _conflict(hints: Small, starts: Ints) -> Bools:
    """[G] runs of which one row follows a reset, while the hint of another excludes one."""
    both: Bools = np.logical_or.reduceat(hints == ResetHint.RESET, starts)
    both &= np.logical_or.reduceat(hints == ResetHint.NOT_RESET, starts)
    return both


# All buckets at once


def _at_once(h: Histograms, starts: Ints, fold: Fold) -> tuple[Histograms, Histograms]:
    """Total and what rounding lost, for runs of one kind each with equally wide zero buckets."""
    runs = len(starts)
    run = np.repeat(np.arange(runs), np.diff(starts, append=len(h)))
    schema = np.minimum.reduceat(h.schema, starts).astype(np.int8)
    bounds, sets = _shared_bounds(h, run, starts)
    ends = replace(h, schema=schema[run], bounds=bounds[run], custom_bounds=sets)

    scalars = np.stack([h.count, h.sum, h.zero_count], axis=1)
    total, lost = fold(scalars, starts, None)
    out = replace(ends.take(starts), positive=Buckets.none(runs), negative=Buckets.none(runs))
    shift = np.where(h.is_custom, 0, h.schema.astype(np.int64) - schema[run])
    totals, lost_buckets = [], []
    for name in ("positive", "negative"):
        side: Buckets = getattr(h, name)
        rows = side.rows()
        counted = _counted(h, side, run, starts)
        index: Ints = side.index.astype(np.int64)
        if name == "positive":
            index = moved_index(index, rows, h, ends)
        index = shifted_index(index, shift[rows])
        index, of_run, population = index[counted], run[rows[counted]], side.population[counted]
        # Stable: equal buckets stay in order of rows.
        order = np.argsort((of_run << 33) + index, kind="stable")
        index, of_run, population = index[order], of_run[order], population[order]
        fresh = np.flatnonzero(
            (np.diff(of_run, prepend=-1) != 0) | (np.diff(index, prepend=index[:1]) != 0)
        )
        sums, errors = fold(population, fresh, None)
        totals.append(Buckets.of_flat(of_run[fresh], index[fresh], sums, runs))
        lost_buckets.append(Buckets.of_flat(of_run[fresh], index[fresh], errors, runs))

    return _filled(out, *total.T, *totals), _filled(out, *lost.T, *lost_buckets)


def _filled(
    h: Histograms,
    count: Floats,
    sum_: Floats,
    zero_count: Floats,
    positive: Buckets,
    negative: Buckets,
) -> Histograms:
    """Histograms of the layout of `h` with other numbers."""
    return replace(
        h, count=count, sum=sum_, zero_count=zero_count, positive=positive, negative=negative
    )


def _shared_bounds(
    h: Histograms, run: Ints, starts: Ints
) -> tuple[NDArray[np.int32], tuple[tuple[float, ...], ...]]:
    """[G] numbers of the custom bounds that all rows of a run have, and the sets they number."""
    common = h.bounds[starts]
    if np.array_equal(common[run], h.bounds):
        return common, h.custom_bounds
    sets = BoundSets(h.custom_bounds)
    for number in range(len(h.custom_bounds)):
        having = np.unique(run[h.bounds == number])
        common[having] = sets.intersections(common[having], np.full(len(having), number, np.int32))
    return common, sets.sets


def _counted(h: Histograms, side: Buckets, run: Ints, starts: Ints) -> Bools:
    """[P] buckets that count: those of a run's first row, and those outside the zero bucket.

    A row's buckets are held against the zero bucket at the resolution of the sum so far.
    """
    if not h.zero_threshold.any():
        return np.ones(len(side.index), np.bool_)
    apart = run * (1 - CUSTOM_SCHEMA + 100)  # runs descend, so that the minimum starts afresh
    so_far = np.minimum.accumulate(h.schema - apart) + apart
    rows = side.rows()
    shift = np.where(h.is_custom, 0, h.schema - so_far)
    index = shifted_index(side.index, shift[rows])
    outside = upper_bounds(so_far[rows], index) > h.zero_threshold[rows]
    counted: Bools = outside | h.is_custom[rows]
    counted |= rows == starts[run[rows]]
    return counted


# Row by row


def _one_by_one(h: Histograms, starts: Ints, *, mean: bool) -> Histograms:
    """Sum or mean of runs of one kind each, whatever their zero buckets."""
    lengths = np.diff(starts, append=len(h))
    order = np.argsort(-lengths, kind="stable")
    place, lengths = starts[order], lengths[order]
    total = h.take(place)
    lost = zero_like(total)
    incremental = np.zeros(len(starts), np.bool_)
    done: list[Histograms] = []
    for step in range(1, int(lengths[0]) + 1):
        active = int(np.searchsorted(-lengths, -step, side="left"))
        if active < len(total):
            ended = np.arange(active, len(total))
            divisor = np.where(incremental[ended], 1, step) if mean else None
            done.append(_finished(total.take(ended), lost.take(ended), divisor))
            rest = np.arange(active)
            total, lost, incremental = total.take(rest), lost.take(rest), incremental[:active]
        if not active:
            break
        value = h.take(place[:active] + step)
        if not mean:
            total, lost = _step(total, lost, value)
            continue
        next_total, next_lost = _step(total, lost, value)
        fresh = _overflowed(next_total) & ~incremental
        incremental = incremental | fresh
        if incremental.any():
            count = step + 1.0
            total = divide(total, np.where(fresh, step, 1.0))
            lost = divide(lost, np.where(fresh, step, 1.0))
            weight = np.where(incremental, step / count, 1.0)
            total, lost = _step(
                scale(total, weight),
                scale(lost, weight),
                divide(value, np.where(incremental, count, 1.0)),
            )
            next_total = choose(incremental, total, next_total)
            next_lost = choose(incremental, lost, next_lost)
        total, lost = next_total, next_lost
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return concat_histograms(done[::-1]).take(back)


def _step(total: Histograms, lost: Histograms, value: Histograms) -> tuple[Histograms, Histograms]:
    """total + lost + value as a new pair of histograms."""
    total, value, _ = reconcile(total, value)
    lost = laid_out_as(lost, total)
    rows = len(total)

    def sides(name: str) -> tuple[Buckets, Buckets]:
        trio: list[Buckets] = [getattr(h, name) for h in (total, lost, value)]
        trio[2] = chosen(trio[2], outside_zero_bucket(value, trio[2]))
        row = np.concatenate([side.rows() for side in trio])
        index = np.concatenate([side.index for side in trio]).astype(np.int64)
        key, place = np.unique((row << 33) + index, return_inverse=True)
        dense = np.zeros((3, len(key)))
        ends = np.cumsum([0] + [len(side.index) for side in trio])
        for one, side in enumerate(trio):
            dense[one, place[ends[one] : ends[one + 1]]] = side.population
        both = add_compensated(*dense)
        row, index = (key + (1 << 32)) >> 33, ((key + (1 << 32)) & ((1 << 33) - 1)) - (1 << 32)
        return (
            Buckets.of_flat(row, index, both[0], rows),
            Buckets.of_flat(row, index, both[1], rows),
        )

    with np.errstate(invalid="ignore", over="ignore"):
        count = add_compensated(total.count, lost.count, value.count)
        summed = add_compensated(total.sum, lost.sum, value.sum)
        zero = add_compensated(total.zero_count, lost.zero_count, value.zero_count)
        both = zip(count, summed, zero, sides("positive"), sides("negative"), strict=True)
    return _filled(total, *next(both)), _filled(lost, *next(both))
