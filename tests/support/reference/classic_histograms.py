"""Classic histograms as native ones, one by one: the reference of the conversion in columns."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from novaql.model.float_histogram import CUSTOM_SCHEMA, FloatHistogram, Span
from novaql.model.label_set import Labels, labels_of
from novaql.model.sample_notation import parse_float
from novaql.model.series_notation import NamedHint
from novaql.promqltest.script import SeriesValues

_SUFFIXES = ("_bucket", "_count", "_sum")


@dataclass(slots=True)
class _Parts:
    """The series of one classic histogram, by place: cumulative buckets by bound, sum, count."""

    buckets: dict[float, dict[int, float]] = field(default_factory=dict)
    sums: dict[int, float] = field(default_factory=dict)
    counts: dict[int, float] = field(default_factory=dict)
    line: int = 0

    def places(self) -> list[int]:
        found = {place for column in self.buckets.values() for place in column}
        return sorted(found | set(self.sums) | set(self.counts))

    def at(self, place: int) -> FloatHistogram:
        bounds = sorted(self.buckets)
        finite = tuple(bound for bound in bounds if not math.isinf(bound))
        cumulative = [self.buckets[bound].get(place, 0.0) for bound in finite]
        top = self.buckets.get(math.inf, {}).get(place)
        count = self.counts.get(place, top if top is not None else (cumulative or [0.0])[-1])
        total = count if top is None else top
        steps = [*cumulative, total]
        populations = tuple(
            now - before for now, before in zip(steps, [0.0, *steps[:-1]], strict=True)
        )
        return FloatHistogram(
            schema=CUSTOM_SCHEMA,
            count=count,
            sum=self.sums.get(place, 0.0),
            positive=(Span(0, populations),),
            custom_values=finite,
        )


def custom_bucket_series(series: Iterable[SeriesValues]) -> list[SeriesValues]:
    """Native series `x` for every `x_bucket`, `x_count`, `x_sum` with the same other labels."""
    groups: dict[Labels, _Parts] = {}
    for one in series:
        label_set = dict(one.labels)
        name = label_set.get("__name__", "")
        suffix = next((s for s in _SUFFIXES if name.endswith(s)), None)
        if suffix is None:
            continue
        floats = {place: item for place, item in enumerate(one.items) if isinstance(item, float)}
        bound = None
        if suffix == "_bucket":
            bound = parse_float(label_set.pop("le", ""))
            if bound is None or math.isnan(bound):
                continue
        label_set["__name__"] = name.removesuffix(suffix)
        parts = groups.setdefault(labels_of(label_set), _Parts(line=one.line))
        if bound is not None:
            parts.buckets[bound] = floats
        else:
            (parts.sums if suffix == "_sum" else parts.counts).update(floats)
    return [
        SeriesValues(labels, _items(parts), parts.line)
        for labels, parts in groups.items()
        if parts.buckets
    ]


def _items(parts: _Parts) -> tuple[NamedHint | None, ...]:
    places = set(parts.places())
    return tuple(
        NamedHint(parts.at(place), hint_given=False) if place in places else None
        for place in range(max(places, default=-1) + 1)
    )
