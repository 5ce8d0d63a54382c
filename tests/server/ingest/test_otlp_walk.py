"""The compiled walk of OTLP stores what the conversion point by point stores."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

from novaql.inputs import LabelLimits, OtlpDecoder
from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.protobuf import bytes_field, fields
from novaql.server.ingest.delta import DeltaSums
from novaql.server.ingest.otlp_series import OtlpNames
from novaql.server.ingest.otlp_slices import OtlpReading
from novaql.server.ingest.spool import Incoming
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.runtime.compiled import Mode

CUMULATIVE = m.AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = m.AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
UNKNOWN = m.AggregationTemporality.AGGREGATION_TEMPORALITY_UNSPECIFIED
TEMPORALITIES = [CUMULATIVE, CUMULATIVE, CUMULATIVE, DELTA, UNKNOWN]
LIMITS = LabelLimits(labels=8, value_bytes=40)
Sample = tuple[tuple[tuple[str, str], ...], int, int, int]
Stored = tuple[dict[Sample, None], dict[str, Metadata], int, str]


@pytest.fixture(autouse=True)
def _compiled() -> None:
    WALKS.prepare()
    assert WALKS.ready() is not None


def samples_of(batch: Batch) -> Iterator[Sample]:
    """Labels, time, start and the bits of the value of each float."""
    starts = np.zeros(len(batch.values), np.int64) if batch.starts is None else batch.starts
    columns = batch.series_index, batch.timestamps, starts, batch.values.view(np.int64)
    for row, time, start, bits in zip(*(column.tolist() for column in columns), strict=True):
        labels = tuple(sorted(batch.series.labels(row).items()))
        yield labels, time, start, bits


def read(data: bytes, decoder: OtlpDecoder) -> Stored:
    """What a server stores of an export."""
    reading = OtlpReading(data, decoder, DeltaSums(most_series=100), LIMITS, as_json=False)
    samples: dict[Sample, None] = {}
    metadata: dict[str, Metadata] = {}
    for part in reading.slices():
        if isinstance(part, Incoming):
            samples |= dict.fromkeys(samples_of(part.batch))
            metadata |= part.metadata
            if part.batch.native is not None:
                native = part.batch.native
                for row, time in zip(native.series_index, native.timestamps, strict=True):
                    labels = tuple(sorted(part.batch.series.labels(int(row)).items()))
                    samples[labels, int(time), 0, -1] = None
    reading.leave()
    return samples, metadata, reading.rejected, reading.reason


def by_points(data: bytes) -> Stored:
    with WALKS.forced(Mode.OFF):
        return read(data, decoder())


def decoder() -> OtlpDecoder:
    return OtlpDecoder(OtlpNames(), limits=LIMITS)


def same(walked: Stored, converted: Stored) -> None:
    """A resource has a sample of its target for each part in which its points are."""
    assert {s for s in walked[0] if not is_target(s)} == {
        s for s in converted[0] if not is_target(s)
    }
    latest = [{s[0]: s[1] for s in sorted(one[0]) if is_target(s)} for one in (walked, converted)]
    assert latest[0] == latest[1]
    # Of metrics that have one name, but contradict each other, either may be described.
    assert walked[1].keys() == converted[1].keys()
    assert walked[2] == converted[2]
    assert not walked[2] or walked[3]


def is_target(sample: Sample) -> bool:
    return ("__name__", "target_info") in sample[0]


names = st.sampled_from(["http.requests", "cpu", "a b", "", "9lives", "_x", "ratio"])
texts = st.sampled_from(["", "x", "y", "é", "long" * 11])
values = st.one_of(
    st.floats(allow_nan=False), st.just(math.nan), st.sampled_from([0.0, -0.0, math.inf])
)
times = st.sampled_from([0, 1, 10**18, 1_700_000_000_123_456_789, 2**64 - 1])


@st.composite
def attributes(draw: st.DrawFn) -> list[KeyValue]:
    value = st.one_of(
        texts.map(lambda text: AnyValue(string_value=text)),
        st.booleans().map(lambda yes: AnyValue(bool_value=yes)),
        st.integers(-5, 5).map(lambda number: AnyValue(int_value=number)),
        st.just(AnyValue()),
    )
    keys = st.sampled_from(["a", "b.c", "b/c", "job", "le", "service.name", "x.y", ""])
    return [KeyValue(key=draw(keys), value=draw(value)) for _ in range(draw(st.integers(0, 4)))]


@st.composite
def number_points(draw: st.DrawFn) -> m.NumberDataPoint:
    point = m.NumberDataPoint(
        attributes=draw(attributes()), time_unix_nano=draw(times),
        start_time_unix_nano=draw(times), flags=draw(st.sampled_from([0, 0, 0, 1, 2])),
    )  # fmt: skip
    kind = draw(st.integers(0, 2))
    if kind == 0:
        point.as_double = draw(values)
    elif kind == 1:
        point.as_int = draw(st.integers(-(2**63), 2**63 - 1))
    if draw(st.booleans()):
        point.exemplars.add(as_double=1.0)
    return point


@st.composite
def histogram_points(draw: st.DrawFn) -> m.HistogramDataPoint:
    bounds = draw(st.sampled_from([[], [1.0], [0.5, 2.0], [2.0, 0.5], [1.0, math.inf]]))
    counts = draw(st.lists(st.integers(0, 9), min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    counts = draw(st.sampled_from([counts, counts, counts, [], counts[1:], [2**63, 2**63]]))
    count = draw(st.sampled_from([sum(counts), sum(counts), sum(counts) + 1, 0])) % 2**64
    point = m.HistogramDataPoint(
        attributes=draw(attributes()), time_unix_nano=draw(times),
        start_time_unix_nano=draw(times), count=count, bucket_counts=counts,
        explicit_bounds=bounds, flags=draw(st.sampled_from([0, 0, 0, 0, 1])),
    )  # fmt: skip
    if draw(st.booleans()):
        point.sum = draw(values)
    if draw(st.booleans()):
        point.min, point.max = 0.0, 1.0
    return point


@st.composite
def metrics(draw: st.DrawFn) -> m.Metric:
    metric = m.Metric(
        name=draw(names), unit=draw(st.sampled_from(["", "s", "1"])), description=draw(texts)
    )
    kind = draw(st.sampled_from(["gauge", "sum", "histogram", "summary", "exponential", "none"]))
    temporality = draw(st.sampled_from(TEMPORALITIES))
    if kind == "gauge":
        metric.gauge.data_points.extend(draw(st.lists(number_points(), max_size=3)))
        metric.gauge.SetInParent()
    elif kind == "sum":
        metric.sum.data_points.extend(draw(st.lists(number_points(), max_size=3)))
        metric.sum.aggregation_temporality = temporality
        metric.sum.is_monotonic = draw(st.booleans())
    elif kind == "histogram":
        metric.histogram.data_points.extend(draw(st.lists(histogram_points(), max_size=3)))
        metric.histogram.aggregation_temporality = temporality
    elif kind == "summary":
        metric.summary.data_points.add(count=1, time_unix_nano=5)
    elif kind == "exponential":
        metric.exponential_histogram.data_points.add(time_unix_nano=5, count=1, zero_count=1)
        metric.exponential_histogram.aggregation_temporality = temporality
    if draw(st.booleans()):
        metric.metadata.add(key="k", value=AnyValue(string_value="v"))
    return metric


@st.composite
def exports(draw: st.DrawFn) -> ExportMetricsServiceRequest:
    export = ExportMetricsServiceRequest()
    for _ in range(draw(st.integers(0, 3))):
        of_resource = export.resource_metrics.add(schema_url=draw(texts))
        if draw(st.booleans()):
            of_resource.resource.attributes.extend(draw(attributes()))
        for _ in range(draw(st.integers(0, 2))):
            scope = of_resource.scope_metrics.add(metrics=draw(st.lists(metrics(), max_size=3)))
            if draw(st.booleans()):
                scope.scope.name = "library"
    return export


def oneofs_last(message: bytes, begin: int, end: int, last: set[int]) -> bytes:
    """The same message, some fields behind all others, as Go's library writes fields of a oneof."""
    found, at = [], begin
    for number, _, _, stop in fields(message, begin, end):
        found.append((number in last, message[at:stop]))
        at = stop
    return b"".join(one for _, one in sorted(found, key=lambda pair: pair[0]))


@given(st.lists(exports(), min_size=1, max_size=3))
@settings(max_examples=300)
def test_it_stores_what_the_conversion_point_by_point_stores(
    sent: list[ExportMetricsServiceRequest],
) -> None:
    """A first export, further ones with known series, and each of them once more."""
    used = decoder()
    for export in (*sent, *sent):
        data = export.SerializeToString()
        same(read(data, used), by_points(data))


def large_export(points: int, *, resources: int = 3) -> ExportMetricsServiceRequest:
    export = ExportMetricsServiceRequest()
    for number in range(resources):
        of_resource = export.resource_metrics.add()
        for key in ("service.name", "zone"):
            text = AnyValue(string_value=f"{key}-{number}")
            of_resource.resource.attributes.add(key=key, value=text)
        scope = of_resource.scope_metrics.add()
        gauge = scope.metrics.add(name="g", unit="s", description="first").gauge
        histogram = scope.metrics.add(name="h", unit="By", description="second").histogram
        histogram.aggregation_temporality = CUMULATIVE
        for at in range(points):
            labels = [KeyValue(key="i", value=AnyValue(int_value=at))]
            gauge.data_points.add(attributes=labels, time_unix_nano=10**15 + at, as_int=at)
            histogram.data_points.add(
                attributes=labels, time_unix_nano=10**15, count=at, sum=at,
                bucket_counts=[at, 0], explicit_bounds=[1.0],
            )  # fmt: skip
    return export


def test_the_walk_leaves_no_usual_point_to_its_caller() -> None:
    """First and later exports; a histogram without buckets has a count and a sum."""
    export = large_export(20)
    histogram = export.resource_metrics[0].scope_metrics[0].metrics[1].histogram
    histogram.data_points.add(count=4, sum=2.0, min=0.1, max=1.0, time_unix_nano=10**15)
    histogram.data_points[0].exemplars.add(as_double=1.0)
    data, used = export.SerializeToString(), decoder()
    expected = by_points(data)
    for _ in range(2):
        parts = used.parts(data)
        assert parts is not None
        found = list(parts)
        assert [(part.metrics, part.points) for part in found] == [([], b"")] * len(found)
        samples = [sample for part in found for sample in samples_of(part.batch)]
        assert len(samples) == len(set(samples))
        assert set(samples) == set(expected[0])


def test_runs_of_bounded_size_give_the_same() -> None:
    """More new series, and more points that are left over, than a run has space for."""
    export = large_export(2500)
    gauge = export.resource_metrics[1].scope_metrics[0].metrics[0].gauge
    for point in gauge.data_points[:2000]:
        point.attributes.add(key="long", value=AnyValue(string_value="x" * 41))
    data = export.SerializeToString()
    used = decoder()
    expected = by_points(data)
    assert expected[2] == 2000
    for _ in range(2):
        found = read(data, used)
        same(found, expected)
        assert found[1] == expected[1]


def test_the_cache_is_cleared_between_runs() -> None:
    used = OtlpDecoder(OtlpNames(), limits=LIMITS, most_series=500)
    data = large_export(2500).SerializeToString()
    same(read(data, used), by_points(data))


def test_large_messages_are_left_to_the_caller_and_limited() -> None:
    """The walk copies no large description, attribute or scope."""
    for size in (70_000, 2_000_000):
        large = "x" * size
        metric, resource, scope = (large_export(1, resources=2) for _ in range(3))
        metric.resource_metrics[0].scope_metrics[0].metrics[0].description = large
        attribute = resource.resource_metrics[0].resource.attributes.add(key="large")
        attribute.value.string_value = large
        scope.resource_metrics[0].scope_metrics[0].scope.version = large
        for export, left in ((metric, [1]), (resource, [2]), (scope, None)):
            data = export.SerializeToString()
            parts = decoder().parts(data)
            assert left == (None if parts is None else [len(part.metrics) for part in parts])
            if size < 1 << 20:
                same(read(data, decoder()), by_points(data))
            else:
                assert outcome(data, decoder()) == "LimitExceeded"


def test_a_large_metric_stays_behind_the_ones_before_it() -> None:
    """Deltas of a series are added in their order, also if they are in two metrics."""
    export = ExportMetricsServiceRequest()
    of_scope = export.resource_metrics.add().scope_metrics.add()
    for points in (range(1), range(50, 4000)):
        deltas = of_scope.metrics.add(name="requests").sum
        deltas.aggregation_temporality, deltas.is_monotonic = DELTA, True
        for second, number in (divmod(point, 50) for point in points):
            point = deltas.data_points.add(
                start_time_unix_nano=second * 10**9, time_unix_nano=(second + 1) * 10**9, as_int=1
            )
            point.attributes.add(key="number").value.int_value = number
    samples, _, rejected, reason = read(export.SerializeToString(), decoder())
    assert (rejected, reason) == (0, "")
    first = tuple({"__name__": "requests_total", "number": "0"}.items())
    values = {time: bits for labels, time, _, bits in samples if labels == first}
    assert values == {1000 * second: bits_of(float(second)) for second in range(1, 81)}


def bits_of(value: float) -> int:
    return int(np.float64(value).view(np.int64))


def test_fields_of_a_oneof_may_be_the_last() -> None:
    """Go writes the value of a point behind its attributes."""
    point = m.NumberDataPoint(
        attributes=[KeyValue(key="a", value=AnyValue(string_value="b"))],
        time_unix_nano=10**15, as_double=1.5,
    ).SerializeToString()  # fmt: skip
    moved = oneofs_last(point, 0, len(point), {4})
    assert moved != point
    name = bytes_field(1, b"m")
    metric = bytes_field(2, name + bytes_field(5, bytes_field(1, moved)))
    data = bytes_field(1, bytes_field(2, metric))
    parts = decoder().parts(data)
    assert parts is not None
    (part,) = parts
    assert part.points == b""
    assert part.metrics == []
    assert part.batch.values.tolist() == [1.5]
    same(read(data, decoder()), by_points(data))


def outcome(data: bytes, used: OtlpDecoder) -> Stored | str:
    try:
        return read(data, used)
    except Exception as problem:  # noqa: BLE001 - compared by its name
        return type(problem).__name__


@pytest.mark.slow
def test_damaged_exports_are_read_within_their_bounds() -> None:
    """No byte behind a message is read, and what both read or refuse is the same."""
    rng = random.Random(os.environ.get("NOVAQL_PROPERTY_SEED"))
    export = large_export(5)
    for of_resource in export.resource_metrics:
        scope = of_resource.scope_metrics[0]
        scope.scope.name = "a library"
        for point in scope.metrics[0].gauge.data_points:
            point.exemplars.add(as_double=1.0, time_unix_nano=7, trace_id=b"trace")
        scope.metrics[1].histogram.data_points[0].exemplars.add(as_int=2, span_id=b"span")
    whole = export.SerializeToString()
    used = decoder()
    for _ in range(20_000):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 5])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        sent = bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
        with WALKS.forced(Mode.OFF):
            expected = outcome(sent, decoder())
        found = outcome(sent, used)
        if isinstance(expected, str) or isinstance(found, str):
            assert found == expected, sent.hex()
        else:
            same(found, expected)
