"""Counter reset hints as Prometheus's storage returns them.

The storage does not retain hints as written. A gauge histogram is returned as one. Of counter
histograms the first of each chunk is returned as unknown, every later one as no reset; a chunk ends
where the type of the sample changes, at a staleness marker (a float), at a reset, and where the
layout changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from novaql.model.float_histogram import FloatHistogram, ResetHint, populations

Stored = float | FloatHistogram


def with_stored_hints(samples: Mapping[int, Stored]) -> dict[int, FloatHistogram]:
    """The histograms among the samples of one series, with the hints that storage would return."""
    out: dict[int, FloatHistogram] = {}
    before: Stored | None = None
    for time, sample in sorted(samples.items()):
        if isinstance(sample, FloatHistogram):
            out[time] = replace(sample, hint=_stored_hint(sample, before))
        before = sample
    return out


def _stored_hint(now: FloatHistogram, before: Stored | None) -> ResetHint:
    if now.hint is ResetHint.GAUGE:
        return ResetHint.GAUGE
    if not isinstance(before, FloatHistogram) or before.hint is ResetHint.GAUGE:
        return ResetHint.UNKNOWN
    if now.hint is ResetHint.RESET or not continues(before, now):
        return ResetHint.UNKNOWN
    return ResetHint.NOT_RESET


def continues(before: FloatHistogram, now: FloatHistogram) -> bool:
    """Whether `now` can follow `before` in a chunk: same layout, nothing has decreased."""
    same_layout = (
        before.schema == now.schema
        and before.zero_threshold == now.zero_threshold
        and before.custom_values == now.custom_values
    )
    if not same_layout or now.count < before.count or now.zero_count < before.zero_count:
        return False
    for old, new in ((before.positive, now.positive), (before.negative, now.negative)):
        counts = populations(new)
        if any(counts.get(index, 0.0) < count for index, count in populations(old).items()):
            return False
    return True
