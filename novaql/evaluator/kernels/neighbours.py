"""Functions of successive samples of a window, and of its first and last sample.

Each takes `Windows` and returns (values [S, J], valid), valid shaped to broadcast against values.
Only samples in the window are used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels.extended import Extended, extended_rate
from novaql.evaluator.kernels.over_time import sum_over_time
from novaql.evaluator.kernels.rate import add_reset_values, count_between
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows

PlainKernel = Callable[[Windows], tuple[Floats, Bools]]
Term = Callable[[Floats, Floats, Floats], Floats]
"""(values, next values, seconds between them) → the term of each pair."""


def rise(before: Floats, after: Floats, seconds: Floats) -> Floats:  # noqa: ARG001 - a `Term`
    return np.where(after > before, after - before, 0.0)


def fall(before: Floats, after: Floats, seconds: Floats) -> Floats:  # noqa: ARG001 - a `Term`
    return np.where(after < before, before - after, 0.0)


def reset(before: Floats, after: Floats, seconds: Floats) -> Floats:  # noqa: ARG001 - a `Term`
    """The decrease of a counter at a reset."""
    return np.where(after < before, before, 0.0)


def area(before: Floats, after: Floats, seconds: Floats) -> Floats:  # noqa: ARG001 - a `Term`
    """A value that holds until the next sample."""
    return before * seconds


def change(before: Floats, after: Floats, seconds: Floats) -> Floats:  # noqa: ARG001 - a `Term`
    return after - before


def slope(before: Floats, after: Floats, seconds: Floats) -> Floats:
    return (after - before) / seconds


def growth(before: Floats, after: Floats, seconds: Floats) -> Floats:  # noqa: ARG001 - a `Term`
    """The difference of a counter, which may have fallen to 0 in between."""
    return np.where(after < before, after, after - before)


def speed(before: Floats, after: Floats, seconds: Floats) -> Floats:
    return growth(before, after, seconds) / seconds


def gap(before: Floats, after: Floats, seconds: Floats) -> Floats:  # noqa: ARG001 - a `Term`
    return np.broadcast_to(seconds, before.shape)


def with_terms(windows: Windows, term: Term) -> Windows:
    """The windows over the term of each sample with the one before, without the first sample.

    A window of a single sample remains as it is: its answer must not be used.
    """
    values, seconds = windows.values, np.diff(windows.times) / 1000.0
    terms = np.zeros(values.shape)
    terms[..., 1:] = term(values[..., :-1], values[..., 1:], seconds)
    lo = np.maximum(np.minimum(windows.lo + 1, windows.hi - 1), windows.lo)
    return replace(windows, values=terms, lo=lo)


def of_pairs(windows: Windows, term: Term, kernel: PlainKernel) -> tuple[Floats, Bools]:
    """A kernel over the terms of the pairs of neighbours in each window; two samples are needed."""
    return kernel(with_terms(windows, term))[0], windows.counts >= 2


def sum_between(windows: Windows, term: Term) -> tuple[Floats, Bools]:
    """The sum over all pairs of neighbours; 0 with a single sample."""
    total, several = of_pairs(windows, term, sum_over_time)
    return np.where(several, total, 0.0), windows.counts > 0


def increases(windows: Windows) -> tuple[Floats, Bools]:
    """The number of increases of the value."""
    return count_between(windows, windows.values[..., 1:] > windows.values[..., :-1])


def integrate(windows: Windows) -> tuple[Floats, Bools]:
    """Value × seconds, each sample until the next one, the last one until the window's end."""
    rest = (windows.ends_ms - windows.times_at(windows.hi - 1)) / 1000.0
    whole, valid = sum_between(windows, area)
    return whole + windows.last() * rest, valid


def integrate_from_before(window: Extended) -> tuple[Floats, Bools]:
    """The same of the whole window, which begins with the value at its left end, if that is known.

    A sample at the right end counts for no time.
    """
    inner, empty = window.inner, window.empty
    start_ms = inner.ends_ms - inner.range_ms
    first_ms = np.where(empty, inner.ends_ms, inner.times_at(inner.lo))
    before = np.where(window.begun, window.left * ((first_ms - start_ms) / 1000.0), 0.0)
    inside, _ = integrate(inner)
    return np.where(empty, before, before + inside), window.valid


def last_gap(windows: Windows) -> Floats:
    """Seconds between the last two samples, shaped like lo."""
    seconds: Floats = (windows.times_at(windows.hi - 1) - windows.times_at(windows.hi - 2)) / 1000.0
    return seconds


def ideriv(windows: Windows) -> tuple[Floats, Bools]:
    """Change per second between the last two samples."""
    change = windows.last() - windows.at(windows.hi - 2)
    return change / last_gap(windows), windows.counts >= 2


def delta(windows: Windows) -> tuple[Floats, Bools]:
    """The last value less the first."""
    return windows.last() - windows.first(), windows.counts >= 2


def deriv_fast(windows: Windows) -> tuple[Floats, Bools]:
    """The same per second between the two."""
    seconds = (windows.times_at(windows.hi - 1) - windows.times_at(windows.lo)) / 1000.0
    return delta(windows)[0] / seconds, windows.counts >= 2


def increase(windows: Windows) -> tuple[Floats, Bools]:
    """The increase of a counter: resets are corrected, without extrapolation."""
    found = windows.last() - windows.first()
    add_reset_values(windows, found)
    return found, windows.counts >= 2


def increase_pure(windows: Windows) -> tuple[Floats, Bools]:
    """The increase of samples without any before the window, whose start is unknown."""
    return increase(windows)[0], windows.counts > 0


def increase_from_before(window: Extended) -> tuple[Floats, Bools]:
    """From the last sample at or before the window; a counter without one began at 0."""
    found, valid = extended_rate(window, is_counter=True, is_rate=False)
    return np.where(window.begun, found, found + window.left), valid


def last_change(windows: Windows) -> tuple[Floats, Bools]:
    """Unix seconds of the sample with which the newest value began; none without a change."""
    values = windows.values
    if values.size == 0:
        return np.zeros(windows.shape), np.zeros(windows.lo.shape, np.bool_)
    before, after = values[..., :-1], values[..., 1:]
    place = np.zeros(values.shape, np.int64)
    differs = (before != after) & ~(np.isnan(before) & np.isnan(after))
    place[..., 1:] = np.where(differs, np.arange(1, values.shape[-1]), 0)
    begun: Ints = np.maximum.accumulate(place, axis=-1)
    begun = begun.take(windows.hi - 1, axis=-1, mode="clip")
    return windows.times[begun] / 1000.0, begun > windows.lo
