"""Ranges with exact ends: `anchored` and `smoothed`, over floats."""

from __future__ import annotations

from itertools import pairwise

from tests.support.reference.values import Sample, UnsureError

Floats = list[tuple[int, float]]


def smoothed_at(samples: list[Sample], at_ms: int, lookback_ms: int) -> float | None:
    """The value on the line between the neighbours, or the last one where none follows."""
    before: tuple[int, float] | None = None
    for moment, value in samples:
        if not isinstance(value, float):
            raise UnsureError("a line between histograms")
        if moment <= at_ms:
            before = (moment, value) if moment > at_ms - lookback_ms else None
        elif moment <= at_ms + lookback_ms:
            return None if before is None else _between(before, (moment, value), at_ms)
    return None if before is None else before[1]


def _between(a: tuple[int, float], b: tuple[int, float], at_ms: int) -> float:
    return a[1] + (b[1] - a[1]) * (at_ms - a[0]) / (b[0] - a[0])


def rolled(
    name: str, samples: Floats, end_ms: int, range_ms: int, lookback_ms: int, *, smoothed: bool
) -> float | None:
    """rate, increase, delta, resets or changes between the values at the two ends."""
    start = end_ms - range_ms
    far = end_ms + lookback_ms if smoothed else end_ms
    seen = [s for s in samples if start - lookback_ms < s[0] <= far]
    counter = name in ("rate", "increase")
    before = [s for s in seen if s[0] <= start]
    inside = [s for s in seen if start < s[0] <= end_ms]
    after = [s for s in seen if s[0] > end_ms]
    if not inside and not (smoothed and after):
        return None
    chain = [value for _, value in inside]
    if before:
        first = before[-1][1]
        follower = (inside or after)[0]
        if smoothed and before[-1][0] < start:
            begin = 0.0 if counter and follower[1] < first else first
            first = _between((before[-1][0], begin), follower, start)
        chain = [first, *chain]
    elif not inside:  # Prometheus takes the value that follows for both ends
        chain = [after[0][1], after[0][1]]
    if smoothed and after and (before or inside) and (not inside or inside[-1][0] < end_ms):
        last = (inside or before)[-1]
        top = after[0][1] + (last[1] if counter and after[0][1] < last[1] else 0.0)
        chain = [*chain, _between(last, (after[0][0], top), end_ms)]
    if name == "resets":
        return float(sum(b < a for a, b in pairwise(chain)))
    if name == "changes":
        return float(sum(b != a and not (a != a and b != b) for a, b in pairwise(chain)))
    change = chain[-1] - chain[0]
    if counter:
        change += sum(a for a, b in pairwise(chain) if b < a)
    return change / (range_ms / 1000) if name == "rate" else change
