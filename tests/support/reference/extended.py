"""Ranges with exact ends: `anchored` and `smoothed`, over floats."""

from __future__ import annotations

from itertools import pairwise

from tests.support.reference.values import Sample, UnsureError

Floats = list[tuple[int, float]]


def smoothed_at(samples: list[Sample], at_ms: int, lookback_ms: int) -> float | None:
    """The value on the line between the neighbours, or the last one where none follows."""
    around = [v for t, v in samples if at_ms - lookback_ms < t <= at_ms + lookback_ms]
    kinds = {isinstance(value, float) for value in around}
    if len(kinds) == 2:
        return None
    if False in kinds:
        raise UnsureError("a line between histograms")
    before: tuple[int, float] | None = None
    for moment, value in samples:
        if not isinstance(value, float):
            continue
        if moment <= at_ms:
            before = (moment, value) if moment > at_ms - lookback_ms else None
        elif moment <= at_ms + lookback_ms:
            if before is None or before[0] == at_ms:
                break
            return _between(before, (moment, value), at_ms)
    return None if before is None else before[1]


def _between(
    a: tuple[int, float], b: tuple[int, float], at_ms: int, *, counter: bool = False
) -> float:
    """The value on the line; after a reset, a counter rises from zero."""
    low = 0.0 if counter and b[1] < a[1] else a[1]
    return low + (b[1] - low) * (at_ms - a[0]) / (b[0] - a[0])


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
    if not inside and not (before and after):
        return None
    chain = [value for _, value in inside if _ < end_ms] if smoothed else [v for _, v in inside]
    if before:
        left = before[-1][1]
        if smoothed and before[-1][0] < start:
            left = _between(before[-1], (inside or after)[0], start, counter=counter)
    else:
        left = inside[0][1]
    right = inside[-1][1] if inside else left
    if smoothed and after and (not inside or inside[-1][0] < end_ms):
        right = _between((inside or before)[-1], after[0], end_ms, counter=counter)
    chain = [left, *chain, right]
    if name == "resets":
        return float(sum(b < a for a, b in pairwise(chain)))
    if name == "changes":
        return float(sum(b != a and not (a != a and b != b) for a, b in pairwise(chain)))
    change = chain[-1] - chain[0]
    if counter:
        change += sum(a for a, b in pairwise(chain) if b < a)
    return change / (range_ms / 1000) if name == "rate" else change
