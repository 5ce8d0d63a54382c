"""OTLP points that cannot be stored are rejected one by one; the rest of the request is stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from novaql.inputs.compiled.compiling import WALKS
from novaql.server.ingest.delta import DeltaSums
from novaql.server.ingest.otlp import Converted, convert
from novaql.tsdb.model.samples import is_stale
from tests.server.ingest.test_otlp import as_protobuf, export, text
from tests.support.servers.http_server import local_server

S = 10**9
Message = dict[str, Any]


def classic(**changes: Any) -> Message:
    point = {"count": "6", "sum": 1.5, "explicitBounds": [1.0, 2.0], "bucketCounts": [1, 2, 3]}
    return point | changes


def exponential(**changes: Any) -> Message:
    positive, negative = side(0, 1, 2), side(-3, 4)
    point = {"count": "9", "sum": 1.5, "zeroCount": "2", "positive": positive, "negative": negative}
    return point | changes


def side(offset: int, *counts: int) -> Message:
    return {"offset": offset, "bucketCounts": [str(count) for count in counts]}


CLASSIC: list[tuple[Message, str]] = [
    (classic(explicitBounds=[2.0, 1.0]), "bounds do not ascend"),
    (classic(explicitBounds=[1.0, 1.0]), "bounds do not ascend"),
    (classic(explicitBounds=["NaN", 1.0]), "bounds do not ascend"),
    (classic(explicitBounds=["NaN"], bucketCounts=[1, 5]), "bounds do not ascend"),
    (classic(explicitBounds=[1.0, "NaN"], bucketCounts=[]), "bounds do not ascend"),
    (classic(bucketCounts=[1, 5]), "2 buckets do not fit 2 bounds"),
    (classic(bucketCounts=[1, 2, 3, 4]), "4 buckets do not fit 2 bounds"),
    (classic(count="7"), "counts 7 observations, its buckets 6"),
    (classic(count="5"), "counts 5 observations, its buckets 6"),
    (classic(count="5", sum="NaN"), "counts 5 observations, its buckets 6"),
    (classic(count="0", bucketCounts=[0, 0, 2**63]), "counts 0 observations"),
    (classic(bucketCounts=[5, -2, 3]), "a count is negative"),
    (classic(count="-6", bucketCounts=[]), "a count is negative"),
    (classic(count=str(2**64), bucketCounts=[2**63, 2**63, 0]), "more than 64 bits"),
]
EXPONENTIAL: list[tuple[Message, str]] = [
    (exponential(count="10"), "counts 10 observations, its buckets 9"),
    (exponential(count="8", sum="NaN"), "counts 8 observations, its buckets 9"),
    (exponential(count="0", positive=side(0, 2**63, 2**63 - 1)), "counts 0 observations"),
    (exponential(positive={}, negative={}, zeroCount="0"), "counts 9 observations, its buckets 0"),
    (exponential(positive=side(0, 5, -2)), "a count is negative"),
    (exponential(negative=side(0, 5, -1)), "a count is negative"),
    (exponential(zeroCount="-2"), "a count is negative"),
    (exponential(count="-9"), "a count is negative"),
    (exponential(zeroThreshold="NaN"), "zero threshold is nan"),
    (exponential(zeroThreshold=-4.0), "zero threshold is -4"),
    (exponential(positive=side(2**31 - 1, 1, 2)), "offset 2147483647 of buckets is out of range"),
    (exponential(negative=side(2**31 - 1, 4)), "offset 2147483647 of buckets is out of range"),
    (exponential(scale=-5), "the scale -5 is below -4"),
]
LONG = [
    ([text("a", "x" * 70_000)], "'a' has 70000 bytes"),
    ([text("a" * 2000, "x")], "has 2000 bytes"),
    ([text(f"a{number}", "x") for number in range(300)], "labels, the limit is 256"),
]
FAULTS = [
    *(("histogram", point, reason) for point, reason in CLASSIC),
    *(("exponentialHistogram", point, reason) for point, reason in EXPONENTIAL),
    ("summary", {"count": "-1", "sum": 1.0}, "a count is negative"),
    *(
        (kind, sound | {"attributes": attributes}, reason)
        for attributes, reason in LONG
        for kind, sound in (
            ("gauge", {"asDouble": 1.0}),
            ("sum", {"asInt": "3"}),
            ("histogram", classic()),
            ("exponentialHistogram", exponential()),
            ("summary", {"count": "1", "quantileValues": [{"quantile": 0.5, "value": 1.0}]}),
        )
    ),
]
SOUND: list[tuple[str, Message]] = [
    ("histogram", classic()),
    ("histogram", {"count": "5", "sum": 1.5}),
    ("histogram", {"count": "5"}),
    ("histogram", {"count": "5", "sum": 1.5, "bucketCounts": ["5"]}),
    ("histogram", classic(count="7", sum="NaN")),
    ("histogram", classic(sum="NaN")),
    ("histogram", classic(explicitBounds=["-Infinity", 1.0])),
    ("histogram", classic(explicitBounds=[1.0, "Infinity"])),
    ("histogram", {"flags": 1, "explicitBounds": [1.0, 2.0], "bucketCounts": [0, 0, 0]}),
    ("histogram", classic(flags=1, count="0")),
    ("exponentialHistogram", exponential()),
    ("exponentialHistogram", exponential(count="10", sum="NaN")),
    ("exponentialHistogram", {}),
    ("exponentialHistogram", {"count": "2", "zeroCount": "2", "zeroThreshold": 0.5}),
    ("exponentialHistogram", exponential(positive=side(2**31 - 3, 1, 2))),
    ("exponentialHistogram", exponential(positive=side(2**31 - 1), count="6")),
    ("exponentialHistogram", {"flags": 1}),
    ("exponentialHistogram", exponential(flags=1, count="0")),
]


def metric(name: str, kind: str, *points: Message, temporality: int = 2) -> Message:
    """A metric with points that follow one another."""
    timed = [
        {"startTimeUnixNano": str(at * S), "timeUnixNano": str((at + 1) * S), **point}
        for at, point in enumerate(points, 1)
    ]
    data: Message = {"dataPoints": timed}
    if kind not in ("gauge", "summary"):
        data["aggregationTemporality"] = temporality
    return {"name": name, kind: data}


def request(*metrics: Message, resource: list[Message] | None = None) -> Message:
    of = {"attributes": resource or []}
    return {"resourceMetrics": [{"resource": of, "scopeMetrics": [{"metrics": list(metrics)}]}]}


def converted(sent: Message) -> Converted:
    with_turn = DeltaSums(most_series=100).begin()
    assert with_turn.try_turn()
    return convert(sent, with_turn)


def stored(found: Converted) -> list[str]:
    """The samples with the labels of their series, as texts, which are equal if NaNs are."""
    floats = [(found.labels[row], *rest) for row, *rest in found.samples]
    native = [(found.labels[row], *rest) for row, *rest in found.histograms]
    return [repr(one) for one in (*floats, *native)]


def sound(kind: str, number: int) -> Message:
    match kind:
        case "histogram":
            return classic(sum=float(number))
        case "exponentialHistogram":
            return exponential(sum=float(number))
        case "summary":
            return {"count": "1", "sum": float(number)}
        case "gauge":
            return {"asDouble": float(number)}
        case _:
            return {"asInt": str(number)}


@pytest.mark.parametrize("temporality", [1, 2])
@pytest.mark.parametrize(("kind", "fault", "reason"), FAULTS)
def test_a_point_at_fault_is_rejected_alone(
    kind: str, fault: Message, reason: str, temporality: int
) -> None:
    """It changes neither the sums of deltas, nor the points about it."""
    points = [sound(kind, 1), fault, sound(kind, 2)]
    found = converted(request(metric("m", kind, *points, temporality=temporality)))
    other = metric("m", kind, *points, temporality=temporality)
    del other[kind]["dataPoints"][1]
    wanted = converted(request(other))

    assert (found.rejected, wanted.rejected) == (1, 0)
    assert reason in found.reason
    assert stored(found) == stored(wanted)
    assert found.labels == wanted.labels
    assert found.names == wanted.names


@pytest.mark.parametrize("temporality", [1, 2])
@pytest.mark.parametrize(("kind", "point"), SOUND)
def test_a_point_that_a_sender_may_send_is_stored(
    kind: str, point: Message, temporality: int
) -> None:
    found = converted(request(metric("m", kind, point, temporality=temporality)))
    assert (found.rejected, found.reason) == (0, "")
    series = [tuple(sorted(found.labels[row].items())) for row, *_ in found.samples]
    assert len(set(series)) == len(series)
    assert found.samples or found.histograms
    values = np.array([value for _, _, value, _ in found.samples])
    assert (is_stale(values) == bool(point.get("flags"))).all()


def test_infinite_bounds() -> None:
    found = converted(
        request(metric("m", "histogram", classic(explicitBounds=["-Infinity", "Infinity"])))
    )
    values = {found.labels[row].get("le"): value for row, _, value, _ in found.samples[:-2]}
    assert values == {"-Inf": 1.0, "+Inf": 6.0}


def test_metrics_whose_points_are_all_rejected_leave_no_trace() -> None:
    resource = [text("service.name", "shop"), text("host.name", "h")]
    found = converted(request(metric("m", "histogram", classic(count="7")), resource=resource))
    assert (found.labels, found.samples, found.metadata, found.rejected) == ([], [], {}, 1)
    nameless = converted(request(metric("", "gauge", sound("gauge", 1))))
    assert (nameless.labels, nameless.rejected) == ([], 1)


@pytest.mark.parametrize(
    "attribute", [text("host.name", "x" * 70_000), text("service.instance.id", "x" * 70_000)]
)
def test_an_attribute_of_a_resource_that_is_too_long_rejects_its_points(
    attribute: Message,
) -> None:
    metrics = [
        metric("a", "gauge", sound("gauge", 1), sound("gauge", 2)),
        metric("b", "sum", sound("sum", 1), temporality=1),
    ]
    good = [text("service.name", "shop"), text("host.name", "h")]
    sent = request(*metrics, resource=[text("service.name", "shop"), attribute])
    sent["resourceMetrics"] += request(*metrics, resource=good)["resourceMetrics"]
    found = converted(sent)
    assert found.rejected == 3
    assert "has 70000 bytes" in found.reason
    assert stored(found) == stored(converted(request(*metrics, resource=good)))


def _long_attribute(point: Message) -> Message:
    return point | {"attributes": [text("a", "x" * 66_000)]}


def _miscounted(point: Message) -> Message:
    return point | {"count": str(int(point["count"]) + 1)}


Spoil = Callable[[Message], Message]
SPOILS: dict[str, list[Spoil]] = {
    "gauge": [_long_attribute],
    "sum": [_long_attribute],
    "summary": [_long_attribute, lambda p: p | {"count": "-1"}],
    "histogram": [
        _long_attribute,
        _miscounted,
        lambda p: p | {"bucketCounts": [*p["bucketCounts"], "0"]},
        lambda p: p | {"bucketCounts": ["-1", *p["bucketCounts"][1:]]},
        lambda p: p | _with_bound(p, "NaN"),
        lambda p: p | _with_bound(p, -1e9),
        lambda p: p | _with_bound(_with_bound(p, 1e9), 1e9),
    ],
    "exponentialHistogram": [
        _long_attribute,
        _miscounted,
        lambda p: p | {"scale": -5},
        lambda p: p | {"zeroThreshold": "NaN"},
        lambda p: p | {"zeroThreshold": -0.5},
        lambda p: p | {"zeroCount": "-1"},
        lambda p: p | {"positive": side(2**31 - 1, 1)},
        lambda p: p | {"negative": side(0, 1, -1)},
    ],
}


def _with_bound(point: Message, bound: Any) -> Message:
    """A bound more, and an empty bucket for it."""
    bounds, counts = [*point["explicitBounds"], bound], [*point["bucketCounts"], "0"]
    return {"explicitBounds": bounds, "bucketCounts": counts}


@st.composite
def points(draw: st.DrawFn, kind: str) -> Message:
    number = draw(st.integers(0, 1000))
    point = sound(kind, number)
    counts = draw(st.lists(st.integers(0, 2**40), min_size=2, max_size=5))
    if kind == "histogram":
        point["bucketCounts"] = [str(count) for count in counts]
        point["explicitBounds"] = [float(bound) for bound in range(len(counts) - 1)]
        point["count"] = str(sum(counts))
    elif kind == "exponentialHistogram":
        cut = draw(st.integers(0, len(counts)))
        offsets = st.integers(-300, 300)
        point["positive"] = side(draw(offsets), *counts[:cut])
        point["negative"] = side(draw(offsets), *counts[cut:])
        point["count"] = str(sum(counts) + int(point["zeroCount"]))
        point["scale"] = draw(st.integers(0, 3))
    return point | {"attributes": [text("series", draw(st.sampled_from("xy")))]}


@st.composite
def metrics(draw: st.DrawFn) -> tuple[Message, Message, int]:
    """A metric, the same without its points at fault, and the number of these."""
    kind = draw(st.sampled_from(sorted(SPOILS)))
    of_kind, faults = list[Message](), set[int]()
    for place in range(draw(st.integers(1, 6))):
        spoil = draw(st.sampled_from([None, *SPOILS[kind]]))
        point = draw(points(kind))
        if spoil is not None:
            point = spoil(point)
            faults.add(place)
        of_kind.append(point)
    name = draw(st.sampled_from("ab"))
    whole = metric(name, kind, *of_kind, temporality=draw(st.sampled_from([1, 2])))
    rest = [p for place, p in enumerate(whole[kind]["dataPoints"]) if place not in faults]
    return whole, whole | {kind: whole[kind] | {"dataPoints": rest}}, len(faults)


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(metrics(), min_size=1, max_size=4, unique_by=lambda one: one[0]["name"]))
def test_the_stored_samples_are_those_of_the_sound_points(
    some: list[tuple[Message, Message, int]],
) -> None:
    found = converted(request(*(whole for whole, _, _ in some)))
    wanted = converted(request(*(rest for _, rest, _ in some)))
    assert found.rejected == sum(faults for *_, faults in some)
    assert wanted.rejected == 0
    assert stored(found) == stored(wanted)
    assert (found.labels, found.metadata) == (wanted.labels, wanted.metadata)


def _as_json(sent: Message) -> bytes:
    return json.dumps(sent).encode()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "encode"),
    [("application/json", _as_json), ("application/x-protobuf", as_protobuf)],
)
def test_the_answer_counts_the_rejected_points_and_the_rest_is_stored(
    kind: str, encode: Callable[[Message], bytes]
) -> None:
    """Only JSON can have a negative count, or one of more than 64 bits."""
    WALKS.prepare()
    json_only = ("is negative", "64 bits")
    faults = [
        metric(f"bad{number}", of, fault)
        for number, (of, fault, reason) in enumerate(FAULTS)
        if encode is _as_json or not reason.endswith(json_only)
    ]
    fine = [metric(f"fine_{of}", of, sound(of, 1)) for of in SPOILS]
    with local_server() as server:
        answer = export(server, encode(request(*fine[:2], *faults, *fine[2:])), kind)
        names = server.prometheus("label/__name__/values").json()["data"]
        metadata = server.store.metadata()
    assert answer.status_code == 200
    found = ExportMetricsServiceResponse()
    if encode is _as_json:
        json_format.Parse(answer.text, found)
    else:
        found.ParseFromString(answer.content)
    assert found.partial_success.rejected_data_points == len(faults)
    metric_name, _, reason = found.partial_success.error_message.partition(": ")
    assert reason.endswith(FAULTS[int(metric_name.removeprefix("bad"))][2])
    assert len(metadata) == len(fine)
    assert len(names) == 8
    assert all(name.startswith("fine_") for name in [*names, *metadata])
