"""Windows with exact ends: the `anchored` and `smoothed` modifiers (Prometheus proposal PROM-52).

Anchored: the value at the left end is that of the last sample at or before it; at the right end,
of the last sample in the range. Smoothed: values at both ends are interpolated between the samples
around them. Nothing is extrapolated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels.rate import add_reset_values, count_between
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows
from novaql.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Extended:
    """left, right: values at the ends [S, J]. inner: the samples strictly between the ends.

    valid: shaped like the bounds. begun: so, too; whether a sample lies at or before the left end
    """

    left: Floats
    right: Floats
    inner: Windows
    valid: Bools
    begun: Bools

    @property
    def empty(self) -> Bools:
        """Windows without a sample between the ends."""
        return self.inner.hi <= self.inner.lo


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """The samples at the ends of windows, shaped like the bounds.

    first, last  positions: the values at the ends are theirs, or lie between them and what is next
    left_share   how far the left end lies from `first` towards the sample behind it; 0: first's
    right_share  how far the right end lies from the sample before `last` towards it; 1: last's
    valid        where the samples reach into the window: none of them lies wholly beyond one end
    """

    first: Ints
    last: Ints
    left_share: Floats
    right_share: Floats
    valid: Bools


def find_ends(base: Windows, wide: Windows, before_end: Ints, *, smoothed: bool) -> Ends:
    """Find the ends.

    base        windows (end - range, end]
    wide        the same samples, windows reaching one lookback further left (smoothed: and right)
    before_end  how many samples lie before each end: position of the first one at or after it
    """
    start_ms = base.ends_ms - base.range_ms
    newest = np.maximum(wide.hi - 1, wide.lo)
    first = np.maximum(wide.lo, np.minimum(base.lo, newest) - 1)
    last = np.minimum(before_end, newest) if smoothed else newest
    first_ms, last_ms = base.times_at(first), base.times_at(last)
    valid = (wide.hi > wide.lo) & (last_ms > start_ms) & (first_ms <= base.ends_ms)
    left = np.zeros(first.shape)
    right = np.ones(first.shape)
    if smoothed:
        gap = base.times_at(first + 1) - first_ms
        left = np.where(first_ms < start_ms, (start_ms - first_ms) / np.maximum(gap, 1), 0.0)
        previous_ms = base.times_at(last - 1)
        gap = np.maximum(last_ms - previous_ms, 1)
        beyond = (last_ms > base.ends_ms) & (last > wide.lo)
        right = np.where(beyond, (base.ends_ms - previous_ms) / gap, 1.0)
    return Ends(first, last, left, right, valid)


def extend(
    base: Windows, wide: Windows, before_end: Ints, *, smoothed: bool, counter: bool
) -> Extended:
    """The windows with the values at their ends; arguments as of `find_ends`."""
    ends = find_ends(base, wide, before_end, smoothed=smoothed)
    first, last = ends.first, ends.last
    start_ms = base.ends_ms - base.range_ms
    left, right = base.at(first), base.at(last)
    if smoothed:
        before = _interpolate(base, first, start_ms, counter=counter)
        after = _interpolate(base, last - 1, base.ends_ms, counter=counter)
        left = np.where(ends.left_share > 0, before, left)
        right = np.where(ends.right_share < 1, after, right)
    begun = base.times_at(first) <= start_ms
    samples = base.values.shape[-1]  # windows behind all of them are empty
    inner_lo = np.minimum(first + begun, samples)
    inner_hi = np.clip(last + (base.times_at(last) < base.ends_ms), inner_lo, samples)
    return Extended(left, right, replace(base, lo=inner_lo, hi=inner_hi), ends.valid, begun)


def _interpolate(windows: Windows, before: Ints, at_ms: Ints, *, counter: bool) -> Floats:
    """Value at `at_ms` on the line from a sample to its successor.

    A counter that fell between the two has restarted, and is assumed to rise from zero. The value
    before the reset is added where the reset is between the ends (`extended_rate`); where both ends
    lie on the same rise, nothing is.
    """
    low, high = windows.at(before), windows.at(before + 1)
    low_ms, high_ms = windows.times_at(before), windows.times_at(before + 1)
    if counter:
        low = np.where(high < low, 0.0, low)
    between: Floats = low + (high - low) * (at_ms - low_ms) / (high_ms - low_ms)
    return between


def extended_rate(window: Extended, *, is_counter: bool, is_rate: bool) -> tuple[Floats, Bools]:
    """rate, increase or delta between the exact ends."""
    result = window.right - window.left
    if is_counter:
        inner, empty = window.inner, window.empty
        newest = np.where(empty, window.left, inner.at(inner.hi - 1))
        oldest = np.where(empty, window.right, inner.at(inner.lo))
        # In the order of time, so that infinities meet as in Prometheus.
        fallen = np.where(oldest < window.left, window.left, 0.0)
        add_reset_values(inner, fallen)
        fallen = fallen + np.where(~empty & (window.right < newest), newest, 0.0)
        result = result + fallen
    if is_rate:
        result = result / (window.inner.range_ms / 1000.0)
    return result, window.valid


def extended_events(
    window: Extended, event: Callable[[Floats, Floats], Bools]
) -> tuple[Floats, Bools]:
    """The number of events between successive values: the left end, the samples between, and the
    right end. event: (values before, values after)."""
    inner, empty = window.inner, window.empty
    values = inner.values
    between, _ = count_between(inner, event(values[..., :-1], values[..., 1:]))
    first = event(window.left, np.where(empty, window.right, inner.at(inner.lo)))
    last = event(inner.at(inner.hi - 1), window.right)
    counted = np.where(empty, 0.0, between) + first + np.where(empty, 0.0, last)
    return counted, window.valid
