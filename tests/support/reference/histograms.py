"""Quantiles and fractions of classic histograms (floats with an `le` label) and of native ones."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

from tests.support.histograms import plain_histograms
from tests.support.reference import native
from tests.support.reference.numbers import divide
from tests.support.reference.values import NAME, Element, Notes, Vector, floats, without

Buckets = list[tuple[float, float]]
"""(upper bound, cumulative count), bounds increasing."""


def histogram_quantile(q: float, vector: Vector, notes: Notes) -> Vector:
    return _of_both(
        vector,
        lambda buckets: quantile_of(q, buckets),
        lambda element: native.quantile(element, q, notes),
        notes,
    )


def histogram_fraction(low: float, high: float, vector: Vector, notes: Notes) -> Vector:
    def of_native(element: Element) -> float:
        return native.of_histograms([element], lambda h: plain_histograms.fraction(h, low, high))[
            0
        ].number

    return _of_both(vector, lambda buckets: fraction_of(low, high, buckets), of_native, notes)


def _of_both(
    vector: Vector,
    of_classic: Callable[[Buckets], float],
    of_native: Callable[[Element], float],
    notes: Notes,
) -> Vector:
    """If a classic and a native histogram have the same labels, neither has a result."""
    classic = _histograms(vector)
    whole = [e for e in vector if e not in floats(vector)]
    both = {tuple(sorted(labels.items())) for labels, _, _ in classic} & {e.key for e in whole}
    for key in both:
        name = dict(key).get(NAME, "")
        of = f" for metric name {native.quoted(name)}" if name else ""
        notes.warn(f"vector contains a mix of classic and native histograms{of}")
    return [
        Element(labels, of_classic(buckets), nameless)
        for labels, nameless, buckets in classic
        if tuple(sorted(labels.items())) not in both
    ] + [Element(e.labels, of_native(e), nameless=True) for e in whole if e.key not in both]


def _histograms(vector: Vector) -> list[tuple[dict[str, str], bool, Buckets]]:
    """Elements grouped by all labels except `le`; a name that will be removed later is still part
    of the group."""
    groups: dict[object, tuple[dict[str, str], Buckets]] = {}
    for element in floats(vector):
        try:
            bound = float(element.labels.get("le", ""))
        except ValueError:
            continue
        labels = without(element.labels, "le")
        key = tuple(sorted(labels.items()))
        groups.setdefault(key, (labels, []))[1].append((bound, element.number))
    return [(labels, NAME in labels, _merged(buckets)) for labels, buckets in groups.values()]


def _merged(buckets: Buckets) -> Buckets:
    """Sorted, equal bounds added up."""
    merged: dict[float, float] = {}
    for bound, count in sorted(buckets):
        merged[bound] = merged[bound] + count if bound in merged else count
    return list(merged.items())


def _monotonic(buckets: Buckets) -> Buckets:
    """Counts that never decrease; NaN does not count as a decrease."""
    out = buckets[:1]
    for bound, count in buckets[1:]:
        before = out[-1][1]
        noise = abs(before - count) <= 1e-12 * min(abs(before) + abs(count), sys.float_info.max)
        out.append((bound, before if noise or count < before else count))
    return out


def quantile_of(q: float, buckets: Buckets) -> float:
    if math.isnan(q):
        return math.nan
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    buckets = _monotonic(buckets)
    if len(buckets) < 2 or buckets[-1][0] != math.inf or buckets[-1][1] == 0:
        return math.nan
    rank = q * buckets[-1][1]
    place, end = 0, len(buckets) - 1
    while place < end:  # by bisection: with NaN, the result depends on where it looks
        middle = (place + end) // 2
        if buckets[middle][1] >= rank:
            end = middle
        else:
            place = middle + 1
    bound, count = buckets[place]
    if place == len(buckets) - 1:
        return buckets[-2][0]
    if place == 0 and bound <= 0:
        return bound
    low, below = buckets[place - 1] if place else (0.0, 0.0)
    return low + (bound - low) * divide(rank - below, count - below)


def fraction_of(low: float, high: float, buckets: Buckets) -> float:
    count = buckets[-1][1]
    if buckets[-1][0] != math.inf or count == 0 or math.isnan(low) or math.isnan(high):
        return math.nan
    if low >= high:
        return 0.0
    return divide(_rank(high, buckets) - _rank(low, buckets), count)


def _rank(x: float, buckets: Buckets) -> float:
    """The number of observations below x, interpolated inside a bucket of finite width."""
    below, low = 0.0, (-math.inf if buckets[0][0] <= 0 else 0.0)
    rank = buckets[-1][1]
    for bound, count in buckets:
        if low >= x:
            rank = below
            break
        if low < x < bound:
            wide = math.isinf(bound)
            share = 0.0 if wide else (x - low) / (bound - low)
            rank = count if math.isinf(low) else below + (count - below) * share
            break
        below, low = count, bound
    return buckets[-1][1] if rank > buckets[-1][1] else rank
