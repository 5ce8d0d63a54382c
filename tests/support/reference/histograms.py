"""Quantiles and fractions of classic histograms (floats with an `le` label) and of native ones."""

from __future__ import annotations

import math
from collections.abc import Callable

from tests.support import plain_histograms
from tests.support.reference import native
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
    """Classic and native histograms with the same labels: neither has a result."""
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
    """Elements grouped by all labels but `le`; a name on its way out stays part of the group."""
    groups: dict[object, tuple[dict[str, str], Buckets]] = {}
    for element in floats(vector):
        try:
            bound = float(element.labels.get("le", ""))
        except ValueError:
            continue
        labels = without(element.labels, "le")
        key = tuple(sorted(labels.items()))
        groups.setdefault(key, (labels, []))[1].append((bound, element.number))
    return [(labels, NAME in labels, _tidy(buckets)) for labels, buckets in groups.values()]


def _tidy(buckets: Buckets) -> Buckets:
    """Sorted, equal bounds added up, counts never decreasing."""
    merged: dict[float, float] = {}
    for bound, count in buckets:
        merged[bound] = merged.get(bound, 0.0) + count
    out: Buckets = []
    for bound, count in sorted(merged.items()):
        if out:
            before = out[-1][1]
            noise = abs(before - count) <= 1e-12 * (abs(before) + abs(count))
            if noise or count < before:
                count = before
        out.append((bound, count))
    return out


def _usable(buckets: Buckets) -> bool:
    whole = len(buckets) >= 2 and buckets[-1][0] == math.inf
    return whole and buckets[-1][1] != 0 and not math.isnan(buckets[-1][1])


def quantile_of(q: float, buckets: Buckets) -> float:
    if math.isnan(q):
        return math.nan
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    if not _usable(buckets):
        return math.nan
    rank = q * buckets[-1][1]
    place = next(i for i, (_, count) in enumerate(buckets) if count >= rank)
    bound, count = buckets[place]
    if place == len(buckets) - 1:
        return buckets[-2][0]
    if place == 0 and bound <= 0:
        return bound
    low, below = buckets[place - 1] if place else (0.0, 0.0)
    inside = count - below
    if inside == 0:
        return math.nan if rank == below else math.inf
    return low + (bound - low) * (rank - below) / inside


def fraction_of(low: float, high: float, buckets: Buckets) -> float:
    if not _usable(buckets) or math.isnan(low) or math.isnan(high):
        return math.nan
    if low >= high:
        return 0.0
    return (_rank(high, buckets) - _rank(low, buckets)) / buckets[-1][1]


def _rank(x: float, buckets: Buckets) -> float:
    """How many observations lie below x, linear inside a bucket of finite width."""
    below, low = 0.0, (-math.inf if buckets[0][0] <= 0 else 0.0)
    for bound, count in buckets:
        if x <= low:
            return below
        if x < bound:
            if math.isinf(low):
                return count
            if math.isinf(bound):
                return below
            return below + (count - below) * (x - low) / (bound - low)
        below, low = count, bound
    return below
