"""Whether a series changed at the start of an incident."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from novaql.server.postmortems.evidence import SeriesFact

UNCHANGED = "unchanged"
_RELATIVE = 0.1
"""The part of a value by which it varies without being a change."""


def movement(
    labels: Mapping[str, str], times_ms: Sequence[int], values: Sequence[float], start_ms: int
) -> SeriesFact:
    """Compare the values from the start on with those before it.

    A series rose or fell if a value from the start on is outside of the range before it by more
    than half of that range, and by more than a tenth of its largest value.
    """
    points = [(t, v) for t, v in zip(times_ms, values, strict=True) if math.isfinite(v)]
    before = [value for at, value in points if at < start_ms]
    after = [value for at, value in points if at >= start_ms]
    if not before or not after:
        extreme = max(after, key=abs) if after else None
        direction = UNCHANGED if before == after else "appeared" if after else "disappeared"
        return SeriesFact(labels, _median(before), _median(after), extreme, direction)
    low, high = min(before), max(before)
    margin = max((high - low) / 2, _RELATIVE * max(abs(low), abs(high)))
    up, down = max(after) - high, low - min(after)
    direction, extreme = ("rose", max(after)) if up >= down else ("fell", min(after))
    if max(up, down) <= margin:
        direction = UNCHANGED
    return SeriesFact(labels, _median(before), _median(after), extreme, direction)


def size(series: SeriesFact) -> float:
    """How far a series moved, for an order of series: relative to its value before."""
    if series.direction == UNCHANGED:
        return 0.0
    if series.before is None or series.extreme is None:
        return math.inf
    scale = max(abs(series.before), abs(series.extreme)) or 1.0
    return abs(series.extreme / scale - series.before / scale)


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
