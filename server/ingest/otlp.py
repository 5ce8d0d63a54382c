"""Convert OTLP metrics to a batch, with Prometheus's mapping to names, labels and series."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from decimal import Decimal
from typing import Any

import numpy as np
import orjson

from novaql import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs import USUAL_LIMITS, LabelLimits, Side, WireHistogram, columns_of, out_of_range
from novaql.server.ingest.delta import DeltaProblem, DeltaRequest, buckets
from novaql.server.ingest.otlp_checks import check_point
from novaql.server.ingest.otlp_names import label_name, metric_name, unit_words
from novaql.server.ingest.otlp_values import Message, float_of, unrecorded
from novaql.text import excerpt, number_text
from novaql.tsdb import (
    FIRST_SAMPLE_MS,
    LAST_SAMPLE_MS,
    MAX_SCHEMA,
    METRIC_NAME,
    STALE,
    Batch,
    HistogramSamples,
    Metadata,
    SeriesTable,
)

_DELTA = (1, "AGGREGATION_TEMPORALITY_DELTA")
_CUMULATIVE = (2, "AGGREGATION_TEMPORALITY_CUMULATIVE")
KINDS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
TARGET_METADATA = Metadata("gauge", "Target metadata")
_IDENTITY = ("service.name", "service.namespace", "service.instance.id")
Labels = dict[str, str]
Samples = list[tuple[Labels, float | WireHistogram]]
"""The samples of a point, with the labels of their series."""
_Floats = Iterator[tuple[Labels, Any]]
_SHAPELESS = (AttributeError, TypeError, ValueError, KeyError, OverflowError, RecursionError)


@dataclass(slots=True)
class Converted:
    """Converted points. rejected: number of omitted points; reason: that of the first one"""

    series: dict[frozenset[tuple[str, str]], int] = field(default_factory=dict)
    labels: list[Labels] = field(default_factory=list)
    samples: list[tuple[int, int, float, int]] = field(default_factory=list)
    histograms: list[tuple[int, WireHistogram, int]] = field(default_factory=list)
    metadata: dict[str, Metadata] = field(default_factory=dict)
    limits: LabelLimits = USUAL_LIMITS
    names: set[str] = field(default_factory=set)
    rejected: int = 0
    reason: str = ""

    def check(self, samples: Samples) -> list[tuple[frozenset[tuple[str, str]], Labels]]:
        """Return the keys and the labels of the series. Raises `InputError` for labels that are
        too large."""
        found = []
        for labels, _ in samples:
            nonempty = {name: value for name, value in labels.items() if value}
            key = frozenset(nonempty.items())
            if key not in self.series:
                self.limits.check(nonempty)
            found.append((key, nonempty))
        return found

    def add(self, samples: Samples, time_ms: int, start_ms: int) -> None:
        """Add the samples of a point. Raises `InputError`, and adds none of them, if the labels of
        one are too large."""
        for (key, labels), (_, value) in zip(self.check(samples), samples, strict=True):
            row = self.series.setdefault(key, len(self.labels))
            if row == len(self.labels):
                self.labels.append(labels)
                self.names.update(labels)
                self.limits.check_table(len(self.labels), len(self.names))
            if isinstance(value, WireHistogram):
                self.histograms.append((row, value, start_ms))
            else:
                self.samples.append((row, time_ms, value, start_ms))

    def reject(self, points: int, reason: str) -> None:
        self.rejected += points
        self.reason = self.reason or excerpt(reason)

    def batch(self) -> Batch:
        rows, times, values, starts = zip(*self.samples, strict=True) if self.samples else ((),) * 4
        native = None
        if self.histograms:
            native_starts = np.array([start for _, _, start in self.histograms], np.int64)
            native = HistogramSamples(
                np.array([row for row, _, _ in self.histograms], np.int64),
                np.array([one.time for _, one, _ in self.histograms], np.int64),
                columns_of([one for _, one, _ in self.histograms]),
                native_starts if native_starts.any() else None,
            )
        began = np.array(starts, np.int64)
        return Batch(
            SeriesTable.from_dicts(self.labels),
            np.array(rows, np.int64),
            np.array(times, np.int64),
            np.array(values, np.float64),
            native,
            began if began.any() else None,
        )


def convert(
    request: Message, deltas: DeltaRequest | None = None, limits: LabelLimits = USUAL_LIMITS
) -> Converted:
    """Convert all points of a request. Rejects points that cannot be stored.

    deltas  sums for points of delta temporality; None: these points are rejected

    Raises `LimitExceeded`, and `InputError` for a request that is not valid OTLP or has a time out
    of range.
    """
    out = Converted(limits=limits)
    try:
        for of_resource in request.get("resourceMetrics", ()):
            _resource(of_resource, out, deltas)
    except _SHAPELESS as problem:
        reason = excerpt(str(problem))
        raise InputError(f"the request is not of OTLP's shape: {reason}") from problem
    return out


def resource_labels(resource: Message) -> tuple[Labels, Labels | None]:
    """The labels of a resource's series, and those of its `target_info`; None: it has none."""
    attributes = _attributes(resource.get("attributes", ()))
    name, namespace = attributes.get("service.name", ""), attributes.get("service.namespace", "")
    named = {
        "job": f"{namespace}/{name}" if namespace and name else name,
        "instance": attributes.get("service.instance.id", ""),
    }
    # An absent one must not replace an attribute of that name of a point.
    identity = {label: value for label, value in named.items() if value}
    others = {k: v for k, v in attributes.items() if k not in _IDENTITY}
    if others and identity:
        return identity, {METRIC_NAME: "target_info", **_labels(others), **identity}
    return identity, None


def _resource(message: Message, out: Converted, deltas: DeltaRequest | None) -> None:
    identity, labels = resource_labels(message.get("resource", {}))
    target: Samples = [] if labels is None else [(labels, 1.0)]
    scopes = message.get("scopeMetrics", ())
    metrics = [metric for scope in scopes for metric in scope.get("metrics", ())]
    try:
        out.check(target)
    except InputError as problem:
        points = sum(len(_points_of(metric)[1].get("dataPoints", ())) for metric in metrics)
        out.reject(points, f"the resource: {problem}")
        return
    before = len(out.samples), len(out.histograms)
    for metric in metrics:
        _metric(metric, identity, out, deltas)
    times = [s[1] for s in out.samples[before[0] :]]
    times += [h[1].time for h in out.histograms[before[1] :]]
    if target and times:
        out.add(target, max(times), 0)
        out.metadata["target_info"] = TARGET_METADATA


def _points_of(metric: Message) -> tuple[str, Message]:
    """The kind of a metric, and the message with its points; empty for an unknown kind."""
    kind = next((kind for kind in KINDS if kind in metric), "")
    return kind, metric.get(kind, {})


def is_cumulative(kind: str, temporality: Any) -> bool:
    """Whether the values of a metric are stored as they are; False: they are deltas. Raises
    `InputError` if it has to have a temporality, and has none."""
    if kind not in ("sum", "histogram", "exponentialHistogram") or temporality in _CUMULATIVE:
        return True
    if temporality in _DELTA:
        return False
    raise InputError("its temporality is unspecified")


def described(metric: Message, kind: str, *, monotonic: bool) -> tuple[str, Metadata]:
    """The name of a metric's series, and their metadata."""
    counter = kind == "sum" and monotonic
    gauge = kind == "gauge" or (kind == "sum" and not counter)
    unit = _text_in(metric, "unit")
    name = metric_name(metric["name"], unit, counter=counter, gauge=kind == "gauge")
    type_ = "counter" if counter else "gauge" if gauge else "summary" if kind == "summary" else (
        "histogram"
    )  # fmt: skip
    words = unit_words(unit.partition("/")[0])
    return name, Metadata(type_, _text_in(metric, "description"), words)


def _metric(metric: Message, identity: Labels, out: Converted, deltas: DeltaRequest | None) -> None:
    kind, data = _points_of(metric)
    points = data.get("dataPoints", ())
    if not metric.get("name"):
        out.reject(len(points), "a metric has no name")
        return
    try:
        is_delta = not is_cumulative(kind, data.get("aggregationTemporality"))
    except InputError as problem:
        out.reject(len(points), f"{metric['name']}: {problem}")
        return
    sums = deltas if is_delta else None
    if is_delta and sums is None:
        out.reject(len(points), f"{metric['name']}: only cumulative values are stored")
        return
    name, metadata = described(metric, kind, monotonic=bool(data.get("isMonotonic")))
    for given in points:
        point, times = given, _times(given)
        labels = point_labels(point, identity)
        try:
            check_point(kind, point)
            if sums is not None:
                out.check(point_samples(kind, name, point, labels))  # before it changes a sum
                point = sums.cumulative((name, kind, frozenset(labels.items())), kind, point)
                times = _times(point)
            out.add(point_samples(kind, name, point, labels), *times)
        except (InputError, DeltaProblem) as problem:
            out.reject(1, f"{name}: {problem}")
        else:
            out.metadata[name] = metadata


def point_labels(point: Message, identity: Labels) -> Labels:
    """The labels that all series of a point have, besides the name."""
    if "attributes" not in point:
        return identity
    return _labels(_attributes(point["attributes"])) | identity


def _text_in(metric: Message, field: str) -> str:
    """A field with a text; null is the empty text. Raises one of `_SHAPELESS`."""
    text: str = metric.get(field) or ""
    text.encode()  # raises for another type and for a lone surrogate
    return text


def point_samples(kind: str, name: str, point: Message, labels: Labels) -> Samples:
    """The samples of a point; staleness markers, if it has no value."""
    ended = unrecorded(point)
    if kind in _ONE_SAMPLE:
        return [({**labels, METRIC_NAME: name}, STALE if ended else _ONE_SAMPLE[kind](point))]
    return [
        ({**labels, **more}, STALE if ended else float_of(value))
        for more, value in _SEVERAL_SAMPLES[kind](name, point)
    ]


def _number(point: Message) -> float:
    return float_of(point["asDouble"]) if "asDouble" in point else float(int(point.get("asInt", 0)))


def _classic(name: str, point: Message) -> _Floats:
    bounds = [float_of(bound) for bound in point.get("explicitBounds", ())]
    so_far = 0
    for bound, count in zip(bounds, point.get("bucketCounts", ()), strict=False):
        so_far += int(count)
        if bound < np.inf:
            yield {"le": _plain(bound), METRIC_NAME: f"{name}_bucket"}, so_far
    yield {"le": "+Inf", METRIC_NAME: f"{name}_bucket"}, int(point.get("count", 0))
    yield from _sum_and_count(name, point)


def _summary(name: str, point: Message) -> _Floats:
    for found in point.get("quantileValues", ()):
        quantile = _plain(float_of(found.get("quantile", 0)))
        yield {"quantile": quantile, METRIC_NAME: name}, found.get("value", 0)
    yield from _sum_and_count(name, point)


def _sum_and_count(name: str, point: Message) -> _Floats:
    if "sum" in point:
        yield {METRIC_NAME: f"{name}_sum"}, point["sum"]
    yield {METRIC_NAME: f"{name}_count"}, int(point.get("count", 0))


def _exponential(point: Message) -> WireHistogram:
    scale = min(int(point.get("scale", 0)), MAX_SCHEMA)
    positive, negative = (_side(point, side, scale) for side in ("positive", "negative"))
    return WireHistogram(
        _times(point)[0], scale, 0, float(int(point.get("count", 0))),
        float_of(point.get("sum", 0)), float(int(point.get("zeroCount", 0))),
        float_of(point.get("zeroThreshold", 0)), negative, positive, (), stale=False,
    )  # fmt: skip


_ONE_SAMPLE: dict[str, Callable[[Message], float | WireHistogram]] = {
    "gauge": _number,
    "sum": _number,
    "exponentialHistogram": _exponential,
}
_SEVERAL_SAMPLES = {"histogram": _classic, "summary": _summary}


def _side(point: Message, side: str, scale: int) -> Side:
    """Convert buckets: Prometheus numbers a bucket by its upper bound, OTLP by its lower one."""
    found = buckets(point, side, scale).items()
    return sorted((number + 1, float(count)) for number, count in found)


def _times(point: Message) -> tuple[int, int]:
    """Time and start of a point. Raises `InputError`."""
    time_ms = int(point.get("timeUnixNano", 0)) // 1_000_000
    start_ms = int(point.get("startTimeUnixNano", 0)) // 1_000_000
    for one in (time_ms, start_ms):
        if not FIRST_SAMPLE_MS <= one <= LAST_SAMPLE_MS:
            raise out_of_range(one)
    return time_ms, start_ms


def _plain(number: float) -> str:
    finite = np.isfinite(number)
    return f"{Decimal(repr(number)).normalize():f}" if finite else number_text(number)


def _labels(attributes: Mapping[str, str]) -> Labels:
    """Convert attributes to labels. Joins values of attributes with the same label name by `;`, in
    order of the attributes' names."""
    out: Labels = {}
    for name in sorted(attributes):
        label = label_name(name)
        value = attributes[name]
        out[label] = f"{out[label]};{value}" if label in out else value
    return out


def _attributes(pairs: Iterable[Message]) -> dict[str, str]:
    return {pair["key"]: _text(pair.get("value", {})) for pair in pairs if pair.get("key")}


def _text(value: Message) -> str:
    if "stringValue" in value:
        return str(value["stringValue"])
    if "boolValue" in value:
        return "true" if value["boolValue"] else "false"
    if "intValue" in value:
        return str(int(value["intValue"]))
    if "doubleValue" in value:
        return _plain(float_of(value["doubleValue"]))
    if "bytesValue" in value:
        return str(_data(value))
    plain = _data(value)
    return "" if plain is None else orjson.dumps(plain).decode()


def _data(value: Message) -> Any:
    if "arrayValue" in value:
        return [_data(one) for one in value["arrayValue"].get("values", ())]
    if "kvlistValue" in value:
        pairs = value["kvlistValue"].get("values", ())
        return {pair["key"]: _data(pair.get("value", {})) for pair in pairs}
    if "intValue" in value:
        return int(value["intValue"])
    found = next(iter(value.values()), None)
    return base64.b64encode(found).decode() if isinstance(found, bytes) else found  # as in JSON
