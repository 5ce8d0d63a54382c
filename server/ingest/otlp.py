"""Convert OTLP metrics to a batch, with Prometheus's mapping to names, labels and series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import orjson

from novaql import InputError
from novaql.inputs import USUAL_LIMITS, LabelLimits, Side, WireHistogram, columns_of, out_of_range
from novaql.server.ingest.delta import DeltaProblem, DeltaRequest, buckets
from novaql.server.ingest.otlp_names import label_name, metric_name, unit_words
from novaql.server.ingest.otlp_values import Message, float_of
from novaql.text import excerpt
from novaql.tsdb import (
    FIRST_SAMPLE_MS,
    LAST_SAMPLE_MS,
    MAX_SCHEMA,
    METRIC_NAME,
    MIN_SCHEMA,
    STALE,
    Batch,
    HistogramSamples,
    Metadata,
    SeriesTable,
)

_NO_VALUE = 1
_DELTA = (1, "AGGREGATION_TEMPORALITY_DELTA")
_CUMULATIVE = (2, "AGGREGATION_TEMPORALITY_CUMULATIVE")
_IDENTITY = ("service.name", "service.namespace", "service.instance.id")
Labels = dict[str, str]
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

    def add(self, labels: Labels, time_ms: int, value: float, start_ms: int) -> None:
        self.samples.append((self.row(labels), time_ms, value, start_ms))

    def row(self, labels: Labels) -> int:
        nonempty = {name: value for name, value in labels.items() if value}
        row = self.series.setdefault(frozenset(nonempty.items()), len(self.labels))
        if row == len(self.labels):
            self.limits.check(nonempty)
            self.labels.append(nonempty)
            self.names.update(nonempty)
            self.limits.check_table(len(self.labels), len(self.names))
        return row

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
    """Convert all points of a request.

    deltas  sums for points of delta temporality; None: these points are rejected

    Raises `LimitExceeded`, and `InputError` for a request that is not valid OTLP.
    """
    out = Converted(limits=limits)
    try:
        for of_resource in request.get("resourceMetrics", ()):
            _resource(of_resource, out, deltas)
    except _SHAPELESS as problem:
        if isinstance(problem, InputError):
            raise
        reason = excerpt(str(problem))
        raise InputError(f"the request is not of OTLP's shape: {reason}") from problem
    return out


def _resource(message: Message, out: Converted, deltas: DeltaRequest | None) -> None:
    attributes = _attributes(message.get("resource", {}).get("attributes", ()))
    name, namespace = attributes.get("service.name", ""), attributes.get("service.namespace", "")
    identity = {
        "job": f"{namespace}/{name}" if namespace and name else name,
        "instance": attributes.get("service.instance.id", ""),
    }
    before = len(out.samples), len(out.histograms)
    for scope in message.get("scopeMetrics", ()):
        for metric in scope.get("metrics", ()):
            _metric(metric, identity, out, deltas)
    others = {k: v for k, v in attributes.items() if k not in _IDENTITY}
    times = [s[1] for s in out.samples[before[0] :]]
    times += [h[1].time for h in out.histograms[before[1] :]]
    if others and any(identity.values()) and times:
        labels = {METRIC_NAME: "target_info", **_labels(others), **identity}
        out.add(labels, max(times), 1.0, 0)
        out.metadata["target_info"] = Metadata("gauge", "Target metadata")


def _metric(metric: Message, identity: Labels, out: Converted, deltas: DeltaRequest | None) -> None:
    kinds = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
    kind = next((k for k in kinds if k in metric), None)
    if kind is None:
        return
    data = metric[kind]
    points = data.get("dataPoints", ())
    temporality = data.get("aggregationTemporality")
    differs = kind in ("sum", "histogram", "exponentialHistogram")
    if differs and temporality not in (*_CUMULATIVE, *_DELTA):
        _reject(out, len(points), f"{metric.get('name')}: its temporality is unspecified")
        return
    sums = deltas if differs and temporality in _DELTA else None
    if differs and temporality in _DELTA and sums is None:
        _reject(out, len(points), f"{metric.get('name')}: only cumulative values are stored")
        return
    counter = kind == "sum" and bool(data.get("isMonotonic"))
    gauge = kind == "gauge" or (kind == "sum" and not counter)
    unit = metric.get("unit", "")
    name = metric_name(metric["name"], unit, counter=counter, gauge=kind == "gauge")
    type_ = "counter" if counter else "gauge" if gauge else "summary" if kind == "summary" else (
        "histogram"
    )  # fmt: skip
    words = unit_words(unit.partition("/")[0])
    out.metadata[name] = Metadata(type_, metric.get("description", ""), words)
    for given in points:
        point = given
        labels = identity
        if "attributes" in point:
            labels = _labels(_attributes(point["attributes"])) | identity
        scale = int(point.get("scale", 0))
        if kind == "exponentialHistogram" and scale < MIN_SCHEMA:  # before it changes a sum
            _reject(out, 1, f"{name}: the scale {scale} is below {MIN_SCHEMA}")
            continue
        if sums is not None:
            try:
                point = sums.cumulative((name, kind, frozenset(labels.items())), kind, point)
            except DeltaProblem as problem:
                _reject(out, 1, f"{name}: {problem}")
                continue
        if kind in ("gauge", "sum"):
            _number(name, point, labels, out)
        elif kind == "histogram":
            _classic(name, point, labels, out)
        elif kind == "summary":
            _summary(name, point, labels, out)
        else:
            _exponential(name, point, labels, out)


def _number(name: str, point: Message, labels: Labels, out: Converted) -> None:
    value = point["asDouble"] if "asDouble" in point else int(point.get("asInt", 0))
    out.add({**labels, METRIC_NAME: name}, *_timed(point, value))


def _classic(name: str, point: Message, labels: Labels, out: Converted) -> None:
    bounds = [float_of(bound) for bound in point.get("explicitBounds", ())]
    counts = [int(count) for count in point.get("bucketCounts", ())]
    if counts and len(counts) != len(bounds) + 1:
        raise InputError(f"{name}: {len(counts)} buckets do not fit {len(bounds)} bounds")
    so_far = 0
    for bound, count in zip(bounds, counts, strict=False):
        so_far += count
        le = {"le": _plain(bound), METRIC_NAME: f"{name}_bucket"}
        out.add({**labels, **le}, *_timed(point, so_far))
    whole = int(point.get("count", 0))
    le = {"le": "+Inf", METRIC_NAME: f"{name}_bucket"}
    out.add({**labels, **le}, *_timed(point, whole))
    _sum_and_count(name, point, labels, out)


def _summary(name: str, point: Message, labels: Labels, out: Converted) -> None:
    for found in point.get("quantileValues", ()):
        quantile = {"quantile": _plain(float_of(found.get("quantile", 0))), METRIC_NAME: name}
        out.add({**labels, **quantile}, *_timed(point, found.get("value", 0)))
    _sum_and_count(name, point, {**labels}, out)


def _sum_and_count(name: str, point: Message, labels: Labels, out: Converted) -> None:
    if "sum" in point:
        out.add({**labels, METRIC_NAME: f"{name}_sum"}, *_timed(point, point["sum"]))
    count = int(point.get("count", 0))
    out.add({**labels, METRIC_NAME: f"{name}_count"}, *_timed(point, count))


def _exponential(name: str, point: Message, labels: Labels, out: Converted) -> None:
    scale = min(int(point.get("scale", 0)), MAX_SCHEMA)
    time_ms, total, start_ms = _timed(point, point.get("sum", 0))
    if _unrecorded(point):
        out.add({**labels, METRIC_NAME: name}, time_ms, STALE, start_ms)
        return
    positive, negative = (_side(point, side, scale) for side in ("positive", "negative"))
    histogram = WireHistogram(
        time_ms, scale, 0, float(int(point.get("count", 0))), total,
        float(int(point.get("zeroCount", 0))), float_of(point.get("zeroThreshold", 0)),
        negative, positive, (), stale=False,
    )  # fmt: skip
    out.histograms.append((out.row({**labels, METRIC_NAME: name}), histogram, start_ms))


def _side(point: Message, side: str, scale: int) -> Side:
    """Convert buckets: Prometheus numbers a bucket by its upper bound, OTLP by its lower one."""
    given = point.get(side, {})
    offset = int(given.get("offset", 0))
    if not -(2**31) <= offset < 2**31 - len(given.get("bucketCounts", ())):
        raise InputError(f"the offset {offset} of buckets is out of range")
    found = buckets(point, side, scale).items()
    return sorted((number + 1, float(count)) for number, count in found)


def _timed(point: Message, value: Any) -> tuple[int, float, int]:
    """Time, value and start of a point; the value of a point without one is the staleness
    marker."""
    time_ms = int(point.get("timeUnixNano", 0)) // 1_000_000
    start_ms = int(point.get("startTimeUnixNano", 0)) // 1_000_000
    for one in (time_ms, start_ms):
        if not FIRST_SAMPLE_MS <= one <= LAST_SAMPLE_MS:
            raise out_of_range(one)
    return time_ms, STALE if _unrecorded(point) else float_of(value), start_ms


def _unrecorded(point: Message) -> bool:
    return bool(int(point.get("flags", 0)) & _NO_VALUE)


def _plain(number: float) -> str:
    return f"{Decimal(repr(number)).normalize():f}" if np.isfinite(number) else "+Inf"


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
    return next(iter(value.values()), None)


def _reject(out: Converted, points: int, reason: str) -> None:
    out.rejected += points
    out.reason = out.reason or excerpt(reason)
