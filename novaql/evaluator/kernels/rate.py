"""rate, increase, delta, irate, idelta, resets, changes: kernels over windows.

Each takes `Windows` and returns (values [S, J], valid), valid shaped to broadcast against values.
"""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows


def extrapolated(windows: Windows, *, is_counter: bool, is_rate: bool) -> tuple[Floats, Bools]:
    """Difference between the ends of the window, extrapolated to the window's limits.

    As Prometheus's `extrapolatedRate`: an end is extrapolated to all the way if its distance to
    the nearest sample is under 1.1 mean gaps, else by half a gap; a counter never past the point
    where it would have been zero. Values per second if `is_rate`. Two samples are needed.
    """
    lo, hi = windows.lo, windows.hi
    counts = hi - lo
    valid = counts >= 2
    first = windows.first()
    result = windows.last() - first
    if is_counter:
        add_reset_values(windows, result)
    factor = extrapolation_factor(
        windows.times_at(lo),
        windows.times_at(hi - 1),
        counts,
        windows.ends_ms,
        windows.range_ms,
        first=first if is_counter else None,
        increase=result,
    )
    if is_rate:
        factor = factor / (windows.range_ms / 1000.0)
    result *= factor
    return result, valid


def extrapolation_factor(
    first_ms: Ints,
    last_ms: Ints,
    counts: Ints,
    ends_ms: Ints,
    range_ms: int,
    *,
    first: Floats | None,
    increase: Floats,
) -> Floats:
    """How much larger the increase is over the whole window than between its samples.

    first: value of the first sample of a counter, None for gauges.
    """
    sampled = (last_ms - first_ms) / 1000.0
    mean_gap = sampled / np.maximum(counts - 1, 1)
    to_start = (first_ms - (ends_ms - range_ms)) / 1000.0
    to_end = (ends_ms - last_ms) / 1000.0
    threshold = mean_gap * 1.1
    to_start = np.where(to_start >= threshold, mean_gap / 2, to_start)
    to_end = np.where(to_end >= threshold, mean_gap / 2, to_end)
    factor: Floats = (sampled + to_start + to_end) / sampled
    if first is None:
        return factor
    # A counter may have begun at zero where its first value is less than what the line through the
    # window falls in the time before it. A wide sieve: most windows of most counters are not in it.
    suspects = first <= increase * (to_start / sampled * (1 + 1e-6))
    suspects &= increase > 0
    if not suspects.any():
        return factor
    sampled, to_start, to_end, first_value, grown = (
        np.broadcast_to(each, suspects.shape)[suspects]
        for each in (sampled, to_start, to_end, first, increase)
    )
    zero_before = sampled * (first_value / grown)
    limits = (first_value >= 0) & (zero_before < to_start)
    to_start = np.where(limits, zero_before, to_start)
    limited = np.broadcast_to(factor, suspects.shape).copy()
    limited[suspects] = (sampled + to_start + to_end) / sampled
    return limited


def add_reset_values(windows: Windows, into: Floats) -> None:
    """Add to `into` [S, J], for every window, the value before each decrease inside it."""
    values = windows.values
    steps = windows.grid[1]
    if windows.offsets is None:
        falls = values[:, 1:] < values[:, :-1]
        if not falls.any():
            return
        row, before = np.nonzero(falls)
        amount = values[row, before]
        base = row * steps
    else:
        falls = values[1:] < values[:-1]
        inside = np.ones(len(falls) + 1, np.bool_)
        inside[windows.offsets[1:-1] - 1] = False  # the last sample of a row has no next one
        (before,) = np.nonzero(falls & inside[: len(falls)])
        if len(before) == 0:
            return
        amount = values[before]
        base = np.zeros(len(before), np.int64)
    # Bounds do not decrease, so the windows that hold both samples are neighbours.
    first_step = np.searchsorted(windows.hi, before + 1, side="right") + base
    end_step = np.searchsorted(windows.lo, before, side="right") + base
    spread = np.maximum(end_step - first_step, 0)
    cell = np.repeat(first_step - (np.cumsum(spread) - spread), spread) + np.arange(spread.sum())
    np.add.at(into.reshape(-1), cell, np.repeat(amount, spread))


def instant_change(windows: Windows, *, is_rate: bool) -> tuple[Floats, Bools]:
    """irate and idelta: between the last two samples. A counter that fell counts from zero."""
    last, previous = windows.last(), windows.at(windows.hi - 2)
    valid = windows.counts >= 2
    if not is_rate:
        return last - previous, valid
    seconds = (windows.times_at(windows.hi - 1) - windows.times_at(windows.hi - 2)) / 1000.0
    return np.where(last < previous, last, last - previous) / seconds, valid


def count_between(windows: Windows, event: Bools) -> tuple[Floats, Bools]:
    """Events between neighbours inside each window; event [.., n - 1] belongs to (n, n + 1)."""
    if windows.values.size == 0:
        return np.zeros(windows.shape), windows.counts >= 1
    if windows.offsets is None:
        total = np.zeros((windows.grid[0], windows.values.shape[1] + 1))
        np.cumsum(event, axis=1, out=total[:, 2:], dtype=np.float64)
        last = np.maximum(windows.hi, 1)
        out = total[:, last] - total[:, np.minimum(windows.lo + 1, last)]
    else:
        flat = np.zeros(len(windows.values) + 1)
        np.cumsum(event, out=flat[2:], dtype=np.float64)
        last = np.maximum(windows.hi, 1)
        out = flat[last] - flat[np.minimum(windows.lo + 1, last)]
    return out, windows.counts >= 1


def fell(before: Floats, after: Floats) -> Bools:
    less: Bools = after < before
    return less


def changed(before: Floats, after: Floats) -> Bools:
    """From NaN to NaN is no change."""
    differs: Bools = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return differs


def resets(windows: Windows) -> tuple[Floats, Bools]:
    """How often the value fell between neighbouring samples."""
    return count_between(windows, fell(windows.values[..., :-1], windows.values[..., 1:]))


def changes(windows: Windows) -> tuple[Floats, Bools]:
    """How often the value changed between neighbouring samples."""
    return count_between(windows, changed(windows.values[..., :-1], windows.values[..., 1:]))
