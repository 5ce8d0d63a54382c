"""The `…_over_time` kernels, less quantiles.

Each takes `Windows` and returns (values [S, J], valid), valid shaped to broadcast against values.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from novaql.evaluator.kernels.compensated import add_compensated
from novaql.evaluator.kernels.pieces import flat, pieces, sums
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows, each_position


def _sums(windows: Windows) -> tuple[Floats, Floats]:
    """Compensated sums: (total, lost)."""
    cut = pieces(windows)
    if cut is None:
        total, lost = _sums_in_order(windows)
    else:
        total, lost = sums(cut)
        if len(cut.alone):
            total[cut.alone], lost[cut.alone] = _sums_in_order(cut.windows_alone())
        total, lost = total.reshape(windows.shape), lost.reshape(windows.shape)
    # Rounded once more, so that `total` does not depend on the order in which it was added.
    return add_compensated(total, np.zeros(windows.shape), lost)


def _sums_in_order(windows: Windows) -> tuple[Floats, Floats]:
    """The same, sample after sample."""
    total, lost = np.zeros(windows.shape), np.zeros(windows.shape)
    for index, inside in each_position(windows):
        value = windows.at(index)
        if inside is not None:
            value = np.where(inside, value, 0.0)
        total, lost = add_compensated(total, lost, value)
    return total, lost


LARGEST_SUM = 5e307
"""If the absolute values of a window add up to less, no order of adding them overflows."""


def sum_over_time(windows: Windows) -> tuple[Floats, Bools]:
    total, lost = _sums(windows)
    return _large_in_order(windows, total + lost, _sum_in_order), windows.counts > 0


def avg_over_time(windows: Windows) -> tuple[Floats, Bools]:
    """The sum divided by the count; the mean is also computed where the sum overflows."""
    counts = windows.counts
    total, lost = _sums(windows)
    with_count = np.maximum(counts, 1)
    mean = total / with_count + lost / with_count
    return _large_in_order(windows, mean, _mean_in_order), counts > 0


def _large_in_order(windows: Windows, found: Floats, kernel: Callable[[Windows], Floats]) -> Floats:
    """The results, except for windows that may overflow, which are computed in the order of
    time."""
    limit = LARGEST_SUM / max(windows.longest, 1)
    values = windows.values
    if max(values.max(initial=0.0), -values.min(initial=0.0)) <= limit:  # NaN is not
        return found
    marks = np.abs(values) > limit
    if not marks.any():
        return found
    windows = flat(windows)
    so_far = np.append(0, np.cumsum(marks))
    some = np.flatnonzero(so_far[windows.hi] > so_far[windows.lo])
    found.reshape(-1)[some] = kernel(windows.some(some))
    return found


def _sum_in_order(windows: Windows) -> Floats:
    """A sum that was infinite once stays so, or becomes NaN."""
    total, lost = _sums_in_order(windows)
    return total + lost


def _mean_in_order(windows: Windows) -> Floats:
    """Means as Prometheus computes them: by a sum until it would overflow, and then by an updated
    mean."""
    total, lost = windows.first(), np.zeros(windows.shape)
    mean, moving = np.zeros(windows.shape), np.zeros(windows.shape, np.bool_)
    for count, (index, inside) in enumerate(each_position(windows)[1:], start=2):
        value = windows.at(index)
        there = np.ones(windows.shape, np.bool_) if inside is None else inside
        added, added_lost = add_compensated(total, lost, value)
        begins = there & ~moving & np.isinf(added)
        mean = np.where(begins, total / (count - 1), mean)
        lost = np.where(begins, lost / (count - 1), lost)
        moving = moving | begins
        share = (count - 1) / count
        moved, moved_lost = add_compensated(share * mean, share * lost, value / count)
        sums = there & ~moving
        moves = there & moving
        total = np.where(sums, added, total)
        mean = np.where(moves, moved, mean)
        lost = np.where(moves, moved_lost, np.where(sums, added_lost, lost))
    counts = windows.counts
    return np.where(moving, mean + lost, total / counts + lost / counts)


def count_over_time(windows: Windows) -> tuple[Floats, Bools]:
    counts = windows.counts
    return np.broadcast_to(counts.astype(np.float64), windows.shape).copy(), counts > 0


def present_over_time(windows: Windows) -> tuple[Floats, Bools]:
    return np.ones(windows.shape), windows.counts > 0


def last_over_time(windows: Windows) -> tuple[Floats, Bools]:
    return windows.last(), windows.counts > 0


def first_over_time(windows: Windows) -> tuple[Floats, Bools]:
    return windows.first(), windows.counts > 0


def _extreme(windows: Windows, choose: Callable[[Floats, Floats], Floats]) -> tuple[Floats, Bools]:
    """Minimum or maximum with two look-ups per window in a sparse table.

    Level k of the table holds the extreme of 2^k neighbours; a window of n samples is covered by
    two overlapping stretches of the largest 2^k ≤ n. `fmin`/`fmax` ignore NaN unless all are.
    """
    counts = windows.counts
    level_of = np.frexp(np.maximum(counts, 1))[1] - 1  # floor(log2)
    out = np.full(windows.shape, np.nan)
    table = windows.values
    for level in range(int(level_of.max(initial=0)) + 1):
        if level:
            half = 1 << (level - 1)
            table = choose(table[..., :-half], table[..., half:])
        here = (level_of == level) & (counts > 0)
        if not here.any():
            continue
        left, right = windows.lo, windows.hi - (1 << level)
        if windows.cells is None:
            columns = np.flatnonzero(here)
            out[:, columns] = choose(table[:, left[columns]], table[:, right[columns]])
        else:
            out[here] = choose(table[left[here]], table[right[here]])
    return out, counts > 0


def min_over_time(windows: Windows) -> tuple[Floats, Bools]:
    return _extreme(windows, np.fmin)


def max_over_time(windows: Windows) -> tuple[Floats, Bools]:
    return _extreme(windows, np.fmax)


def stdvar_over_time(windows: Windows) -> tuple[Floats, Bools]:
    """Population variance: the mean, then squares of the distances from it, in the order of time.

    Values are taken from the first one of the window, so that equal values have variance 0. Both
    sums have relative errors of at most n · 2^-53.
    """
    begun, counts = windows.first(), np.maximum(windows.counts, 1)
    total, square = np.zeros(windows.shape), np.zeros(windows.shape)
    positions = each_position(windows)
    for index, inside in positions:
        away = windows.at(index) - begun
        total += away if inside is None else np.where(inside, away, 0.0)
    mean = total / counts
    for index, inside in positions:
        away = (windows.at(index) - begun) - mean
        square += away * away if inside is None else np.where(inside, away * away, 0.0)
    return square / counts, windows.counts > 0


def stddev_over_time(windows: Windows) -> tuple[Floats, Bools]:
    variance, valid = stdvar_over_time(windows)
    return np.sqrt(variance), valid


def _time_of(windows: Windows, position: Ints) -> tuple[Floats, Bools]:
    seconds = windows.times_at(position) / 1000.0
    return np.broadcast_to(seconds, windows.shape).copy(), windows.counts > 0


def ts_of_first_over_time(windows: Windows) -> tuple[Floats, Bools]:
    return _time_of(windows, windows.lo)


def ts_of_last_over_time(windows: Windows) -> tuple[Floats, Bools]:
    return _time_of(windows, windows.hi - 1)


def _time_of_extreme(
    windows: Windows, replaces: Callable[[Floats, Floats], Bools]
) -> tuple[Floats, Bools]:
    """Seconds of the last sample that holds the extreme; any number replaces NaN."""
    best = windows.first()
    seconds = np.broadcast_to(windows.times_at(windows.lo) / 1000.0, windows.shape).copy()
    for index, inside in each_position(windows)[1:]:
        value = windows.at(index)
        better = replaces(value, best) | np.isnan(best)
        if inside is not None:
            better = better & inside
        best = np.where(better, value, best)
        seconds = np.where(better, windows.times_at(index) / 1000.0, seconds)
    return seconds, windows.counts > 0


def ts_of_min_over_time(windows: Windows) -> tuple[Floats, Bools]:
    return _time_of_extreme(windows, np.less_equal)


def ts_of_max_over_time(windows: Windows) -> tuple[Floats, Bools]:
    return _time_of_extreme(windows, np.greater_equal)
