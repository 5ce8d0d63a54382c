"""rate, increase, irate and resets of samples with start timestamps.

A start timestamp between two samples is a reset, whatever the values are; one inside of the window
and before its first sample means that the counter was zero then, so nothing needs to be guessed on
that side.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels.rate import count_between, extrapolation_factor
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows


def started_again(times: Ints, starts: Ints, offsets: Ints) -> Bools:
    """[N]: whether, by its start timestamp, counting restarted after the sample before.

    The start is later than the sample before; or equal to it, as deltas have it, if that one had a
    start of its own.
    """
    again = np.zeros(len(times), np.bool_)
    known = (starts > 0) & (starts < times)
    later, same = starts[1:] > times[:-1], starts[1:] == times[:-1]
    again[1:] = known[1:] & (later | (same & known[:-1]))
    first = offsets[:-1][offsets[:-1] < len(times)]
    again[first] = False
    return again


def overlapping(times: Ints, starts: Ints, offsets: Ints) -> Bools:
    """[N]: whether the start timestamp is before the previous sample, although it differs from that
    sample's own."""
    wrong = np.zeros(len(times), np.bool_)
    wrong[1:] = (starts[1:] != 0) & (starts[1:] < times[:-1]) & (starts[1:] != starts[:-1])
    first = offsets[:-1][offsets[:-1] < len(times)]
    wrong[first] = False
    return wrong


def begins_inside(windows: Windows) -> Bools:
    """[C]: the counting of the first sample began inside the window."""
    assert windows.starts is not None
    start = windows.starts.take(windows.lo, mode="clip")
    left_ms = windows.ends_ms - windows.range_ms
    inside: Bools = (start > left_ms) & (start < windows.times_at(windows.lo)) & (start > 0)
    return inside & (windows.counts > 0)


def factor_from_start(windows: Windows, first: Floats, increase: Floats) -> Floats:
    """How much larger the increase over the whole window is, with starts taken into account."""
    assert windows.starts is not None
    inside = begins_inside(windows)
    first_ms, last_ms = windows.times_at(windows.lo), windows.times_at(windows.hi - 1)
    guessed = extrapolation_factor(
        first_ms,
        last_ms,
        windows.counts,
        windows.ends_ms,
        windows.range_ms,
        first=first,
        increase=increase,
    )
    # From the start on the increase is known; only the right end is extrapolated to.
    sampled = (last_ms - windows.starts.take(windows.lo, mode="clip")) / 1000.0
    mean_gap = (last_ms - first_ms) / 1000.0 / np.maximum(windows.counts - 1, 1)
    to_end = (windows.ends_ms - last_ms) / 1000.0
    to_end = np.where(to_end >= mean_gap * 1.1, mean_gap / 2, to_end)
    return np.where(inside, (sampled + to_end) / sampled, guessed)


def _resets(windows: Windows) -> Bools:
    assert windows.starts is not None
    assert windows.offsets is not None
    falls = np.zeros(len(windows.values), np.bool_)
    falls[1:] = windows.values[1:] < windows.values[:-1]
    return falls | started_again(windows.times, windows.starts, windows.offsets)


def started_rate(windows: Windows, *, is_rate: bool) -> tuple[Floats, Bools]:
    """rate and increase."""
    first = windows.first()
    inside = begins_inside(windows)
    valid = (windows.counts >= 2) | inside
    # The value before each reset, added up from the window's second sample on.
    before = np.zeros(len(windows.values) + 1)
    lost = np.where(_resets(windows), np.concatenate([[0.0], windows.values[:-1]]), 0.0)
    np.cumsum(lost, out=before[1:])
    hi = np.maximum(windows.hi, 1)
    corrected = before[hi] - before[np.minimum(windows.lo + 1, hi)]
    result = windows.last() - first + corrected + np.where(inside, first, 0.0)
    factor = factor_from_start(windows, first, result)
    if is_rate:
        factor = factor / (windows.range_ms / 1000.0)
    return result * factor, valid


def started_irate(windows: Windows) -> tuple[Floats, Bools]:
    """irate: a counter that began again counts from zero."""
    last, previous = windows.last(), windows.at(windows.hi - 2)
    again = _resets(windows)[np.maximum(windows.hi - 1, 0)]
    seconds = (windows.times_at(windows.hi - 1) - windows.times_at(windows.hi - 2)) / 1000.0
    return np.where(again, last, last - previous) / seconds, windows.counts >= 2


def started_resets(windows: Windows) -> tuple[Floats, Bools]:
    """resets."""
    return count_between(windows, _resets(windows)[1:])


def warned_windows(windows: Windows) -> Bools:
    """[C]: a sample of the window has a start that overlaps with the sample before it."""
    assert windows.starts is not None
    assert windows.offsets is not None
    wrong = overlapping(windows.times, windows.starts, windows.offsets)
    counted, _ = count_between(replace(windows, starts=None), wrong[1:])
    return counted > 0
