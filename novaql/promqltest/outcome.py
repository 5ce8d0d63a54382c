"""The outcome of a query, in the terms of the test scripts."""

from __future__ import annotations

from novaql.fast_dataclass import dataclass
from novaql.model.float_histogram import FloatHistogram
from novaql.model.histogram_columns import histogram_at
from novaql.model.label_set import Labels, labels_of
from novaql.result import Points, Result, ResultKind

Sample = float | FloatHistogram


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result as plain values.

    series    label set → time in milliseconds → sample, in the order of the result
    repeated  label sets that occur more than once (never in a correct result)
    """

    kind: ResultKind
    series: dict[Labels, dict[int, Sample]]
    repeated: tuple[Labels, ...] = ()
    text: str | None = None
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()

    @property
    def scalar(self) -> Sample | None:
        """The one number of a scalar result."""
        if self.kind is not ResultKind.SCALAR:
            return None
        return next(iter(self.series[()].values()))

    def at(self, time_ms: int) -> Outcome:
        """The points at one time, as an instant query would return them."""
        picked = {
            labels: {time_ms: samples[time_ms]}
            for labels, samples in self.series.items()
            if time_ms in samples
        }
        return Outcome(ResultKind.VECTOR, picked, self.repeated)

    @property
    def sorted(self) -> bool:
        """Whether the series are in the order of their labels."""
        keys = [[(n.encode(), v.encode()) for n, v in labels] for labels in self.series]
        return keys == sorted(keys)


def outcome_of(result: Result) -> Outcome:
    """The values of a result."""
    series: dict[Labels, dict[int, Sample]] = {}
    repeated: list[Labels] = []
    points = result.points()
    samples = _samples(points)
    times, bounds = points.times_ms.tolist(), points.offsets.tolist()
    for label_set, first, last in zip(result.series, bounds[:-1], bounds[1:], strict=True):
        labels = labels_of(label_set)
        if labels in series:
            repeated.append(labels)
        series[labels] = dict(zip(times[first:last], samples[first:last], strict=True))
    return Outcome(result.kind, series, tuple(repeated), result.text, result.warnings, result.infos)


def _samples(points: Points) -> list[Sample]:
    values: list[Sample] = points.values.tolist()
    if points.native is not None:
        for place, number in enumerate(points.native.which.tolist()):
            if number >= 0:
                values[place] = histogram_at(points.native.histograms, number)
    return values
